#include "server/chat_completions.h"

#include "server/server_testutil.h"

namespace mimo {
namespace {

using ChatCompletionsTest = ServerTest;

TEST_F(ChatCompletionsTest, PassesEverySamplingFieldOn) {
  AnswerWith({"ok"});

  ASSERT_EQ(
      Chat(
          R"("temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"typical_p":0.75,)"
          R"("repetition_penalty":1.5,"presence_penalty":-1,"frequency_penalty":2,"seed":-1,)"
          R"("logit_bias":{"65":-100},"stop":["x","yy"],"stop_token_ids":[66],"ignore_eos":true,"priority":3,)"
          R"("max_tokens":5,"max_completion_tokens":6)")
          .status,
      200);

  const GenerationRequest request = engine_->requests()[0];
  EXPECT_EQ(request.sampling.temperature, 0.5F);
  EXPECT_EQ(request.sampling.top_p, 0.25F);
  EXPECT_EQ(request.sampling.top_k, 7U);
  EXPECT_EQ(request.sampling.min_p, 0.125F);
  EXPECT_EQ(request.sampling.typical_p, 0.75F);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.5F);
  EXPECT_EQ(request.sampling.presence_penalty, -1.0F);
  EXPECT_EQ(request.sampling.frequency_penalty, 2.0F);
  EXPECT_EQ(request.sampling.seed, UINT64_MAX);
  ASSERT_EQ(request.sampling.logit_bias.size(), 1U);
  EXPECT_EQ(request.sampling.logit_bias[0], (std::pair<TokenId, float>(65, -100.0F)));
  EXPECT_EQ(request.stop_strings, (std::vector<std::string>{"x", "yy"}));
  EXPECT_EQ(request.stop_token_ids, (std::vector<TokenId>{66}));
  EXPECT_TRUE(request.ignore_eos);
  EXPECT_EQ(request.priority, -3) << "vLLM's lower ones go first, the engine's higher ones";
  EXPECT_EQ(request.max_tokens, 6U);
}

TEST_F(ChatCompletionsTest, DefaultsAreThePlatforms) {
  AnswerWith({"ok"});

  ASSERT_EQ(Chat(R"("temperature":null,"stop":null,"tools":null,"tool_choice":null,"max_tokens":-1)").status,
            200);

  const GenerationRequest request = engine_->requests()[0];
  EXPECT_EQ(request.sampling.temperature, 1.0F);
  EXPECT_EQ(request.sampling.top_p, 0.95F);
  EXPECT_FALSE(request.sampling.seed.has_value());
  EXPECT_EQ(request.max_tokens, 0U);
}

TEST_F(ChatCompletionsTest, IgnoresWhatRealClientsSendUnasked) {
  AnswerWith({"ok"});

  EXPECT_EQ(Chat(R"("store":false,"metadata":{},"service_tier":"auto","user":"u","verbosity":"low",)"
                 R"("prompt_cache_key":"k","safety_identifier":"s","stream_options":null,"unheard_of":[1],)"
                 R"("response_format":{"type":"text"},"reasoning_effort":"none")")
                .status,
            200);
}

TEST_F(ChatCompletionsTest, FindsTheModelUnderAllItsNames) {
  AnswerWith({"ok"});

  for (const char* name :
       {"mimo-v2-flash", "MiMo-V2-Flash[1m]", "xiaomimimo/mimo-v2-flash", "xiaomi_mimo/MiMo-V2-Flash"}) {
    EXPECT_EQ(Chat(fmt::format(R"("model":"{}")", name)).status, 200) << name;
  }
  const ClientReply unknown = Chat(R"("model":"gpt-9")");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.json()["error"]["code"], "model_not_found");
  EXPECT_EQ(unknown.json()["error"]["param"], "model");
}

TEST_F(ChatCompletionsTest, NamesTheFieldOfAWrongType) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"temperature", R"("hot")"},
                                                                  {"temperature", "2.5"},
                                                                  {"top_p", "-0.1"},
                                                                  {"top_p", "1.5"},
                                                                  {"top_k", "1.5"},
                                                                  {"top_k", "-2"},
                                                                  {"n", "0"},
                                                                  {"n", "1000"},
                                                                  {"seed", R"("x")"},
                                                                  {"max_tokens", "0"},
                                                                  {"max_tokens", R"("5")"},
                                                                  {"stream", "1"},
                                                                  {"stop", "5"},
                                                                  {"stop", R"([""])"},
                                                                  {"logit_bias", R"({"a":1})"},
                                                                  {"logit_bias", "[]"},
                                                                  {"logprobs", "5"},
                                                                  {"top_logprobs", "21"},
                                                                  {"model", "5"},
                                                                  {"stream_options", "1"},
                                                                  {"stop_token_ids", "[-1]"},
                                                                  {"tool_choice", R"("perhaps")"},
                                                                  {"tools", "5"},
                                                                  {"repetition_penalty", "0"},
                                                                  {"logit_bias", R"({"99999":1})"},
                                                                  {"response_format", R"({"type":"yaml"})"}};

  for (const auto& [field, value] : cases) {
    const ClientReply reply = Chat(fmt::format(R"("{}":{})", field, value));
    EXPECT_EQ(reply.status, 400) << field << " " << value;
    EXPECT_EQ(reply.json()["error"]["param"], field) << reply.body;
    EXPECT_EQ(reply.json()["error"]["type"], "invalid_request_error");
  }
}

TEST_F(ChatCompletionsTest, RefusesBodiesThatAreNotRequests) {
  for (const char* body : {"", "{", "[]", "\"x\"", "{\"messages\":5}", "{\"messages\":[]}", "{}"}) {
    EXPECT_EQ(Post("/v1/chat/completions", body).status, 400) << body;
  }
  EXPECT_EQ(Post("/v1/chat/completions", std::string(100000, '[')).status, 400);
}

TEST_F(ChatCompletionsTest, SaysWhatIsNotImplementedInsteadOfIgnoringIt) {
  for (const char* field :
       {R"("audio":{"format":"wav"})", R"("modalities":["text","audio"])", R"("continue_final_message":true)",
        R"("prompt_logprobs":1)", R"("structured_outputs":{"structural_tag":{}})"}) {
    const ClientReply reply = Chat(field);
    EXPECT_EQ(reply.status, 501) << field;
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false") << field;
    EXPECT_TRUE(reply.json()["error"]["param"].is_string()) << field;
  }
}

TEST_F(ChatCompletionsTest, AFormatBecomesAGrammar) {
  AnswerWith({"ok"});
  const std::string tool =
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",)"
      R"("properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}}])";
  const std::string format =
      R"("response_format":{"type":"json_schema","json_schema":{"schema":{"const":7}}})";

  Chat();
  Chat(format);
  Chat(tool + R"(,"tool_choice":"required")");
  Chat(tool + "," + format);
  Chat(tool + R"(,"tool_choice":"none",)" + format);

  const auto requests = engine_->requests();
  ASSERT_EQ(requests.size(), 5U);
  const auto takes = [&](size_t index, std::string_view text) {
    GrammarMatcher matcher(requests[index].grammar, nullptr);
    return matcher.AcceptBytes(text) && matcher.CanEnd();
  };
  constexpr std::string_view kCall =
      "<tool_call>\n<function=f>\n<parameter=n>3</parameter>\n</function>\n</tool_call>";
  constexpr std::string_view kWrongCall =
      "<tool_call>\n<function=f>\n<parameter=n>x</parameter>\n</function>\n</tool_call>";
  EXPECT_EQ(requests[0].grammar, nullptr);
  EXPECT_TRUE(takes(1, "7"));
  EXPECT_FALSE(takes(1, "8"));
  EXPECT_TRUE(takes(2, kCall));
  EXPECT_FALSE(takes(2, kWrongCall));
  EXPECT_FALSE(takes(2, "7"));
  EXPECT_TRUE(takes(3, kCall));
  EXPECT_TRUE(takes(3, "7"));
  EXPECT_FALSE(takes(3, "words"));
  EXPECT_TRUE(takes(4, "7"));
  EXPECT_FALSE(takes(4, kCall));
}

TEST_F(ChatCompletionsTest, AChoiceThatCannotBeMadeIsRefused) {
  const std::string tool = R"("tools":[{"type":"function","function":{"name":"f"}}])";
  for (const std::string& field :
       {std::string(R"("tool_choice":"required")"),
        tool + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})",
        tool + R"(,"tool_choice":{"type":"function"})", tool + R"(,"tool_choice":{"type":"web_search"})",
        tool + R"(,"tool_choice":{"type":"allowed_tools"})",
        tool + R"(,"tool_choice":{"type":"allowed_tools","mode":"perhaps","tools":[]})"}) {
    const ClientReply reply = Chat(field);
    EXPECT_EQ(reply.status, 400) << field;
    EXPECT_EQ(reply.json()["error"]["param"], "tool_choice") << field;
  }
}

TEST_F(ChatCompletionsTest, ReasoningThatIsNotPassedBackIsRefusedOnlyOnRequest) {
  AnswerWith({"ok"});
  const auto body = [](std::string_view reasoning, std::string_view thinking) {
    return fmt::format(
        R"({{"thinking":{{"type":"{}"}},"messages":[{{"role":"user","content":"x"}},)"
        R"({{"role":"assistant",{}"tool_calls":[{{"id":"1","type":"function","function":)"
        R"({{"name":"f","arguments":"{{}}"}}}}]}},{{"role":"tool","tool_call_id":"1","content":"y"}}]}})",
        thinking, reasoning);
  };
  const auto post = [&](const std::string& text) { return Post("/v1/chat/completions", text); };

  EXPECT_EQ(post(body("", "enabled")).status, 200);
  policy_.strict_reasoning_replay = true;
  Restart();
  AnswerWith({"ok"});
  const ClientReply refused = post(body("", "enabled"));
  EXPECT_EQ(post(body("", "disabled")).status, 200);
  EXPECT_EQ(post(body(R"("reasoning_content":"r",)", "enabled")).status, 200);

  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.json()["error"],
            (Json{{"message", "Param Incorrect"},
                  {"type", ""},
                  {"param", "The reasoning_content in the thinking mode must be passed back to the API."},
                  {"code", "400"}}));
}

TEST_F(ChatCompletionsTest, AliasesBringTheirDefaults) {
  aliases_ = {{.name = "claude-*", .defaults = {.temperature = 0.25F, .max_tokens = 9, .thinking = true}},
              {.name = "fast", .defaults = {.top_k = 3}}};
  Restart();
  AnswerWith({"ok"});

  const Json claude = Chat(R"("model":"claude-opus-4[1m]")").json();
  Chat(R"("model":"claude-opus-4-nothink","temperature":0.5)");
  const Json fast = Chat(R"("model":"FAST-thinking")").json();
  EXPECT_EQ(Chat(R"("model":"gpt-5")").status, 404);

  const auto requests = engine_->requests();
  EXPECT_EQ(claude["model"], "claude-opus-4[1m]");
  EXPECT_EQ(requests[0].sampling.temperature, 0.25F);
  EXPECT_EQ(requests[0].sampling.top_p, 0.95F);  // the model's own default
  EXPECT_EQ(requests[0].max_tokens, 9U);
  EXPECT_EQ(requests[1].sampling.temperature, 0.5F);
  EXPECT_GT(requests[1].prompt.size(), requests[0].prompt.size());  // <think></think> ends the prompt
  EXPECT_EQ(fast["model"], "fast-thinking");
  EXPECT_EQ(requests[2].sampling.top_k, 3U);
  EXPECT_EQ(requests[2].prompt, requests[0].prompt);
  const Json list = Request("GET", "/v1/models").json();
  EXPECT_EQ(list["data"].size(), 4U);
  EXPECT_EQ(list["data"][3]["id"], "fast");
}

TEST_F(ChatCompletionsTest, AllowedToolsAreTheOnlyOnesParsed) {
  AnswerWith({"<tool_call>\n<function=b>\n</function>\n</tool_call>"});
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"a"}},)"
                            R"({"type":"function","function":{"name":"b"}}])";

  const Json json = Chat(tools + R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto",)"
                                 R"("tools":[{"type":"function","function":{"name":"b"}}]}})")
                        .json();

  EXPECT_EQ(json["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "b");
  EXPECT_LT(json["usage"]["prompt_tokens"], Chat(tools).json()["usage"]["prompt_tokens"]);
}

TEST_F(ChatCompletionsTest, AModelWithoutToolsCannotOpenACall) {
  AnswerWith({"ok"});
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"a"}}])";

  Chat();
  Chat(R"("tools":[{"type":"web_search"}])");
  Chat(tools + R"(,"tool_choice":"none")");
  Chat(tools);

  std::vector<std::vector<TokenId>> banned;
  for (const GenerationRequest& request : engine_->requests())
    banned.push_back(request.sampling.banned_tokens);
  const std::vector<TokenId> marker = {kTestToolCallToken, kTestToolCallToken + 1};
  EXPECT_EQ(banned, (std::vector<std::vector<TokenId>>{marker, marker, marker, {}}));
}

TEST_F(ChatCompletionsTest, PassesTheCacheSaltOn) {
  AnswerWith({"ok"});

  EXPECT_EQ(Chat(R"("cache_salt":"a")").status, 200);
  EXPECT_EQ(Chat(R"("cache_salt":null)").status, 200);
  EXPECT_EQ(Post("/v1/completions", R"({"prompt":"x","cache_salt":"b"})").status, 200);
  const ClientReply empty = Chat(R"("cache_salt":"")");

  const auto requests = engine_->requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].cache_salt, "a");
  EXPECT_EQ(requests[1].cache_salt, "");
  EXPECT_EQ(requests[2].cache_salt, "b");
  EXPECT_EQ(empty.status, 400);
  EXPECT_EQ(empty.json()["error"]["param"], "cache_salt");
}

TEST_F(ChatCompletionsTest, ControlTokensInAMessageStayText) {
  AnswerWith({"ok"});
  ASSERT_EQ(Chat().status, 200);

  Post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi<|im_end|>"}]})");

  const auto requests = engine_->requests();
  const auto num_ends = [&](size_t index) {
    const std::vector<TokenId>& prompt = requests.at(index).prompt;
    return std::count(prompt.begin(), prompt.end(), kTestEndToken);
  };
  EXPECT_GT(num_ends(0), 0);
  EXPECT_EQ(num_ends(1), num_ends(0));
}

TEST_F(ChatCompletionsTest, PromptBeyondTheContextSaysBothLengths) {
  engine_->context = 16;

  const ClientReply reply = Chat();

  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.json()["error"]["code"], "context_length_exceeded");
  EXPECT_NE(reply.json()["error"]["message"].get<std::string>().find("16 tokens"), std::string::npos);
}

}  // namespace
}  // namespace mimo

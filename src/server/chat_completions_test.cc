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
       {R"("response_format":{"type":"json_object"})",
        R"("response_format":{"type":"json_schema","json_schema":{}})", R"("tool_choice":"required")",
        R"("tool_choice":{"type":"function","function":{"name":"f"}})", R"("guided_json":{})",
        R"("grammar":"root ::= x")", R"("audio":{"format":"wav"})", R"("modalities":["text","audio"])"}) {
    const ClientReply reply = Chat(field);
    EXPECT_EQ(reply.status, 501) << field;
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false") << field;
    EXPECT_TRUE(reply.json()["error"]["param"].is_string()) << field;
  }
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

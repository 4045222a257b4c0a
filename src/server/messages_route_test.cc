#include "server/messages_route.h"

#include "server/opaque_text.h"
#include "server/server_testutil.h"

namespace mimo {
namespace {

constexpr char kAnthropicTools[] =
    R"("tools":[{"name":"set_light","description":"Switches a lamp.","cache_control":{"type":"ephemeral"},)"
    R"("input_schema":{"type":"object","properties":{"room":{"type":"string"},"level":{"type":"integer"}}}},)"
    R"({"name":"get_time","input_schema":{"type":"object"}},{"type":"web_search_20250305","name":"web_search"}])";

class MessagesRouteTest : public ServerTest {
 protected:
  ClientReply Messages(std::string_view more = "") {
    return Post("/v1/messages", fmt::format(R"({{"model":"mimo-v2-flash","max_tokens":100,)"
                                            R"("messages":[{{"role":"user","content":"hi"}}]{}{}}})",
                                            more.empty() ? "" : ",", more));
  }
  // The prompt that a body gives, as text.
  std::string PromptOf(const std::string& fields) {
    AnswerWith({"ok"});
    const ClientReply reply = Post("/v1/messages", fmt::format(R"({{"max_tokens":9,{}}})", fields));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return Text(engine_->requests().back().prompt);
  }
  static std::string Text(const std::vector<TokenId>& tokens) { return MakeByteTokenizer()->Decode(tokens); }

  // The stream's events; fails unless each is named as its type.
  static std::vector<Json> Events(const ClientReply& reply) {
    std::vector<Json> events;
    for (const std::string& text : reply.events()) {
      events.push_back(ParseJson(text).value());
      EXPECT_NE(reply.body.find(
                    fmt::format("event: {}\ndata: {}\n\n", events.back()["type"].get<std::string>(), text)),
                std::string::npos);
    }
    return events;
  }
  static std::vector<std::string> Types(const std::vector<Json>& events) {
    std::vector<std::string> types;
    for (const Json& event : events) types.push_back(event["type"].get<std::string>());
    return types;
  }
};

TEST_F(MessagesRouteTest, RepliesWithOneWholeMessage) {
  AnswerWith({"Hel", "lo"});

  const ClientReply reply = Messages();

  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json json = reply.json();
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(json["type"], "message");
  EXPECT_EQ(json["role"], "assistant");
  EXPECT_EQ(json["model"], "mimo-v2-flash");
  EXPECT_EQ(json["content"], Json::array({Json{{"type", "text"}, {"text", "Hello"}}}));
  EXPECT_EQ(json["stop_reason"], "end_turn");
  EXPECT_EQ(json["stop_sequence"], nullptr);
  const int prompt_tokens = static_cast<int>(engine_->requests()[0].prompt.size());
  EXPECT_EQ(json["usage"]["input_tokens"], prompt_tokens - 4);  // the engine says that 4 came from a cache
  EXPECT_EQ(json["usage"]["cache_read_input_tokens"], 4);
  EXPECT_EQ(json["usage"]["cache_creation_input_tokens"], 0);
  EXPECT_EQ(json["usage"]["output_tokens"], 6);
}

TEST_F(MessagesRouteTest, IsServedUnderEveryPathOfClients) {
  AnswerWith({"ok"});
  const std::string body = R"({"max_tokens":9,"messages":[{"role":"user","content":"hi"}]})";

  for (const char* path : {"/v1/messages", "/messages", "/anthropic/v1/messages", "/anthropic/messages",
                           "/v1/messages?beta=true", "/v1/messages/"}) {
    EXPECT_EQ(Post(path, body).status, 200) << path;
  }
}

TEST_F(MessagesRouteTest, StreamsEventsInTheOrderOfAnthropic) {
  AnswerWith({"<think>", "why", "</think>", "be", "cause"});

  const ClientReply reply = Messages(R"("stream":true,"thinking":{"type":"enabled","budget_tokens":1024})");

  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  const std::vector<Json> events = Events(reply);
  ASSERT_EQ(Types(events),
            (std::vector<std::string>{"message_start", "ping", "content_block_start", "content_block_delta",
                                      "content_block_delta", "content_block_stop", "content_block_start",
                                      "content_block_delta", "content_block_delta", "content_block_stop",
                                      "message_delta", "message_stop"}));
  const Json& message = events[0]["message"];
  EXPECT_EQ(message["content"], Json::array());
  EXPECT_EQ(message["stop_reason"], nullptr);
  EXPECT_EQ(message["usage"]["input_tokens"], engine_->requests()[0].prompt.size());
  EXPECT_EQ(message["usage"]["output_tokens"], 0);
  EXPECT_EQ(events[2]["content_block"], (Json{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}));
  EXPECT_EQ(events[3]["delta"], (Json{{"type", "thinking_delta"}, {"thinking", "why"}}));
  EXPECT_EQ(events[4]["delta"]["type"], "signature_delta");
  EXPECT_EQ(events[6]["index"], 1);
  EXPECT_EQ(events[6]["content_block"], (Json{{"type", "text"}, {"text", ""}}));
  EXPECT_EQ(events[7]["delta"], (Json{{"type", "text_delta"}, {"text", "be"}}));
  EXPECT_EQ(events[9], (Json{{"type", "content_block_stop"}, {"index", 1}}));
  EXPECT_EQ(events[10]["delta"], (Json{{"stop_reason", "end_turn"}, {"stop_sequence", nullptr}}));
  EXPECT_EQ(events[10]["usage"]["output_tokens"], 26);
  EXPECT_EQ(events[10]["usage"]["output_tokens_details"]["thinking_tokens"], 18);
  EXPECT_EQ(events[10]["usage"]["cache_read_input_tokens"], 4);
}

TEST_F(MessagesRouteTest, ToolCallsAreBlocksOfTheirOwn) {
  AnswerWith({"I will.", kCallText, "\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>"});

  const Json json = Messages(kAnthropicTools).json();

  ASSERT_EQ(json["content"].size(), 3U) << json.dump();
  EXPECT_EQ(json["content"][0], (Json{{"type", "text"}, {"text", "I will."}}));
  EXPECT_EQ(json["content"][1]["type"], "tool_use");
  EXPECT_EQ(json["content"][1]["name"], "set_light");
  EXPECT_EQ(json["content"][1]["input"], (Json{{"room", "hall"}, {"level", 3}}));
  EXPECT_TRUE(json["content"][1]["id"].get<std::string>().starts_with("toolu_"));
  EXPECT_EQ(json["content"][2]["input"], Json::object());
  EXPECT_NE(json["content"][1]["id"], json["content"][2]["id"]);
  EXPECT_EQ(json["stop_reason"], "tool_use");
}

TEST_F(MessagesRouteTest, StreamsToolInputAsPiecesOfOneJsonText) {
  AnswerWith({"<tool_call>\n<func", "tion=set_light>\n<parameter=room>ha",
              "ll</parameter>\n<parameter=level>3", "</parameter>\n</function>\n</tool_call>"});

  const std::vector<Json> events = Events(Messages(std::string(kAnthropicTools) + R"(,"stream":true)"));

  ASSERT_GE(events.size(), 5U);
  EXPECT_EQ(events[2]["content_block"]["type"], "tool_use");
  EXPECT_EQ(events[2]["content_block"]["input"], Json::object());
  std::string input;
  for (const Json& event : events) {
    if (event["type"] == "content_block_delta") input += event["delta"]["partial_json"].get<std::string>();
  }
  EXPECT_EQ(ParseJson(input).value(), (Json{{"room", "hall"}, {"level", 3}}));
  EXPECT_EQ(events[events.size() - 2]["delta"]["stop_reason"], "tool_use");
}

TEST_F(MessagesRouteTest, WithoutParallelCallsTheFirstOneEndsTheReply) {
  AnswerWith({kCallText, kCallText});

  const Json json = Messages(std::string(kAnthropicTools) +
                             R"(,"tool_choice":{"type":"auto","disable_parallel_tool_use":true})")
                        .json();

  EXPECT_EQ(json["content"].size(), 1U);
  EXPECT_EQ(json["stop_reason"], "tool_use");
}

TEST_F(MessagesRouteTest, ForcedCallsAndFormatsRestrictWhatMayBeSaid) {
  AnswerWith({"ok"});
  const auto allows = [&](const std::string& fields, std::string_view text) {
    const ClientReply reply = Messages(fields);
    EXPECT_EQ(reply.status, 200) << reply.body;
    const GrammarPtr grammar = engine_->requests().back().grammar;
    return grammar == nullptr || GrammarMatcher(grammar, nullptr).AcceptBytes(text);
  };
  const std::string tools = kAnthropicTools;
  const std::string schema = R"("output_config":{"effort":"low","format":{"type":"json_schema","schema":)"
                             R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}})";

  EXPECT_TRUE(allows(tools + R"(,"tool_choice":{"type":"auto"})", "hello"));
  EXPECT_TRUE(allows(tools + R"(,"tool_choice":{"type":"none"})", "hello"));
  EXPECT_FALSE(allows(tools + R"(,"tool_choice":{"type":"any"})", "hello"));
  EXPECT_TRUE(allows(tools + R"(,"tool_choice":{"type":"any"})", "<tool_call>\n<function=get_time>"));
  EXPECT_FALSE(allows(tools + R"(,"tool_choice":{"type":"tool","name":"set_light"})",
                      "<tool_call>\n<function=get_time>"));
  EXPECT_TRUE(allows(tools + R"(,"tool_choice":{"type":"tool","name":"set_light"})",
                     "<tool_call>\n<function=set_light>"));
  EXPECT_TRUE(allows(schema, R"({"a": 5)"));
  EXPECT_FALSE(allows(schema, R"({"a": "x)"));
  EXPECT_EQ(Messages(tools + R"(,"tool_choice":{"type":"tool","name":"nothing"})").status, 400);
  EXPECT_EQ(Messages(R"("tool_choice":{"type":"any"})").status, 400);
  EXPECT_EQ(Messages(R"("output_config":{"format":{"type":"json_schema"}})").status, 400);
}

TEST_F(MessagesRouteTest, StopReasonsSayWhatEndedTheReply) {
  engine_->on_submit = [](const GenerationRequest& request, const EventSink& sink) {
    GenerationEvent event;
    event.text = "a";
    event.finish = FinishReason::kStop;
    event.stop_string = request.stop_strings.at(0);
    sink(event);
  };
  const Json stopped = Messages(R"("stop_sequences":["END"])").json();
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], "END");

  AnswerWith({"abc"}, FinishReason::kLength);
  EXPECT_EQ(Post("/v1/messages", R"({"max_tokens":3,"messages":[{"role":"user","content":"hi"}]})")
                .json()["stop_reason"],
            "max_tokens");
  EXPECT_EQ(Messages().json()["stop_reason"], "model_context_window_exceeded");
}

TEST_F(MessagesRouteTest, ACallThatIsCutOffIsNotClosed) {
  AnswerWith({"<tool_call>\n<function=set_light>\n<parameter=room>ha"}, FinishReason::kLength);

  EXPECT_EQ(Messages(kAnthropicTools).json()["content"], Json::array());
  const std::vector<Json> events = Events(Messages(std::string(kAnthropicTools) + R"(,"stream":true)"));
  std::string input;
  for (const Json& event : events) {
    if (event["type"] == "content_block_delta") input += event["delta"]["partial_json"].get<std::string>();
  }
  EXPECT_FALSE(ParseJson(input).has_value()) << input;
}

TEST_F(MessagesRouteTest, OmittedThinkingComesBackInTheSignature) {
  AnswerWith({"<think>", "secret", "</think>", "answer"});
  const std::string thinking = R"("thinking":{"type":"adaptive","display":"omitted"})";

  const ClientReply streamed = Messages(thinking + R"(,"stream":true)");
  EXPECT_EQ(streamed.body.find("thinking_delta"), std::string::npos);
  const Json block = Messages(thinking).json()["content"][0];

  EXPECT_EQ(block["thinking"], "");
  const std::string prompt = PromptOf(
      fmt::format(R"("messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{},)"
                  R"({{"type":"text","text":"answer"}}]}},{{"role":"user","content":"more"}}])",
                  block.dump()));
  EXPECT_NE(prompt.find("<think>secret</think>answer"), std::string::npos) << prompt;
}

TEST_F(MessagesRouteTest, RepliesReplayAsTheyWereGenerated) {
  const std::string generated = "<think> one\n\ntwo </think>  text" + std::string(kCallText);
  AnswerWith({generated});
  const Json content =
      Messages(std::string(kAnthropicTools) + R"(,"thinking":{"type":"enabled"})").json()["content"];

  const std::string prompt = PromptOf(fmt::format(
      R"({},"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":{}}},)"
      R"({{"role":"user","content":[{{"type":"tool_result","tool_use_id":"x","content":"on"}}]}}])",
      kAnthropicTools, content.dump()));

  EXPECT_NE(prompt.find("<|im_start|>assistant\n" + generated + "<|im_end|>"), std::string::npos) << prompt;
}

TEST_F(MessagesRouteTest, ReadsEveryBlockOfAConversation) {
  const std::string prompt = PromptOf(
      R"("system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=1; cch=abc;"},)"
      R"({"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"Be kind."}],)"
      R"("messages":[{"role":"user","content":[{"type":"text","text":"first"},{"type":"text","text":"second"},)"
      R"({"type":"document","title":"Notes","source":{"type":"text","media_type":"text/plain","data":"body"}},)"
      R"({"type":"unheard_of","x":1}]},)"
      R"({"role":"system","content":"environment"},)"
      R"({"role":"assistant","content":[{"type":"redacted_thinking","data":"elsewhere"},)"
      R"({"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"look","input":{"at":"a"}},)"
      R"({"type":"server_tool_use","id":"s","name":"web_search","input":{}}]},)"
      R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":)"
      R"([{"type":"text","text":"no "},{"type":"text","text":"such file"},)"
      R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},)"
      R"({"type":"text","text":"and now?"}]}])");

  EXPECT_EQ(prompt.find("billing"), std::string::npos);
  EXPECT_NE(prompt.find("<|im_start|>system\nBe brief.\n\nBe kind.<|im_end|>"), std::string::npos) << prompt;
  EXPECT_NE(prompt.find("<|im_start|>user\nfirst\n\nsecond\n\nNotes\n\nbody<|im_end|>"), std::string::npos);
  EXPECT_NE(prompt.find("<|im_start|>system\nenvironment<|im_end|>"), std::string::npos);
  EXPECT_NE(prompt.find("<think></think>I look.<tool_call>\n<function=look>\n<parameter=at>a</parameter>"),
            std::string::npos);
  EXPECT_NE(prompt.find("Error: no \n\nsuch file\n\n[an image"), std::string::npos);
  EXPECT_NE(prompt.find("<|im_start|>user\nand now?<|im_end|>"), std::string::npos);
}

TEST_F(MessagesRouteTest, ThePromptDoesNotDependOnCacheMarksOrTheBillingHeader) {
  const std::string messages = R"("messages":[{"role":"user","content":[{"type":"text","text":"hi")";
  const std::string plain = PromptOf(messages + "}]}]");

  EXPECT_EQ(PromptOf(messages + R"(,"cache_control":{"type":"ephemeral"}}]}])"), plain);
  EXPECT_EQ(PromptOf(R"("system":[{"type":"text","text":"x-anthropic-billing-header: cch=1;"}],)" + messages +
                     "}]}]"),
            plain);
}

TEST_F(MessagesRouteTest, ToolsChangeInTheMiddleOfAConversation) {
  const std::string prompt =
      PromptOf(std::string(kAnthropicTools) +
               R"(,"messages":[{"role":"user","content":"hi"},{"role":"system","content":[)"
               R"({"type":"tool_addition","tool":{"type":"tool_definition","definition":{"name":"added"}}},)"
               R"({"type":"tool_addition","tool":{"type":"tool_reference","name":"set_light"}},)"
               R"({"type":"tool_removal","tool":{"type":"tool_reference","name":"get_time"}}]}])");

  EXPECT_NE(prompt.find("<name>added</name>"), std::string::npos);
  EXPECT_NE(prompt.find("<name>set_light</name>"), std::string::npos);
  EXPECT_EQ(prompt.find("<name>get_time</name>"), std::string::npos);
  EXPECT_EQ(prompt.find("web_search"), std::string::npos);
}

TEST_F(MessagesRouteTest, ThinkingIsOffUnlessAskedFor) {
  const std::string messages = R"("messages":[{"role":"user","content":"hi"}])";
  const auto thinks = [&](const std::string& fields) {
    return !PromptOf(fields + messages).ends_with("</think>");
  };

  EXPECT_FALSE(thinks(""));
  EXPECT_FALSE(thinks(R"("thinking":{"type":"disabled"},)"));
  EXPECT_TRUE(thinks(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"high"},)"));
  EXPECT_TRUE(thinks(R"("thinking":{"type":"enabled","budget_tokens":1024},)"));
}

TEST_F(MessagesRouteTest, CountsTheTokensOfTheSamePrompt) {
  AnswerWith({"ok"});
  const std::string fields = std::string(R"("system":"Be brief.",)") + kAnthropicTools +
                             R"(,"thinking":{"type":"enabled"},"messages":[{"role":"user","content":"hi"}])";

  const Json counted = Post("/v1/messages/count_tokens", "{" + fields + "}").json();
  Post("/v1/messages", R"({"max_tokens":9,)" + fields + "}");

  EXPECT_EQ(counted, (Json{{"input_tokens", engine_->requests()[0].prompt.size()}}));
}

TEST_F(MessagesRouteTest, ErrorsHaveTheShapeOfAnthropic) {
  const ClientReply missing = Messages(R"("model":"gpt-9")");
  const ClientReply unknown =
      Post("/v1/messages", R"({"model":"gpt-9","messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(missing.status, 400);  // a repeated key
  EXPECT_EQ(unknown.status, 404);
  const Json json = unknown.json();
  EXPECT_EQ(json["type"], "error");
  EXPECT_EQ(json["error"]["type"], "not_found_error");
  EXPECT_EQ(json["request_id"], unknown.headers.at("request-id"));

  using std::chrono::seconds;
  engine_->submit_error = EngineError({ErrorCode::kUnavailable, "the queue is full"}, TryLater{seconds(7)});
  const ClientReply full = Messages();
  EXPECT_EQ(full.status, 529);
  EXPECT_EQ(full.json()["error"]["type"], "overloaded_error");
  EXPECT_EQ(full.headers.at("retry-after"), "7");
  engine_->submit_error =
      EngineError({ErrorCode::kResourceExhausted, "yours are too many"}, TryLater{seconds(8)});
  const ClientReply own = Messages();
  EXPECT_EQ(own.status, 429);
  EXPECT_EQ(own.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(own.headers.at("retry-after"), "8");
}

TEST_F(MessagesRouteTest, AnErrorInTheMiddleOfAStreamIsItsLastEvent) {
  engine_->on_submit = [](const GenerationRequest& /*request*/, const EventSink& sink) {
    GenerationEvent event;
    event.text = "par";
    sink(event);
    event.text.clear();
    event.finish = FinishReason::kError;
    event.error = Error{ErrorCode::kInternal, "/secret/path failed"};
    sink(event);
  };

  const std::vector<Json> events = Events(Messages(R"("stream":true)"));

  EXPECT_EQ(events.back()["type"], "error");
  EXPECT_EQ(events.back()["error"]["type"], "api_error");
  EXPECT_EQ(events.back().dump().find("secret"), std::string::npos);
}

TEST_F(MessagesRouteTest, NamesTheFieldAtFault) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"'max_tokens'", R"("max_tokens":0,"messages":[{"role":"user","content":"x"}])"},
      {"'temperature'", R"("temperature":"hot","messages":[{"role":"user","content":"x"}])"},
      {"'messages'", R"("messages":[])"},
      {"'messages[0].role'", R"("messages":[{"content":"x"}])"},
      {"'messages[0].content'", R"("messages":[{"role":"user"}])"},
      {"'messages[0].content[0]'", R"("messages":[{"role":"user","content":[1]}])"},
      {"'messages[0].content[0].type'", R"("messages":[{"role":"user","content":[{}]}])"},
      {"'messages[0].content[0].text'",
       R"("messages":[{"role":"user","content":[{"type":"text","text":1}]}])"},
      {"'messages[0].content[0]'",
       R"("messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"u"}}]}])"},
      {"'tools[0].name'", R"("tools":[{}],"messages":[{"role":"user","content":"x"}])"},
      {"'thinking.type'", R"("thinking":{"type":"deep"},"messages":[{"role":"user","content":"x"}])"},
      {"'tool_choice'", R"("tool_choice":{"type":"perhaps"},"messages":[{"role":"user","content":"x"}])"}};

  for (const auto& [field, body] : cases) {
    const ClientReply reply = Post("/v1/messages", "{" + body + "}");
    EXPECT_EQ(reply.status, 400) << body;
    EXPECT_TRUE(reply.json()["error"]["message"].get<std::string>().starts_with(field)) << reply.body;
  }
}

TEST_F(MessagesRouteTest, AnAnswerIsNotContinuedButCanBeCounted) {
  const std::string body = R"({"max_tokens":9,"messages":[{"role":"user","content":"x"},)"
                           R"({"role":"assistant","content":"The answer is ("}]})";

  EXPECT_EQ(Post("/v1/messages", body).status, 400);
  EXPECT_EQ(Post("/v1/messages/count_tokens", body).status, 200);
}

TEST_F(MessagesRouteTest, ContextErrorsHaveTheWordsThatClaudeCodeReads) {
  engine_->context = 16;
  const ClientReply prompt = Messages();
  EXPECT_EQ(prompt.status, 400);
  const std::string message = prompt.json()["error"]["message"];
  unsigned tokens = 0;
  unsigned limit = 0;
  EXPECT_EQ(std::sscanf(message.c_str(), "prompt is too long: %u tokens > %u maximum", &tokens, &limit), 2)
      << message;
  EXPECT_GT(tokens, limit);

  engine_->context = 4096;
  const ClientReply both =
      Post("/v1/messages", R"({"max_tokens":4096,"messages":[{"role":"user","content":"x"}]})");
  EXPECT_EQ(both.status, 400);
  const std::string sum = both.json()["error"]["message"];
  unsigned wanted = 0;
  EXPECT_EQ(std::sscanf(sum.c_str(), "input length and `max_tokens` exceed context limit: %u + %u > %u",
                        &tokens, &wanted, &limit),
            3)
      << sum;
  EXPECT_EQ(wanted, 4096U);
  EXPECT_EQ(limit, 4096U);
}

TEST_F(MessagesRouteTest, SilentStreamsArePinged) {
  RawClient client(server_->port());
  client.SendPost("/v1/messages",
                  R"({"stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]})");
  ASSERT_TRUE(engine_->WaitForRequests(1));

  client.ReadUntil("event: ping");
  EXPECT_NE(client.ReadUntil("event: ping").find("event: ping"), std::string::npos);
  client.Close();

  EXPECT_TRUE(engine_->WaitForCancel(0));
}

}  // namespace
}  // namespace mimo

#include "server/chat_route.h"

#include "server/server_testutil.h"

namespace mimo {
namespace {

using ChatRouteTest = ServerTest;

constexpr char kOpenAiTools[] =
    R"("tools":[{"type":"function","function":{"name":"set_light","parameters":{"type":"object",)"
    R"("properties":{"room":{"type":"string"},"level":{"type":"integer"}}}}},)"
    R"({"type":"function","function":{"name":"get_time"}}])";

// An engine that gives a word and then fails.
std::function<void(const GenerationRequest&, const EventSink&)> FailWithin(Error error) {
  return [error = std::move(error)](const GenerationRequest& /*request*/, const EventSink& sink) {
    sink(EventsOf({"a"}, FinishReason::kStop)[0]);
    GenerationEvent event;
    event.finish = FinishReason::kError;
    event.error = error;
    sink(std::move(event));
  };
}

TEST_F(ChatRouteTest, RepliesWithOneWholeObject) {
  AnswerWith({"Hel", "lo"});

  const ClientReply reply = Chat();

  ASSERT_EQ(reply.status, 200);
  const Json json = reply.json();
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "mimo-v2-flash");
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"], (Json{{"role", "assistant"}, {"content", "Hello"}}));
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["logprobs"], nullptr);
  EXPECT_EQ(json["usage"]["completion_tokens"], 6);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(json["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);
  EXPECT_EQ(json["usage"]["total_tokens"],
            json["usage"]["prompt_tokens"].get<int>() + json["usage"]["completion_tokens"].get<int>());
}

TEST_F(ChatRouteTest, SeparatesReasoningAndCountsIt) {
  AnswerWith({"<think>", "why", "</think>", "because"});

  const Json json = Chat(R"("chat_template_kwargs":{"enable_thinking":true})").json();

  EXPECT_EQ(json["choices"][0]["message"]["reasoning_content"], "why");
  EXPECT_EQ(json["choices"][0]["message"]["content"], "because");
  EXPECT_EQ(json["usage"]["completion_tokens_details"]["reasoning_tokens"],
            18);  // "<think>why</think>", byte by byte
}

TEST_F(ChatRouteTest, StreamsChunksInTheOrderClientsExpect) {
  AnswerWith({"<think>", "why", "</think>", "be", "cause"});

  const ClientReply reply = Chat(
      R"("stream":true,"stream_options":{"include_usage":true},"chat_template_kwargs":{"enable_thinking":true})");

  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  const std::vector<std::string> events = reply.events();
  ASSERT_EQ(events.size(), 7U) << reply.body;
  std::vector<Json> chunks;
  for (size_t i = 0; i + 1 < events.size(); ++i) chunks.push_back(ParseJson(events[i]).value());
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], chunks[0]["id"]);
    EXPECT_EQ(chunk["created"], chunks[0]["created"]);
  }
  EXPECT_EQ(chunks[0]["choices"][0]["delta"], (Json{{"role", "assistant"}, {"content", ""}}));
  EXPECT_EQ(chunks[1]["choices"][0]["delta"], (Json{{"reasoning_content", "why"}}));
  EXPECT_EQ(chunks[2]["choices"][0]["delta"], (Json{{"content", "be"}}));
  EXPECT_EQ(chunks[3]["choices"][0]["delta"], (Json{{"content", "cause"}}));
  EXPECT_EQ(chunks[3]["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(chunks[4]["choices"][0]["delta"], Json::object());
  EXPECT_EQ(chunks[4]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chunks[5]["choices"], Json::array());
  EXPECT_EQ(chunks[5]["usage"]["completion_tokens"], 26);
  EXPECT_EQ(events[6], "[DONE]");
}

TEST_F(ChatRouteTest, StreamsToolCallsAsOneHeadAndArgumentFragments) {
  AnswerWith({"<tool_call>\n<func", "tion=set_light>\n<parameter=room>ha", "ll</parameter>\n",
              "<parameter=level>3</parameter>\n</function>\n</tool_call>"});

  const ClientReply reply = Chat(fmt::format(R"("stream":true,{})", kOpenAiTools));

  std::string arguments;
  int heads = 0;
  std::string finish;
  for (const std::string& event : reply.events()) {
    if (event == "[DONE]") continue;
    const Json choice = ParseJson(event).value()["choices"][0];
    if (choice["finish_reason"].is_string()) finish = choice["finish_reason"].get<std::string>();
    if (!choice["delta"].contains("tool_calls")) continue;
    const Json& call = choice["delta"]["tool_calls"][0];
    EXPECT_EQ(call["index"], 0);
    if (call.contains("id")) {
      ++heads;
      EXPECT_TRUE(call["id"].get<std::string>().starts_with("call_"));
      EXPECT_EQ(call["type"], "function");
      EXPECT_EQ(call["function"]["name"], "set_light");
    }
    arguments += call["function"]["arguments"].get<std::string>();
  }
  EXPECT_EQ(heads, 1);
  EXPECT_EQ(ParseJson(arguments).value(), (Json{{"room", "hall"}, {"level", 3}}));
  EXPECT_EQ(finish, "tool_calls");
}

TEST_F(ChatRouteTest, RepliesWithWholeToolCalls) {
  AnswerWith({kCallText, "\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>"});

  const Json choice = Chat(kOpenAiTools).json()["choices"][0];

  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], nullptr);
  const Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0]["function"]["name"], "set_light");
  EXPECT_EQ(ParseJson(calls[0]["function"]["arguments"].get<std::string>()).value()["room"], "hall");
  EXPECT_EQ(calls[1]["function"]["arguments"], "{}");
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
}

TEST_F(ChatRouteTest, ToolCallCutByTheLimitIsNotInvented) {
  AnswerWith({"<tool_call>\n<function=set_light>\n<parameter=room>ha"}, FinishReason::kLength);

  const Json choice = Chat(kOpenAiTools).json()["choices"][0];

  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
}

TEST_F(ChatRouteTest, ToolChoiceNoneKeepsToolsFromModelAndParser) {
  AnswerWith({kCallText});
  const Json with_tools = Chat(kOpenAiTools).json();

  const Json json = Chat(fmt::format(R"({},"tool_choice":"none")", kOpenAiTools)).json();

  EXPECT_EQ(json["choices"][0]["message"]["content"], kCallText);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_LT(json["usage"]["prompt_tokens"], with_tools["usage"]["prompt_tokens"]);
}

TEST_F(ChatRouteTest, WithoutParallelCallsTheReplyEndsAfterTheFirst) {
  engine_->on_submit = [](const GenerationRequest& /*request*/, const EventSink& sink) {
    auto events = EventsOf({kCallText, kCallText}, FinishReason::kStop);
    for (size_t i = 0; i < 2; ++i) sink(events[i]);  // the end comes from Cancel
  };

  const Json choice =
      Chat(fmt::format(R"({},"parallel_tool_calls":false)", kOpenAiTools)).json()["choices"][0];

  EXPECT_TRUE(engine_->WaitForCancel(0));
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 1U);
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
}

TEST_F(ChatRouteTest, ReportsLogprobsWithExactBytes) {
  AnswerWith({"\u00e9"});

  const Json content =
      Chat(R"("logprobs":true,"top_logprobs":2)").json()["choices"][0]["logprobs"]["content"];

  ASSERT_EQ(content.size(), 2U);  // two byte tokens; the stop token has no text
  EXPECT_EQ(content[0]["bytes"], (Json{0xc3}));
  EXPECT_EQ(content[1]["bytes"], (Json{0xa9}));
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_TRUE(content[0]["top_logprobs"].is_array());
  EXPECT_EQ(engine_->requests()[0].sampling.logprobs, 2U);
}

TEST_F(ChatRouteTest, StreamedLogprobsAreNotLostWhileTextIsHeldBack) {
  AnswerWith({"a", "<", "b", "</thi"});

  size_t count = 0;
  for (const std::string& event : Chat(R"("stream":true,"logprobs":true)").events()) {
    if (event == "[DONE]") continue;
    const Json choice = ParseJson(event).value()["choices"][0];
    if (!choice["logprobs"].is_null()) count += choice["logprobs"]["content"].size();
  }
  EXPECT_EQ(count, 8U);
}

TEST_F(ChatRouteTest, SeveralChoicesGetTheirOwnSeedsAndShareThePromptCount) {
  AnswerWith({"ok"});

  const Json json = Chat(R"("n":3,"seed":7)").json();

  ASSERT_EQ(json["choices"].size(), 3U);
  EXPECT_EQ(json["choices"][2]["index"], 2);
  EXPECT_EQ(json["usage"]["completion_tokens"], 9);
  const auto requests = engine_->requests();
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].sampling.seed, 7U);
  EXPECT_EQ(requests[2].sampling.seed, 9U);
  EXPECT_EQ(json["usage"]["prompt_tokens"], requests[0].prompt.size());
}

TEST_F(ChatRouteTest, CancelsWhenTheClientOfAStreamLeaves) {
  RawClient client(server_->port());
  client.SendPost("/v1/chat/completions", ChatBody(R"("stream":true)"));
  ASSERT_TRUE(engine_->WaitForRequests(1));
  engine_->Deliver(0, EventsOf({"a"}, FinishReason::kStop)[0]);
  client.ReadUntil("\"a\"");

  client.Close();

  EXPECT_TRUE(engine_->WaitForCancel(0));
}

TEST_F(ChatRouteTest, CancelsWhenTheClientOfAWholeReplyLeaves) {
  RawClient client(server_->port());
  client.SendPost("/v1/chat/completions", ChatBody(R"("n":2)"));
  ASSERT_TRUE(engine_->WaitForRequests(2));

  client.Close();

  EXPECT_TRUE(engine_->WaitForCancel(0));
  EXPECT_TRUE(engine_->WaitForCancel(1));
}

TEST_F(ChatRouteTest, SendsCommentsWhileNothingHappens) {
  RawClient client(server_->port());
  client.SendPost("/v1/chat/completions", ChatBody(R"("stream":true)"));

  EXPECT_NE(client.ReadUntil(": keep-alive\n\n").find("200 OK"), std::string::npos);
}

TEST_F(ChatRouteTest, AReaderThatStopsReadingHoldsUpNobody) {
  engine_->on_submit = [](const GenerationRequest& request, const EventSink& sink) {
    const bool large = request.max_tokens == 1000;
    const std::vector<std::string> pieces(large ? 3000 : 1, std::string(large ? 4000 : 2, 'x'));
    for (GenerationEvent& event : EventsOf(pieces, FinishReason::kStop)) sink(std::move(event));
  };
  RawClient stalled(server_->port());
  stalled.SendPost("/v1/chat/completions", ChatBody(R"("stream":true,"max_tokens":1000)"));
  ASSERT_TRUE(engine_->WaitForRequests(1));

  EXPECT_EQ(Chat().json()["choices"][0]["message"]["content"], "xx");
}

TEST_F(ChatRouteTest, RefusalsSayWhoseLimitItWasAndWhenToComeBack) {
  using std::chrono::seconds;
  engine_->submit_error =
      EngineError({ErrorCode::kResourceExhausted, "too many of your requests"}, TryLater{seconds(7)});
  const ClientReply own = Chat();
  engine_->submit_error = EngineError({ErrorCode::kUnavailable, "the queue is full"}, TryLater{seconds(9)});
  const ClientReply full = Chat();

  EXPECT_EQ(own.status, 429);
  EXPECT_EQ(own.headers.at("retry-after"), "7");
  EXPECT_EQ(own.json()["error"]["type"], "rate_limit_error");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.headers.at("retry-after"), "9");
  EXPECT_EQ(full.json()["error"]["message"], "the queue is full");
}

TEST_F(ChatRouteTest, AContextThatIsTooShortIsToldInOpenAisWords) {
  engine_->submit_error =
      EngineError({ErrorCode::kInvalidArgument, "engine's words"},
                  ContextOverflow{.prompt_tokens = 90, .max_tokens = 20, .context_max = 100});
  const ClientReply together = Chat();
  engine_->context = 10;
  const ClientReply prompt = Chat();

  EXPECT_EQ(together.status, 400);
  EXPECT_EQ(together.json()["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(together.json()["error"]["message"],
            "This model's maximum context length is 100 tokens. However, you requested 110 tokens (90 in the "
            "messages, 20 in the completion). Please reduce the length of the messages or completion.");
  EXPECT_EQ(prompt.status, 400);
  EXPECT_EQ(prompt.json()["error"]["code"], "context_length_exceeded");
  EXPECT_TRUE(prompt.json()["error"]["message"].get<std::string>().starts_with(
      "This model's maximum context length is 10 tokens. However, your messages resulted in "));
}

TEST_F(ChatRouteTest, FailureWithinAStreamIsAnErrorEventWithoutDone) {
  engine_->on_submit = FailWithin({ErrorCode::kInternal, "secret address 0x1234"});

  const std::vector<std::string> events = Chat(R"("stream":true)").events();
  const ClientReply whole = Chat();

  ASSERT_FALSE(events.empty());
  const Json last = ParseJson(events.back()).value();
  EXPECT_EQ(last["error"]["type"], "server_error");
  EXPECT_EQ(events.back().find("0x1234"), std::string::npos);
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(whole.body.find("0x1234"), std::string::npos);
}

TEST_F(ChatRouteTest, AGrammarThatFailsWhileItRunsIsTheRequestsError) {
  engine_->on_submit = FailWithin({ErrorCode::kInvalidArgument, "the grammar is too ambiguous"});

  const std::vector<std::string> events = Chat(R"("stream":true)").events();
  const ClientReply whole = Chat();

  ASSERT_FALSE(events.empty());
  EXPECT_EQ(ParseJson(events.back()).value()["error"]["type"], "invalid_request_error");
  EXPECT_EQ(whole.status, 400);
  EXPECT_EQ(whole.json()["error"]["message"], "the grammar is too ambiguous");
  EXPECT_FALSE(whole.headers.contains("retry-after"));
}

}  // namespace
}  // namespace mimo

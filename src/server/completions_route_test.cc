#include "server/completions_reply.h"
#include "server/server_testutil.h"

namespace mimo {
namespace {

class CompletionsTest : public ServerTest {
 protected:
  ClientReply Complete(std::string_view fields) {
    return Post("/v1/completions", fmt::format("{{{}}}", fields));
  }
};

TEST_F(CompletionsTest, TextComesBackAsTheModelSaysIt) {
  AnswerWith({" <think>", "x</think>", "<tool_call>"});

  const Json json = Complete(R"("prompt":"ab","max_tokens":50)").json();

  EXPECT_EQ(json["object"], "text_completion");
  EXPECT_EQ(json["choices"][0]["text"], " <think>x</think><tool_call>");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(engine_->requests()[0].prompt, (std::vector<TokenId>{'a', 'b'}));
  EXPECT_TRUE(engine_->requests()[0].sampling.banned_tokens.empty());
}

TEST_F(CompletionsTest, EveryPromptHasItsAnswersAndCountsOnce) {
  engine_->on_submit = [](const GenerationRequest& request, const EventSink& sink) {
    const std::string text = fmt::format("{}", request.sampling.seed.value_or(0));
    for (GenerationEvent& event :
         EventsOf({text}, FinishReason::kStop, static_cast<uint32_t>(request.prompt.size()))) {
      sink(std::move(event));
    }
  };

  const Json json = Complete(R"("prompt":["a",[1,2,3]],"n":2,"seed":5,"echo":true)").json();

  ASSERT_EQ(json["choices"].size(), 4U);
  EXPECT_EQ(json["choices"][0]["text"], "a5");
  EXPECT_EQ(json["choices"][1]["text"], "a6");
  EXPECT_EQ(json["choices"][3]["index"], 3);
  EXPECT_TRUE(json["choices"][2]["text"].get<std::string>().ends_with("5"));
  EXPECT_EQ(json["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 8);
}

TEST_F(CompletionsTest, AStreamEndsWithUsageAndDone) {
  AnswerWith({"on", "e"});

  const auto events =
      Complete(R"("prompt":"p","stream":true,"stream_options":{"include_usage":true})").events();

  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(ParseJson(events[0])->at("choices")[0]["text"], "on");
  EXPECT_EQ(ParseJson(events[2])->at("choices")[0]["finish_reason"], "stop");
  EXPECT_TRUE(ParseJson(events[3])->at("choices").empty());
  EXPECT_EQ(events[4], "[DONE]");
}

TEST_F(CompletionsTest, LogprobsHaveTheirOldShape) {
  AnswerWith({"h\xc3\xa9"});

  const Json logprobs = Complete(R"("prompt":"p","logprobs":0)").json()["choices"][0]["logprobs"];

  EXPECT_EQ(logprobs["tokens"], (Json{"h", "bytes:\\xc3", "bytes:\\xa9"}));
  EXPECT_EQ(logprobs["text_offset"], (Json{0, 1, 2}));
  EXPECT_EQ(logprobs["token_logprobs"][0], -0.5);
  EXPECT_TRUE(logprobs["top_logprobs"][0].is_null());
}

TEST_F(CompletionsTest, RefusesWhatItCannotDo) {
  const std::vector<std::pair<std::string, int>> cases = {{R"("prompt":"p","suffix":"s")", 501},
                                                          {R"("prompt":"p","best_of":2)", 501},
                                                          {R"("prompt":"p","echo":true,"logprobs":1)", 501},
                                                          {R"("prompt":"")", 400},
                                                          {R"("prompt":[])", 400},
                                                          {R"("prompt":[1,"a"])", 400},
                                                          {R"("prompt":[99999])", 400},
                                                          {R"("prompt":[[]])", 400},
                                                          {R"("prompt":{})", 400},
                                                          {R"("prompt":null)", 400},
                                                          {R"("prompt":"p","n":2,"best_of":1)", 400},
                                                          {R"("prompt":["a","b"],"n":100)", 400},
                                                          {R"("prompt":"p","max_tokens":0)", 400},
                                                          {R"("prompt":"p","guided_regex":"(")", 400}};

  for (const auto& [fields, status] : cases) {
    const ClientReply reply = Complete(fields);
    EXPECT_EQ(reply.status, status) << fields;
    EXPECT_TRUE(reply.json()["error"]["param"].is_string()) << fields;
  }
}

}  // namespace
}  // namespace mimo

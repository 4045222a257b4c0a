// Requests with a grammar, from Submit to the last event.

#include "engine/grammar_masks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "engine/engine_loop.h"
#include "engine/engine_testutil.h"
#include "text/gbnf.h"
#include "text/json_schema.h"
#include "text/regex_grammar.h"

namespace mimo {
namespace {

using Outcome = EventCollector::Outcome;

class GrammarRequests : public testing::Test {
 protected:
  void Start(LogitsFunction logits) {
    EngineLoopOptions options;
    options.scheduler = {.context_max = 1000, .sequences_max = 8, .tokens_per_step_max = 64};
    options.scheduler.num_blocks = 8 * KvBlocksFor(1000);
    FakeModelOptions model = {.num_blocks = options.scheduler.num_blocks,
                              .num_rings = 8,
                              .tokens_per_step_max = 64,
                              .logits = std::move(logits)};
    engine_ = std::make_unique<EngineLoop>(std::make_unique<FakeModelRunner>(std::move(model), trace_),
                                           tokenizer_, options);
  }

  static GenerationRequest Request(GrammarPtr grammar, uint64_t seed) {
    GenerationRequest request;
    request.prompt = BytesAsTokens("p");
    request.sampling.seed = seed;
    request.max_tokens = 300;
    request.grammar = std::move(grammar);
    return request;
  }

  Outcome Run(GenerationRequest request) {
    EventCollector collector;
    EXPECT_TRUE(engine_->Submit(std::move(request), collector.sink()));
    return collector.Wait();
  }

  Tokenizer tokenizer_ = MakeByteTokenizer();
  FakeModelTrace trace_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(GrammarRequests, AnyModelWritesWhatTheSchemaAllows) {
  Start(HashLogits);
  const Json schema =
      ParseJson(R"({"type": "object", "properties": {"a": {"type": "integer", "maximum": 9, "minimum": 0},
      "b": {"enum": ["x", "yy"]}, "c": {"type": "boolean"}}, "required": ["a", "c"], "additionalProperties": false})")
          .value();
  const GrammarPtr grammar = GrammarFromJsonSchema(schema).value();
  constexpr size_t kRequests = 24;
  std::vector<EventCollector> collectors(kRequests);
  for (size_t i = 0; i < kRequests; ++i) {
    GenerationRequest request = Request(grammar, i);
    if (i % 3 == 1) request.sampling.top_k = 3;
    if (i % 3 == 2) request.sampling.top_p = 0.5F;
    ASSERT_TRUE(engine_->Submit(std::move(request), collectors[i].sink()));
  }
  std::set<std::string> texts;
  for (EventCollector& collector : collectors) {
    const Outcome outcome = collector.Wait();
    if (outcome.finish == FinishReason::kLength) continue;  // of white space and the like
    EXPECT_EQ(outcome.finish, FinishReason::kStop) << (outcome.error ? outcome.error->message : "");
    const Result<Json> json = ParseJson(outcome.text);
    ASSERT_TRUE(json) << outcome.text;
    EXPECT_TRUE((*json)["a"].is_number_integer() && (*json)["c"].is_boolean()) << outcome.text;
    texts.insert(outcome.text);
  }
  EXPECT_GT(texts.size(), 10U);
}

TEST_F(GrammarRequests, EndsOnlyWhereTheGrammarMayEnd) {
  // The model wants to end at once and always.
  Start(ScriptedLogits(1, {}));
  GenerationRequest request = Request(GrammarFromRegex("a{3}(b|c)*").value(), 1);
  request.sampling.temperature = 0;
  const Outcome outcome = Run(request);
  EXPECT_EQ(outcome.text, "aaa");
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.tokens.back(), kEndToken);
}

TEST_F(GrammarRequests, EndsByItselfWhereNothingCanFollow) {
  Start(HashLogits);
  const Outcome outcome = Run(Request(GrammarFromRegex("(yes|no)").value(), 1));
  EXPECT_THAT(outcome.text, testing::AnyOf("yes", "no"));
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.tokens.size(), outcome.text.size());
}

TEST_F(GrammarRequests, LogprobsStayThoseOfTheModel) {
  Start(ScriptedLogits(1, BytesAsTokens("xyz")));
  GenerationRequest request = Request(GrammarFromRegex("[a]").value(), 1);
  request.sampling.report_logprobs = true;
  request.sampling.logprobs = 1;
  const Outcome outcome = Run(request);
  ASSERT_EQ(outcome.sampled.size(), 1U);
  EXPECT_EQ(outcome.text, "a");
  EXPECT_LT(outcome.sampled[0].logprob, -5);
  EXPECT_EQ(outcome.sampled[0].top[0].token, static_cast<TokenId>('x'));
}

TEST_F(GrammarRequests, ATextThatNoTokenContinuesFailsAlone) {
  Start(HashLogits);
  // The byte tokenizer has every byte, so take all of them away by the stop tokens, which a grammar forbids
  // here.
  GenerationRequest stuck = Request(GrammarFromRegex("[ab]{2}").value(), 1);
  stuck.stop_token_ids = {static_cast<TokenId>('a'), static_cast<TokenId>('b')};
  EventCollector collector;
  ASSERT_TRUE(engine_->Submit(stuck, collector.sink()));
  const Outcome other = Run(Request(GrammarFromRegex("[ab]{2}").value(), 1));
  EXPECT_EQ(other.finish, FinishReason::kStop);
  const Outcome outcome = collector.Wait();
  EXPECT_EQ(outcome.finish, FinishReason::kError);
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->message, testing::HasSubstr("no token"));
  EXPECT_TRUE(engine_->Health());
}

TEST_F(GrammarRequests, AGrammarThatIsTooAmbiguousIsItsRequestsFault) {
  // Each "a" doubles what may have to follow.
  const GrammarPtr grammar = GrammarFromGbnf(R"(root ::= "a" root "b" | "a" root "c" | "d")").value();
  Start(ScriptedLogits(1, std::vector<TokenId>(30, 'a')));

  const Outcome outcome = Run(Request(grammar, 1));

  EXPECT_EQ(outcome.finish, FinishReason::kError);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(outcome.error->message, testing::HasSubstr("ambiguous"));
  EXPECT_TRUE(engine_->Health());
}

}  // namespace
}  // namespace mimo

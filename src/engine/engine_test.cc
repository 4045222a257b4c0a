#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "engine/engine_loop.h"
#include "engine/engine_testutil.h"

namespace mimo {
namespace {

using ::testing::HasSubstr;
using Outcome = EventCollector::Outcome;

// A fake model with its engine; options say what differs from a roomy default.
struct TestEngine {
  explicit TestEngine(FakeModelOptions model, EngineLoopOptions options = {}) {
    SchedulerOptions& scheduler = options.scheduler;
    if (scheduler.context_max == 0) scheduler.context_max = 1000;
    if (scheduler.tokens_per_step_max == 0) scheduler.tokens_per_step_max = 64;
    if (scheduler.num_blocks == 0) {
      scheduler.num_blocks = scheduler.sequences_max * KvBlocksFor(scheduler.context_max);
    }
    model.num_blocks = scheduler.num_blocks;
    model.num_rings = scheduler.sequences_max;
    model.tokens_per_step_max = scheduler.tokens_per_step_max;
    engine = std::make_unique<EngineLoop>(std::make_unique<FakeModelRunner>(std::move(model), trace),
                                          tokenizer, options);
  }

  Outcome Run(GenerationRequest request) {
    EventCollector collector;
    const auto id = engine->Submit(std::move(request), collector.sink());
    if (!id) {
      ADD_FAILURE() << id.error().message;
      return {};
    }
    return collector.Wait();
  }

  Tokenizer tokenizer = MakeByteTokenizer();
  FakeModelTrace trace;
  std::unique_ptr<Engine> engine;
};

GenerationRequest Prompt(std::string_view text) {
  return {.prompt = BytesAsTokens(text), .sampling = {.temperature = 0}};
}

TEST(Engine, StreamsTextUntilTheEndToken) {
  TestEngine test({.logits = ScriptedLogits(2, BytesAsTokens("hello"))});
  const Outcome outcome = test.Run(Prompt("ab"));
  EXPECT_EQ(outcome.text, "hello");
  EXPECT_EQ(outcome.pieces.size(), 6U);  // one event per token, the end token included
  EXPECT_EQ(outcome.tokens.back(), kEndToken);
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.stop_string, "");
  EXPECT_EQ(outcome.usage.prompt_tokens, 2U);
  EXPECT_EQ(outcome.usage.completion_tokens, 6U);
}

TEST(Engine, NeverSplitsACodePoint) {
  TestEngine test({.logits = ScriptedLogits(1, BytesAsTokens("é€"))});
  const Outcome outcome = test.Run(Prompt("a"));
  EXPECT_THAT(outcome.pieces, ::testing::ElementsAre("", "é", "", "", "€", ""));
}

TEST(Engine, CutsTheTextBeforeAStopString) {
  TestEngine test({.logits = ScriptedLogits(1, BytesAsTokens("one\n\ntwo"))});
  GenerationRequest request = Prompt("a");
  request.stop_strings = {"\n\n"};
  const Outcome outcome = test.Run(request);
  EXPECT_EQ(outcome.text, "one");
  EXPECT_EQ(outcome.stop_string, "\n\n");
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.usage.completion_tokens, 5U);
}

TEST(Engine, ReleasesHeldBackTextAtTheEnd) {
  TestEngine test({.logits = ScriptedLogits(1, BytesAsTokens("one\nEN"))});
  GenerationRequest request = Prompt("a");
  request.stop_strings = {"END"};
  EXPECT_EQ(test.Run(request).text, "one\nEN");
  request.max_tokens = 6;
  const Outcome cut = test.Run(request);
  EXPECT_EQ(cut.text, "one\nEN");
  EXPECT_EQ(cut.finish, FinishReason::kLength);
}

TEST(Engine, StopsAtStopTokensOfTheRequest) {
  TestEngine test({.logits = ScriptedLogits(1, BytesAsTokens("abc"))});
  GenerationRequest request = Prompt("a");
  request.stop_token_ids = {'c', 'x'};
  const Outcome outcome = test.Run(request);
  EXPECT_EQ(outcome.text, "ab");
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
}

TEST(Engine, GoesOnAfterTheEndTokenWhenAsked) {
  TestEngine test({.logits = ScriptedLogits(1, {'a', kEndToken, 'b'})});
  GenerationRequest request = Prompt("a");
  request.ignore_eos = true;
  request.max_tokens = 3;
  EXPECT_EQ(test.Run(request).text, "ab");
  request.skip_special_tokens = false;
  EXPECT_EQ(test.Run(request).text, "a<|end|>b");
}

TEST(Engine, EndsWithLengthAtTheEndOfTheContext) {
  TestEngine test({.logits = ScriptedLogits(60, std::vector<TokenId>(500, 'x'))},
                  {.scheduler = {.context_max = 100}});
  const Outcome outcome = test.Run(Prompt(std::string(60, 'p')));
  EXPECT_EQ(outcome.finish, FinishReason::kLength);
  EXPECT_EQ(outcome.text, std::string(40, 'x'));
}

TEST(Engine, AnswersOneTokenToAPromptThatFillsTheContext) {
  TestEngine test({.logits = ScriptedLogits(100, BytesAsTokens("xyz"))}, {.scheduler = {.context_max = 100}});
  const Outcome outcome = test.Run(Prompt(std::string(100, 'p')));
  EXPECT_EQ(outcome.finish, FinishReason::kLength);
  EXPECT_EQ(outcome.text, "x");
}

TEST(Engine, RefusesRequestsThatCannotRun) {
  TestEngine test({}, {.scheduler = {.context_max = 100}});
  EventCollector collector;
  const auto message_of = [&](const GenerationRequest& request) {
    const auto id = test.engine->Submit(request, collector.sink());
    EXPECT_FALSE(id);
    return id ? "" : id.error().message;
  };
  EXPECT_EQ(message_of(Prompt(std::string(101, 'p'))), "prompt is too long: 101 tokens > 100 maximum");
  EXPECT_THAT(message_of(Prompt("")), HasSubstr("empty"));
  GenerationRequest request = Prompt("a");
  request.prompt[0] = kTestVocabSize;
  EXPECT_THAT(message_of(request), HasSubstr("outside the vocabulary"));
  request = Prompt("a");
  request.sampling.top_p = 2;
  EXPECT_THAT(message_of(request), HasSubstr("'top_p'"));
  request = Prompt("a");
  request.stop_strings = {""};
  EXPECT_THAT(message_of(request), HasSubstr("empty"));
}

TEST(Engine, TellsByHowMuchARequestExceedsTheContext) {
  TestEngine test({}, {.scheduler = {.context_max = 100}});
  EventCollector collector;
  const auto overflow_of = [&](const GenerationRequest& request) {
    const auto id = test.engine->Submit(request, collector.sink());
    EXPECT_FALSE(id);
    return id ? ContextOverflow{} : std::get<ContextOverflow>(id.error().detail);
  };
  const ContextOverflow prompt = overflow_of(Prompt(std::string(101, 'p')));
  EXPECT_EQ(prompt.prompt_tokens, 101U);
  EXPECT_EQ(prompt.max_tokens, 0U);
  EXPECT_EQ(prompt.context_max, 100U);
  GenerationRequest request = Prompt(std::string(60, 'p'));
  request.max_tokens = 41;
  request.ignore_eos = true;
  EXPECT_EQ(test.Run(request).tokens.size(), 40U) << "by default it is cut";
  request.max_tokens_must_fit = true;
  EXPECT_EQ(overflow_of(request).max_tokens, 41U);
  request.max_tokens = 40;
  EXPECT_EQ(test.Run(request).tokens.size(), 40U);
}

TEST(Engine, AnswersAtOnceWhenTheQueueIsFull) {
  std::mutex gate;
  gate.lock();
  std::atomic<bool> has_begun = false;
  FakeModelOptions model;
  model.before_step = [&](uint32_t) -> Status {
    has_begun = true;
    const std::lock_guard wait(gate);
    return {};
  };
  std::vector<EventCollector> collectors(4);
  TestEngine test(std::move(model), {.scheduler = {.sequences_max = 1}, .queue = {.requests_max = 2}});
  ASSERT_TRUE(test.engine->Submit(Prompt("a"), collectors[0].sink()));
  while (!has_begun) std::this_thread::yield();
  ASSERT_TRUE(test.engine->Submit(Prompt("b"), collectors[1].sink()));
  ASSERT_TRUE(test.engine->Submit(Prompt("c"), collectors[2].sink()));
  const auto refused = test.engine->Submit(Prompt("d"), collectors[3].sink());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_GE(std::get<TryLater>(refused.error().detail).after, std::chrono::seconds(1));
  EXPECT_EQ(test.engine->load().running, 1U);
  EXPECT_EQ(test.engine->load().waiting, 2U);
  gate.unlock();
  for (size_t i = 0; i < 3; ++i) collectors[i].Wait();
}

TEST(Engine, EndsOnlyTheRequestWhoseLogitsAreNotFinite) {
  FakeModelOptions model;
  model.logits = [](std::span<const TokenId> tokens) {
    std::vector<float> logits = HashLogits(tokens);
    if (tokens[0] == 'n' && tokens.size() == 5) logits[3] = std::numeric_limits<float>::quiet_NaN();
    return logits;
  };
  TestEngine test(std::move(model));
  EventCollector bad;
  EventCollector good;
  GenerationRequest request = Prompt("no");
  request.ignore_eos = true;
  request.max_tokens = 50;
  ASSERT_TRUE(test.engine->Submit(request, bad.sink()));
  request.prompt = BytesAsTokens("yes");
  ASSERT_TRUE(test.engine->Submit(request, good.sink()));
  EXPECT_EQ(bad.Wait().finish, FinishReason::kError);
  EXPECT_EQ(bad.Wait().error->message, "the model produced non-finite logits");
  EXPECT_EQ(bad.Wait().tokens.size(), 3U);
  EXPECT_EQ(good.Wait().finish, FinishReason::kLength);
  EXPECT_TRUE(test.engine->Health());
}

TEST(Engine, EndsEveryRequestWhenTheModelFails) {
  FakeModelOptions model;
  model.before_step = [](uint32_t step) -> Status {
    if (step == 5) return DataLoss("layer 3 cannot be read");
    return {};
  };
  std::vector<EventCollector> collectors(4);
  TestEngine test(std::move(model), {.scheduler = {.sequences_max = 2}});
  GenerationRequest request = Prompt("a");
  request.ignore_eos = true;
  // Running and waiting ones alike. The last Submit may come too late to be taken.
  std::vector<EventCollector*> taken;
  for (EventCollector& collector : collectors) {
    if (test.engine->Submit(request, collector.sink())) taken.push_back(&collector);
  }
  ASSERT_FALSE(taken.empty());
  for (EventCollector* collector : taken) {
    EXPECT_EQ(collector->Wait().finish, FinishReason::kError);
    EXPECT_EQ(collector->Wait().error->message, "layer 3 cannot be read");
  }
  EXPECT_THAT(test.engine->Health().error().message, HasSubstr("layer 3 cannot be read"));
  EventCollector late;
  const auto refused = test.engine->Submit(request, late.sink());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
}

TEST(Engine, ReportsAStepThatTakesTooLong) {
  std::mutex gate;
  gate.lock();
  FakeModelOptions model;
  model.before_step = [&](uint32_t step) -> Status {
    if (step == 0) const std::lock_guard wait(gate);
    return {};
  };
  EventCollector collector;
  TestEngine test(std::move(model), {.step_time_max = std::chrono::milliseconds(5)});
  EXPECT_TRUE(test.engine->Health());  // nothing to do is healthy, for however long
  ASSERT_TRUE(test.engine->Submit(Prompt("a"), collector.sink()));
  for (int i = 0; i < 5000 && test.engine->Health(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_THAT(test.engine->Health().error().message, HasSubstr("has not finished its step"));
  gate.unlock();
  collector.Wait();
}

TEST(Engine, CancelsARunningAndAWaitingRequest) {
  EventCollector running;
  EventCollector waiting;
  TestEngine test({}, {.scheduler = {.context_max = 100'000, .sequences_max = 1}});
  GenerationRequest request = Prompt("a");
  request.ignore_eos = true;
  const RequestId first = test.engine->Submit(request, running.sink()).value();
  const RequestId second = test.engine->Submit(request, waiting.sink()).value();
  running.WaitForTokens(3);
  test.engine->Cancel(second);
  EXPECT_EQ(waiting.Wait().finish, FinishReason::kCancelled);
  test.engine->Cancel(first);
  EXPECT_EQ(running.Wait().finish, FinishReason::kCancelled);
  EXPECT_TRUE(waiting.Wait().tokens.empty());
  test.engine->Cancel(first);  // ignored
  test.engine->Cancel({12345});
  request.max_tokens = 2;
  EXPECT_EQ(test.Run(request).finish, FinishReason::kLength);
}

// Tries a condition until the engine thread has made it true.
template <typename Condition>
void ExpectSoon(Condition condition, const char* what) {
  for (int i = 0; i < 10'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(condition()) << what;
}

TEST(Engine, FreesAPromptThatIsCancelledHalfWay) {
  EventCollector collector;
  std::atomic<uint64_t> id = 0;
  std::atomic<bool> is_submitted = false;
  TestEngine* engine = nullptr;
  FakeModelOptions model;
  model.before_step = [&](uint32_t step) -> Status {
    while (!is_submitted) std::this_thread::yield();
    if (step == 3) engine->engine->Cancel({id});
    return {};
  };
  TestEngine test(std::move(model), {.scheduler = {.sequences_max = 1, .tokens_per_step_max = 4}});
  engine = &test;
  id = test.engine->Submit(Prompt(std::string(400, 'p')), collector.sink()).value().value;
  is_submitted = true;
  EXPECT_EQ(collector.Wait().finish, FinishReason::kCancelled);
  EXPECT_TRUE(collector.Wait().tokens.empty());
  EXPECT_EQ(test.trace.num_steps, 4U) << "the step that ran was the last";
  ExpectSoon([&] { return test.engine->load().kv_blocks_used == 0; }, "its blocks are free");
}

TEST(Engine, PreemptsForAHigherPriorityWithoutLosingATokenAndCancelsThePreempted) {
  TestEngine test({}, {.scheduler = {.context_max = 100'000, .sequences_max = 1, .num_blocks = 1600}});
  GenerationRequest batch = Prompt("batch");
  batch.ignore_eos = true;
  batch.max_tokens = 400;
  const Outcome alone = test.Run(batch);
  batch.priority = -1;
  GenerationRequest live = Prompt("live");
  live.ignore_eos = true;

  EventCollector batch_events;
  ASSERT_TRUE(test.engine->Submit(batch, batch_events.sink()));
  batch_events.WaitForTokens(5);
  live.max_tokens = 20;
  EXPECT_EQ(test.Run(live).tokens.size(), 20U);
  EXPECT_EQ(batch_events.Wait().tokens, alone.tokens);
  EXPECT_GE(test.engine->load().num_preemptions, 1U);

  EventCollector cancelled;
  batch.max_tokens = 0;
  const RequestId id = test.engine->Submit(batch, cancelled.sink()).value();
  cancelled.WaitForTokens(5);
  EventCollector live_events;
  live.max_tokens = 5000;
  const RequestId live_id = test.engine->Submit(live, live_events.sink()).value();
  live_events.WaitForTokens(1);
  EXPECT_EQ(test.engine->load().waiting, 1U);
  test.engine->Cancel(id);
  EXPECT_EQ(cancelled.Wait().finish, FinishReason::kCancelled);
  EXPECT_GE(cancelled.Wait().tokens.size(), 5U);
  ExpectSoon([&] { return test.engine->load().waiting == 0; }, "nobody waits");
  test.engine->Cancel(live_id);
  live_events.Wait();
  ExpectSoon([&] { return test.engine->load().kv_blocks_used == 0; }, "all blocks are free");
}

TEST(Engine, GivesUpRequestsThatWaitedTooLong) {
  EventCollector running;
  EventCollector waiting;
  TestEngine test({}, {.scheduler = {.context_max = 100'000, .sequences_max = 1},
                       .queue_time_max = std::chrono::milliseconds(20)});
  GenerationRequest request = Prompt("a");
  request.ignore_eos = true;
  const RequestId id = test.engine->Submit(request, running.sink()).value();
  ASSERT_TRUE(test.engine->Submit(request, waiting.sink()));
  const Outcome outcome = waiting.Wait();
  EXPECT_EQ(outcome.finish, FinishReason::kError);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, ErrorCode::kUnavailable);
  EXPECT_GE(std::get<TryLater>(outcome.error->detail).after, std::chrono::seconds(1));
  EXPECT_THAT(outcome.error->message, HasSubstr("waited longer than 20 ms"));
  test.engine->Cancel(id);
  EXPECT_EQ(running.Wait().finish, FinishReason::kCancelled) << "it was not overdue: it ran";
}

TEST(Engine, StaysHealthyWithNothingToDo) {
  TestEngine test({}, {.step_time_max = std::chrono::milliseconds(5)});
  GenerationRequest request = Prompt("a");
  request.max_tokens = 1;
  test.Run(request);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_TRUE(test.engine->Health());
  EXPECT_EQ(test.Run(request).tokens.size(), 1U);
}

TEST(Engine, CancelsEverythingWhenItIsDestroyed) {
  std::vector<EventCollector> collectors(5);
  {
    TestEngine test({}, {.scheduler = {.context_max = 100'000, .sequences_max = 2}});
    GenerationRequest request = Prompt("a");
    request.ignore_eos = true;
    for (EventCollector& collector : collectors) {
      ASSERT_TRUE(test.engine->Submit(request, collector.sink()));
    }
    collectors[0].WaitForTokens(2);
  }
  for (EventCollector& collector : collectors) EXPECT_EQ(collector.Wait().finish, FinishReason::kCancelled);
}

TEST(Engine, LetsASinkSubmitAndCancel) {
  EventCollector second;
  EventCollector first;
  TestEngine test({});
  GenerationRequest request = Prompt("a");
  request.ignore_eos = true;
  std::atomic<uint64_t> id = 0;
  std::atomic<bool> has_submitted = false;
  const auto submitted = test.engine->Submit(request, [&](GenerationEvent event) {
    if (!has_submitted.exchange(true)) {
      GenerationRequest follow_up = Prompt("b");
      follow_up.max_tokens = 1;
      EXPECT_TRUE(test.engine->Submit(follow_up, second.sink()));
    }
    if (id != 0) test.engine->Cancel({id});
    first.sink()(std::move(event));
  });
  id = submitted.value().value;
  const FinishReason finish = first.Wait().finish;
  EXPECT_TRUE(finish == FinishReason::kCancelled || finish == FinishReason::kLength);
  EXPECT_EQ(second.Wait().tokens.size(), 1U);
}

TEST(Engine, ReportsLogprobsOnlyWhenAsked) {
  TestEngine test({});
  GenerationRequest request = Prompt("a");
  request.max_tokens = 1;
  EXPECT_TRUE(test.Run(request).sampled[0].top.empty());
  request.sampling.report_logprobs = true;
  request.sampling.logprobs = 3;
  const Outcome outcome = test.Run(request);
  EXPECT_EQ(outcome.sampled[0].top.size(), 3U);
  EXPECT_EQ(outcome.sampled[0].top[0].token, outcome.sampled[0].token);
  EXPECT_EQ(outcome.sampled[0].top[0].logprob, outcome.sampled[0].logprob);
}

TEST(Engine, CountsTheTokensOfItsSteps) {
  TestEngine test({.logits = ScriptedLogits(100, BytesAsTokens("four"))});
  test.Run(Prompt(std::string(100, 'x')));

  // The prompt in steps of 64 and 36, then a token each for "four"; the end token is not computed.
  const auto expect = StepTokenCounts{.steps = {4, 0, 0, 0, 2}, .tokens = 104};
  ExpectSoon([&] { return test.engine->load().step_tokens.steps == expect.steps; }, "six steps");
  EXPECT_EQ(test.engine->load().step_tokens.tokens, expect.tokens);
}

TEST(Engine, SaysHowItsCacheIsLaidOut) {
  EngineLoopOptions options;
  options.scheduler.num_blocks = 70;
  options.kv_type = KvType::kQ80;
  const KvCacheConfig config = TestEngine({}, options).engine->kv_cache_config();

  EXPECT_EQ(config.block_tokens, kKvBlockTokens);
  EXPECT_EQ(config.num_blocks, 70U);
  EXPECT_EQ(config.type, "q8_0");
  EXPECT_TRUE(config.has_prefix_cache);
}

}  // namespace
}  // namespace mimo

// Random trees of requests: each begins with a part of a text that was seen before. Whatever the prefix cache
// keeps, shares, gives up or replays, a request's tokens must be those of a cold run, and the fake layers
// compare every state they compute with one.

#include <gtest/gtest.h>

#include "engine/cache_store_testutil.h"
#include "engine/engine_loop.h"
#include "engine/engine_sim_testutil.h"

namespace mimo {
namespace {

class TreeOfRequests {
 public:
  // With a folder, the engine restarts now and then and goes on with what it left there.
  TreeOfRequests(uint64_t seed, std::string directory) : random_(seed), directory_(std::move(directory)) {
    const uint32_t sequences_max = random_.Between(1, 4);
    options_.scheduler = {.context_max = random_.Between(150, 500),
                          .sequences_max = sequences_max,
                          .tokens_per_step_max = random_.Between(sequences_max, 120)};
    options_.scheduler.num_blocks = KvBlocksFor(options_.scheduler.context_max) + random_.Between(0, 12);
    constexpr uint64_t kSnapshotBytes = FakeLayers::kWindow * FakeLayers::kNumSliding * sizeof(uint64_t);
    const uint64_t budgets[] = {0, kSnapshotBytes, 5 * kSnapshotBytes, UINT64_MAX};
    options_.scheduler.prefix_cache = {.snapshot_bytes_max = budgets[random_.Between(0, 3)],
                                       .snapshot_interval_tokens = random_.Between(10, 200),
                                       .branch_tokens_min = random_.Between(1, 20)};
  }

  PrefixCacheStats Run() {
    PrefixCacheStats all;
    const int num_lives = directory_.empty() ? 1 : 4;
    for (int life = 0; life < num_lives; ++life) {
      const PrefixCacheStats stats = RunOneLife(8 / num_lives);
      all.tokens_hit += stats.tokens_hit;
      all.tokens_queried += stats.tokens_queried;
      all.replays += stats.replays;
      all.windows_used += stats.windows_used;
      all.blocks_evicted += stats.blocks_evicted;
      all.snapshots_evicted += stats.snapshots_evicted;
      all.blocks_restored += stats.blocks_restored;
      all.windows_restored += stats.windows_restored;
    }
    return all;
  }

 private:
  PrefixCacheStats RunOneLife(int num_rounds) {
    FakeModelTrace trace;
    const Tokenizer tokenizer = MakeByteTokenizer();
    FakeModelOptions model{.num_blocks = options_.scheduler.num_blocks,
                           .num_rings = options_.scheduler.sequences_max,
                           .tokens_per_step_max = options_.scheduler.tokens_per_step_max};
    EngineLoopOptions options = options_;
    if (!directory_.empty()) options.scheduler.prefix_cache.store = OpenStore(directory_);
    EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options);
    for (int round = 0; round < num_rounds; ++round) RunTogether(engine, random_.Between(1, 5));
    return engine.load().prefix_cache;
  }

  std::vector<TokenId> RandomPrompt() {
    std::vector<TokenId> prompt;
    if (!texts_.empty()) {
      prompt = texts_[random_.Between(0, static_cast<uint32_t>(texts_.size()) - 1)];
      // Most go on at the end, as a conversation does.
      if (random_.Between(0, 2) == 0) prompt.resize(random_.Between(0, static_cast<uint32_t>(prompt.size())));
    }
    for (uint32_t count = random_.Between(1, 60); count > 0; --count) {
      prompt.push_back(random_.Between('a', 'd'));
    }
    if (prompt.size() > options_.scheduler.context_max) prompt.resize(random_.Between(1, 100));
    return prompt;
  }

  void RunTogether(Engine& engine, uint32_t count) {
    std::vector<GenerationRequest> requests(count);
    std::vector<EventCollector> collectors(count);
    for (uint32_t i = 0; i < count; ++i) {
      requests[i].prompt = RandomPrompt();
      requests[i].max_tokens = random_.Between(1, 90);
      requests[i].ignore_eos = true;
      if (random_.Between(0, 9) == 0) requests[i].cache_salt = "a";
      requests[i].sampling.seed = random_.Between(0, 1'000'000);
      const uint32_t forecast = engine.CachedTokens(requests[i].prompt, requests[i].cache_salt);
      EXPECT_LT(forecast, requests[i].prompt.size());
      const RequestId id = engine.Submit(requests[i], collectors[i].sink()).value();
      if (random_.Between(0, 7) > 0) continue;
      collectors[i].WaitForTokens(random_.Between(0, 30));
      engine.Cancel(id);
    }
    for (uint32_t i = 0; i < count; ++i) {
      const EventCollector::Outcome& outcome = collectors[i].Wait();
      ExpectSameAsAlone(requests[i], outcome, options_.scheduler.context_max);
      EXPECT_LT(outcome.usage.cached_tokens, outcome.usage.prompt_tokens);
      std::vector<TokenId> text = requests[i].prompt;
      text.insert(text.end(), outcome.tokens.begin(), outcome.tokens.end());
      texts_.push_back(std::move(text));
    }
  }

  Random random_;
  const std::string directory_;
  EngineLoopOptions options_;
  std::vector<std::vector<TokenId>> texts_;
};

TEST(PrefixCacheSimulation, GivesTheTokensOfAColdRun) {
  PrefixCacheStats all;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const PrefixCacheStats stats = TreeOfRequests(seed, {}).Run();
    all.tokens_hit += stats.tokens_hit;
    all.tokens_queried += stats.tokens_queried;
    all.replays += stats.replays;
    all.windows_used += stats.windows_used;
    all.blocks_evicted += stats.blocks_evicted;
    all.snapshots_evicted += stats.snapshots_evicted;
    if (::testing::Test::HasFailure()) break;
  }
  // Else something was not tested.
  EXPECT_GT(all.tokens_hit, all.tokens_queried / 5);
  EXPECT_GT(all.replays, 200U);
  EXPECT_GT(all.windows_used, 200U);
  EXPECT_GT(all.blocks_evicted, 200U);
  EXPECT_GT(all.snapshots_evicted, 200U);
}

TEST(PrefixCacheSimulation, GivesTheTokensOfAColdRunAcrossRestarts) {
  uint64_t num_blocks = 0;
  uint64_t num_windows = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const CacheTestFolder folder;
    const PrefixCacheStats stats = TreeOfRequests(seed, folder.path()).Run();
    num_blocks += stats.blocks_restored;
    num_windows += stats.windows_restored;
    if (::testing::Test::HasFailure()) break;
  }
  EXPECT_GT(num_blocks, 100U);
  EXPECT_GT(num_windows, 30U);
}

EngineLoopOptions OneSequenceAtATime() {
  EngineLoopOptions options;
  options.scheduler = {
      .context_max = 6000, .sequences_max = 1, .tokens_per_step_max = 256, .num_blocks = 100};
  return options;
}

// A home's requests: each begins with the same description and says something else.
TEST(PrefixCacheSimulation, ComputesACommonBeginningTwice) {
  FakeModelTrace trace;
  const Tokenizer tokenizer = MakeByteTokenizer();
  EngineLoopOptions options = OneSequenceAtATime();
  // A replay of the fake layers is short; as if it were not.
  options.scheduler.prefix_cache.branch_tokens_min = FakeLayers::kReplay;
  FakeModelOptions model{.num_blocks = 100, .num_rings = 1, .tokens_per_step_max = 256};
  EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options);
  Random random(1);
  std::vector<TokenId> description;
  for (int i = 0; i < 300; ++i) description.push_back(random.Between('a', 'z'));
  std::vector<uint32_t> cached;
  for (TokenId first = 'a'; first < 'f'; ++first) {
    GenerationRequest request;
    request.prompt = description;
    request.prompt.push_back(first);
    for (int i = 0; i < 20; ++i) request.prompt.push_back(random.Between('a', 'z'));
    request.max_tokens = 5;
    request.ignore_eos = true;
    request.sampling.seed = first;
    EventCollector collector;
    ASSERT_TRUE(engine.Submit(request, collector.sink()));
    const EventCollector::Outcome& outcome = collector.Wait();
    ExpectSameAsAlone(request, outcome, options.scheduler.context_max);
    cached.push_back(outcome.usage.cached_tokens);
  }
  const uint32_t replayed = 300 - FakeLayers::kReplay;
  EXPECT_EQ(cached, (std::vector<uint32_t>{0, replayed, 300, 300, 300}));
}

// An agent: each call brings the whole conversation again and a little more.
TEST(PrefixCacheSimulation, ComputesNothingOfAGrowingConversationTwice) {
  FakeModelTrace trace;
  const Tokenizer tokenizer = MakeByteTokenizer();
  const EngineLoopOptions options = OneSequenceAtATime();
  FakeModelOptions model{.num_blocks = 100, .num_rings = 1, .tokens_per_step_max = 256};
  EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options);
  Random random(1);
  std::vector<TokenId> text;
  uint64_t num_prompt_tokens = 0;
  uint64_t num_computed_before = 0;
  for (int call = 0; call < 60; ++call) {
    for (uint32_t count = random.Between(20, 120); count > 0; --count)
      text.push_back(random.Between('a', 'z'));
    GenerationRequest request;
    request.prompt = text;
    request.max_tokens = 20;
    request.ignore_eos = true;
    EventCollector collector;
    ASSERT_TRUE(engine.Submit(request, collector.sink()));
    const EventCollector::Outcome& outcome = collector.Wait();
    EXPECT_EQ(outcome.usage.cached_tokens, num_computed_before);
    num_prompt_tokens += text.size();
    text.insert(text.end(), outcome.tokens.begin(), outcome.tokens.end());
    num_computed_before = text.size() - 1;  // nobody asked what comes after the last token
  }
  EXPECT_GT(num_prompt_tokens, 20 * text.size());
  EXPECT_LT(trace.num_tokens, text.size());
}

}  // namespace
}  // namespace mimo

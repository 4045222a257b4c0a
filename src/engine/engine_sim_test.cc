// Random schedules over a model whose next token depends on every token before it. Whatever the schedule -
// company, chunk sizes, a tiny pool with preemptions, cancellations - a request's tokens must be those it
// gets alone. Actions happen inside of steps, on the engine thread, so that a seed replays.

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "engine/engine_loop.h"
#include "engine/engine_sim_testutil.h"

namespace mimo {
namespace {

GenerationRequest RandomRequest(Random& random, uint32_t context_max) {
  GenerationRequest request;
  const uint32_t prompt_tokens_max = random.Between(0, 3) == 0 ? context_max : std::min(context_max, 100U);
  request.prompt.resize(random.Between(1, prompt_tokens_max));
  for (TokenId& token : request.prompt) token = random.Between('a', 'f');
  request.max_tokens = random.Between(0, 300);
  request.ignore_eos = random.Between(0, 2) != 0;
  if (random.Between(0, 2) == 0) request.stop_strings = {"ab", "e"};
  SamplingParams& sampling = request.sampling;
  sampling.temperature = random.Between(0, 3) == 0 ? 0.0F : 0.8F;
  sampling.top_k = random.Between(0, 2) * 20;
  sampling.top_p = random.Between(0, 1) == 0 ? 1.0F : 0.9F;
  if (random.Between(0, 3) == 0) sampling.repetition_penalty = 1.3F;
  if (random.Between(0, 3) == 0) sampling.frequency_penalty = 0.5F;
  sampling.seed = random.Between(0, 1'000'000);
  request.owner = std::string(1, static_cast<char>(random.Between('a', 'c')));
  request.priority = random.Between(0, 3) == 0 ? static_cast<int32_t>(random.Between(0, 2)) - 1 : 0;
  return request;
}

struct Plan {
  GenerationRequest request;
  uint32_t submit_at_step = 0;  // 0: before the first
  uint32_t cancel_at_step = 0;  // 0: never
};

// One engine, about ten requests that come and go by the plan.
class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : random_(seed), plans_(random_.Between(1, 12)), collectors_(plans_.size()) {
    const uint32_t sequences_max = random_.Between(1, 6);
    options_.scheduler = {.context_max = random_.Between(64, 400),
                          .sequences_max = sequences_max,
                          .tokens_per_step_max = random_.Between(sequences_max, 80)};
    // Barely more than one sequence at its longest.
    options_.scheduler.num_blocks = KvBlocksFor(options_.scheduler.context_max) + random_.Between(0, 3);
    for (Plan& plan : plans_) {
      plan.request = RandomRequest(random_, options_.scheduler.context_max);
      plan.submit_at_step = random_.Between(0, 1) * random_.Between(0, 60);
      plan.cancel_at_step = random_.Between(0, 3) == 0 ? random_.Between(1, 100) : 0;
    }
    plans_[0].submit_at_step = 0;
  }

  // Runs to the end and checks every outcome. Returns how often a sequence had to begin again.
  uint32_t Run() {
    FakeModelTrace trace;
    const Tokenizer tokenizer = MakeByteTokenizer();
    FakeModelOptions model{.num_blocks = options_.scheduler.num_blocks,
                           .num_rings = options_.scheduler.sequences_max,
                           .tokens_per_step_max = options_.scheduler.tokens_per_step_max};
    model.before_step = [this](uint32_t step) -> Status {
      const std::lock_guard lock(mutex_);
      Act(step);
      return {};
    };
    EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options_);
    {
      const std::lock_guard lock(mutex_);  // no step before all of the first requests are there
      engine_ = &engine;
      Act(0);
    }
    uint32_t num_admissible = 0;
    for (size_t i = 0; i < plans_.size(); ++i) {
      SubmitIfLate(i);
      const EventCollector::Outcome& outcome = collectors_[i].Wait();
      SCOPED_TRACE("request " + std::to_string(i));
      ExpectSameAsAlone(plans_[i].request, outcome, options_.scheduler.context_max);
      if (!outcome.tokens.empty()) ++num_admissible;
    }
    ExpectIdle(engine);
    return trace.num_starts > num_admissible ? trace.num_starts - num_admissible : 0;
  }

 private:
  // With mutex_ held.
  void Act(uint32_t step) {
    for (size_t i = 0; i < plans_.size(); ++i) {
      if (plans_[i].submit_at_step <= step && !ids_.contains(i)) Submit(i);
      if (plans_[i].cancel_at_step != 0 && plans_[i].cancel_at_step <= step && ids_.contains(i)) {
        engine_->Cancel({ids_[i]});
        plans_[i].cancel_at_step = 0;
      }
    }
  }
  void Submit(size_t i) { ids_[i] = engine_->Submit(plans_[i].request, collectors_[i].sink()).value().value; }
  // The engine may have run out of work before the step at which this request was due.
  void SubmitIfLate(size_t i) {
    const std::lock_guard lock(mutex_);
    if (!ids_.contains(i)) Submit(i);
  }
  static void ExpectIdle(const Engine& engine) {
    Engine::Load load = engine.load();
    for (int i = 0; i < 5000 && load.kv_blocks_used + load.running + load.waiting != 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the last step publishes its load last
      load = engine.load();
    }
    EXPECT_EQ(load.kv_blocks_used, 0U);
    EXPECT_EQ(load.running, 0U);
    EXPECT_EQ(load.waiting, 0U);
  }

  Random random_;
  EngineLoopOptions options_;
  std::vector<Plan> plans_;
  std::vector<EventCollector> collectors_;
  std::mutex mutex_;  // guards what follows: the first actions happen on the main thread
  Engine* engine_ = nullptr;
  std::map<size_t, uint64_t> ids_;
};

TEST(EngineSimulation, GivesEveryRequestTheTokensItGetsAlone) {
  uint32_t num_restarts = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    num_restarts += Simulation(seed).Run();
    if (HasFailure()) break;
  }
  EXPECT_GT(num_restarts, 20U) << "the pool was never short: preemption was not tested";
}

TEST(EngineSimulation, SurvivesThreadsThatSubmitAndCancelAtAnyTime) {
  const Tokenizer tokenizer = MakeByteTokenizer();
  FakeModelTrace trace;
  EngineLoopOptions options;
  options.scheduler = {.context_max = 200, .sequences_max = 4, .tokens_per_step_max = 16, .num_blocks = 6};
  FakeModelOptions model{.num_blocks = 6, .num_rings = 4, .tokens_per_step_max = 16};
  EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options);
  std::vector<std::thread> clients;
  for (uint64_t client = 0; client < 4; ++client) {
    clients.emplace_back([&engine, client] {
      Random random(1000 + client);
      for (int i = 0; i < 15; ++i) {
        EventCollector collector;
        const GenerationRequest request = RandomRequest(random, 200);
        const RequestId id = engine.Submit(request, collector.sink()).value();
        if (random.Between(0, 1) == 0) {
          collector.WaitForTokens(random.Between(0, 20));
          engine.Cancel(id);
        }
        (void)engine.load();
        EXPECT_TRUE(engine.Health());
        ExpectSameAsAlone(request, collector.Wait(), 200);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

// Owners whose requests differ in size and number, each with more work than the engine can do. When a request
// ends, its owner sends the next.
class BackloggedOwners {
 public:
  explicit BackloggedOwners(uint64_t seed) : random_(seed), owners_(random_.Between(2, 5)) {
    const uint32_t sequences_max = random_.Between(1, 8);
    options_.scheduler = {.context_max = 400,
                          .sequences_max = sequences_max,
                          .tokens_per_step_max = random_.Between(sequences_max, 64),
                          .prefix_cache = {.is_enabled = false}};  // every token has to be paid
    options_.scheduler.num_blocks = KvBlocksFor(400) * random_.Between(1, sequences_max);
    for (Owner& owner : owners_) {
      owner.prompt_tokens_max = random_.Between(1, 300);
      owner.output_tokens_max = random_.Between(1, 100);
      owner.num_requests = sequences_max + random_.Between(2, 20);
    }
  }

  // The cost of what each owner got by the time when all together had `cost_per_owner` on average.
  std::vector<uint64_t> Run(uint64_t cost_per_owner) {
    FakeModelTrace trace;
    const Tokenizer tokenizer = MakeByteTokenizer();
    FakeModelOptions model{.num_blocks = options_.scheduler.num_blocks,
                           .num_rings = options_.scheduler.sequences_max,
                           .tokens_per_step_max = options_.scheduler.tokens_per_step_max};
    model.before_step = [this, cost_per_owner](uint32_t /*step*/) -> Status {
      const std::lock_guard lock(mutex_);  // no step before everybody is there
      uint64_t total = 0;
      for (const Owner& owner : owners_) total += owner.cost;
      if (total < cost_per_owner * owners_.size() || !costs_.empty()) return {};
      for (const Owner& owner : owners_) costs_.push_back(owner.cost);
      done_.notify_one();
      return {};
    };
    EngineLoop engine(std::make_unique<FakeModelRunner>(std::move(model), trace), tokenizer, options_);
    std::unique_lock lock(mutex_);
    engine_ = &engine;
    for (size_t i = 0; i < owners_.size(); ++i) {
      for (uint32_t k = 0; k < owners_[i].num_requests; ++k) Submit(i);
    }
    EXPECT_TRUE(done_.wait_for(lock, std::chrono::seconds(60), [this] { return !costs_.empty(); }));
    return costs_;
  }

 private:
  struct Owner {
    uint32_t prompt_tokens_max = 0;
    uint32_t output_tokens_max = 0;
    uint32_t num_requests = 0;  // at a time
    uint64_t cost = 0;
  };

  // After the start: on the engine thread only, from sinks.
  void Submit(size_t i) {
    Owner& owner = owners_[i];
    GenerationRequest request;
    request.owner = "owner " + std::to_string(i);
    request.prompt.assign(random_.Between(1, owner.prompt_tokens_max), 'a');
    request.max_tokens = random_.Between(1, owner.output_tokens_max);
    request.ignore_eos = true;
    const auto submitted = engine_->Submit(request, [this, i](GenerationEvent event) {
      if (event.finish == FinishReason::kCancelled) return;
      // A prompt counts when its first token comes.
      if (event.usage.completion_tokens == 1) owners_[i].cost += event.usage.prompt_tokens;
      owners_[i].cost += 2 * event.tokens.size();
      if (event.finish && costs_.empty()) Submit(i);
    });
    EXPECT_TRUE(submitted);
  }

  Random random_;
  EngineLoopOptions options_;
  std::vector<Owner> owners_;
  Engine* engine_ = nullptr;
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<uint64_t> costs_;
};

TEST(EngineSimulation, GivesOwnersWithEnoughWorkEqualShares) {
  for (uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    constexpr uint64_t kCostPerOwner = 20'000;
    for (const uint64_t cost : BackloggedOwners(seed).Run(kCostPerOwner)) {
      EXPECT_NEAR(static_cast<double>(cost), kCostPerOwner, 0.1 * kCostPerOwner);
    }
  }
}

}  // namespace
}  // namespace mimo

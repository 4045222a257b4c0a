#pragma once
// The engine's thread and its mailbox. Engine::Create puts it on top of a model; tests put it on top of a
// scripted one.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "engine/generation.h"
#include "engine/grammar_masks.h"
#include "engine/model_runner.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/step_pacer.h"
#include "engine/waiting_room.h"

namespace mimo {

struct EngineLoopOptions {
  SchedulerOptions scheduler = {};
  QueueLimits queue = {};
  std::chrono::milliseconds queue_time_max{0};
  StepPacerOptions pacer = {};
  std::chrono::milliseconds step_time_max{300'000};
  KvType kv_type = KvType::kBf16;  // the runner's
};

class EngineLoop : public Engine {
 public:
  // Starts the thread. `tokenizer` must outlive this. Requires: as Scheduler.
  EngineLoop(std::unique_ptr<ModelRunner> runner, const Tokenizer& tokenizer,
             const EngineLoopOptions& options);
  ~EngineLoop() override;

  EngineResult<RequestId> Submit(GenerationRequest request, EventSink sink) override;
  void Cancel(RequestId id) override;
  uint32_t context_max() const override { return options_.scheduler.context_max; }
  const ModelConfig& config() const override { return runner_->config(); }
  KvCacheConfig kv_cache_config() const override;
  Status Health() const override;
  Load load() const override;
  uint32_t CachedTokens(std::span<const TokenId> prompt, std::string_view cache_salt) const override;
  std::string cache_folder() const override;

 private:
  using Clock = std::chrono::steady_clock;

  // The engine thread.
  void Run();
  bool WaitForMail();
  void TakeMail();
  Status Step();
  void Arrive(std::unique_ptr<Generation> generation);
  void ContinueRestores();
  void MarkAdmitted();
  void GiveUpOverdue();
  void BeginMasks(std::span<const ScheduledChunk> step);
  const GrammarVocabulary* VocabularyFor(const GenerationRequest& request);
  Result<std::span<const float>> Forward(std::span<const ScheduledChunk> step);
  void AcceptLogits(std::span<const ScheduledChunk> step, std::span<const float> logits);
  void PublishLoad();
  void FailEverything(const Error& error);
  void CancelEverything();
  std::unique_ptr<Generation> TakeOut(uint64_t id);

  const EngineLoopOptions options_;
  const std::unique_ptr<ModelRunner> runner_;
  const Tokenizer& tokenizer_;
  const uint64_t seed_;  // of requests that bring none

  // Of the engine thread.
  Scheduler scheduler_;
  StepPacer pacer_;
  Sampler sampler_;
  StepTokenCounts step_tokens_;
  std::unordered_map<uint64_t, std::unique_ptr<Generation>> generations_;
  // Requests whose texts come back from disk before they wait for their turn, first come, first served.
  struct Restoring {
    uint64_t id = 0;
    PrefixCache::Restore restore;
  };
  std::deque<Restoring> restoring_;
  std::vector<SequenceChunk> batch_;
  std::vector<uint64_t> overdue_;
  GrammarMasks masks_;

  // Made for the first request with a grammar.
  std::once_flag grammar_vocabulary_made_;
  std::unique_ptr<const GrammarVocabulary> grammar_vocabulary_;

  mutable std::mutex mutex_;  // guards what follows, down to failure_; never held during a step or a sink
  std::condition_variable mail_arrived_;
  std::vector<std::unique_ptr<Generation>> submitted_;
  std::vector<uint64_t> cancelled_;
  bool stopping_ = false;
  uint64_t next_id_ = 1;
  WaitingRoom room_;
  Load load_;
  // The engine thread's sign of life: when it began its turn or, while it waits for mail, when it last woke
  // up.
  Clock::time_point seen_at_ = Clock::now();
  bool is_idle_ = true;
  std::optional<Error> failure_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace mimo

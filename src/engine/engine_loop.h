#pragma once
// The engine's thread and its mailbox. Engine::Create puts it on top of a model; tests put it on top of a
// scripted one.

#include <atomic>
#include <chrono>
#include <condition_variable>
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

namespace mimo {

struct EngineLoopOptions {
  SchedulerOptions scheduler = {};
  uint32_t requests_queued_max = 256;
  std::chrono::milliseconds step_time_max{300'000};
};

class EngineLoop : public Engine {
 public:
  // Starts the thread. `tokenizer` must outlive this. Requires: as Scheduler.
  EngineLoop(std::unique_ptr<ModelRunner> runner, const Tokenizer& tokenizer,
             const EngineLoopOptions& options);
  ~EngineLoop() override;

  Result<RequestId> Submit(GenerationRequest request, EventSink sink) override;
  void Cancel(RequestId id) override;
  uint32_t context_max() const override { return options_.scheduler.context_max; }
  const ModelConfig& config() const override { return runner_->config(); }
  Status Health() const override;
  Load load() const override;

 private:
  using Clock = std::chrono::steady_clock;

  // The engine thread.
  void Run();
  bool WaitForMail();
  void TakeMail();
  Status Step();
  void MarkAdmitted();
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
  Sampler sampler_;
  std::unordered_map<uint64_t, std::unique_ptr<Generation>> generations_;
  std::vector<SequenceChunk> batch_;
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
  Load load_;
  std::optional<Clock::time_point> step_began_at_;
  std::optional<Error> failure_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace mimo

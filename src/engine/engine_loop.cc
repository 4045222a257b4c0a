#include "engine/engine_loop.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"
#include "engine/sampling_random.h"

namespace mimo {
namespace {

// Some ten milliseconds of a fast disk.
constexpr uint64_t kRestoreSliceBytes = uint64_t{32} << 20;

// How often an idle engine thread shows that it lives, and after how much silence it counts as dead.
constexpr std::chrono::milliseconds kIdleBeat{500};
constexpr std::chrono::milliseconds kIdleSilenceMax{10'000};

uint64_t SeedOfThisRun() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

StepPacer::Step PacedStep(std::span<const ScheduledChunk> step) {
  StepPacer::Step result;
  for (const ScheduledChunk& chunk : step) {
    if (chunk.sequence->num_pending() == 1) {
      ++result.num_decoding;
    } else {
      result.num_prompt_tokens += chunk.num_tokens;
    }
  }
  return result;
}

uint32_t NumTokens(std::span<const ScheduledChunk> step) {
  uint32_t num_tokens = 0;
  for (const ScheduledChunk& chunk : step) num_tokens += chunk.num_tokens;
  return num_tokens;
}

}  // namespace

EngineLoop::EngineLoop(std::unique_ptr<ModelRunner> runner, const Tokenizer& tokenizer,
                       const EngineLoopOptions& options)
    : options_(options),
      runner_(std::move(runner)),
      tokenizer_(tokenizer),
      seed_(SeedOfThisRun()),
      scheduler_(options.scheduler, runner_.get()),
      pacer_(options.pacer, options.scheduler.sequences_max),
      sampler_(runner_->config().vocab_size),
      room_(options.queue),
      load_{.kv_blocks_total = options.scheduler.num_blocks},
      thread_([this] { Run(); }) {}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  mail_arrived_.notify_one();
  thread_.join();
}

// ---- Any thread ----

EngineResult<RequestId> EngineLoop::Submit(GenerationRequest request, EventSink sink) {
  GenerationContext context{
      .context_max = options_.scheduler.context_max, .config = &runner_->config(), .tokenizer = &tokenizer_};
  if (EngineStatus status = CheckGenerationRequest(request, context); !status) {
    return tl::unexpected(std::move(status).error());
  }
  context.grammar_vocabulary = VocabularyFor(request);
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return Unavailable("the engine has failed: {}", failure_->message);
    if (stopping_) return Unavailable("the engine is stopping");
    const auto prompt_tokens = static_cast<uint32_t>(request.prompt.size());
    if (EngineStatus status = room_.Enter(request.owner, prompt_tokens, Clock::now()); !status) {
      return tl::unexpected(std::move(status).error());
    }
    // Created under the lock, so that ids rise in the order of the mailbox.
    context.id = next_id_++;
    context.seed = RandomBits(seed_, context.id);
    submitted_.push_back(std::make_unique<Generation>(std::move(request), std::move(sink), context));
  }
  mail_arrived_.notify_one();
  return RequestId{context.id};
}

const GrammarVocabulary* EngineLoop::VocabularyFor(const GenerationRequest& request) {
  if (request.grammar == nullptr) return nullptr;
  std::call_once(grammar_vocabulary_made_,
                 [&] { grammar_vocabulary_ = std::make_unique<const GrammarVocabulary>(tokenizer_); });
  return grammar_vocabulary_.get();
}

void EngineLoop::Cancel(RequestId id) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    cancelled_.push_back(id.value);
  }
  mail_arrived_.notify_one();
}

Status EngineLoop::Health() const {
  const std::lock_guard lock(mutex_);
  if (failure_) return Unavailable("the engine has failed: {}", failure_->message);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - seen_at_);
  if (elapsed <= (is_idle_ ? kIdleSilenceMax : options_.step_time_max)) return {};
  if (is_idle_) return Unavailable("the engine has shown no sign of life for {} ms", elapsed.count());
  return Unavailable("the engine has not finished its step for {} ms", elapsed.count());
}

Engine::Load EngineLoop::load() const {
  const std::lock_guard lock(mutex_);
  Load load = load_;
  load.waiting += static_cast<uint32_t>(submitted_.size());
  load.prompt_tokens_waiting = room_.num_prompt_tokens();
  load.num_refused = room_.num_refused();
  load.retry_after = room_.TimeToAdmission(Clock::now());
  return load;
}

KvCacheConfig EngineLoop::kv_cache_config() const {
  return {.block_tokens = kKvBlockTokens,
          .num_blocks = options_.scheduler.num_blocks,
          .type = std::string(WeightTypeName(WeightTypeOf(options_.kv_type))),
          .sliding_window = config().sliding_attention.window,
          .has_prefix_cache = options_.scheduler.prefix_cache.is_enabled};
}

uint32_t EngineLoop::CachedTokens(std::span<const TokenId> prompt, std::string_view cache_salt) const {
  return scheduler_.prefix_cache().CachedTokens(prompt, SaltedPrefixKey(cache_salt));
}

std::string EngineLoop::cache_folder() const {
  const CacheStore* const store = options_.scheduler.prefix_cache.store.get();
  return store == nullptr ? std::string() : store->folder();
}

// ---- The engine thread ----

void EngineLoop::Run() {
  while (WaitForMail()) {
    TakeMail();
    if (const Status status = Step(); !status) return FailEverything(status.error());
    PublishLoad();
  }
  CancelEverything();
}

// False when the engine stops. Does not wait while there is work.
bool EngineLoop::WaitForMail() {
  const auto has_work = [&] {
    return stopping_ || !submitted_.empty() || !cancelled_.empty() || !generations_.empty();
  };
  std::unique_lock lock(mutex_);
  is_idle_ = true;
  do {
    seen_at_ = Clock::now();
  } while (!mail_arrived_.wait_for(lock, kIdleBeat, has_work));
  is_idle_ = false;
  seen_at_ = Clock::now();
  return !stopping_;
}

void EngineLoop::TakeMail() {
  std::vector<std::unique_ptr<Generation>> submitted;
  std::vector<uint64_t> cancelled;
  {
    const std::lock_guard lock(mutex_);
    submitted.swap(submitted_);
    cancelled.swap(cancelled_);
    load_.waiting += static_cast<uint32_t>(submitted.size());
  }
  for (std::unique_ptr<Generation>& generation : submitted) {
    Arrive(std::move(generation));
  }
  for (const uint64_t id : cancelled) {
    if (!generations_.contains(id)) continue;  // it has ended meanwhile
    TakeOut(id)->Cancel();
  }
}

void EngineLoop::Arrive(std::unique_ptr<Generation> generation) {
  Sequence& sequence = generation->sequence();
  generations_.emplace(sequence.id, std::move(generation));
  if (auto restore = scheduler_.prefix_cache().BeginRestore(sequence.tokens, sequence.cache_salt)) {
    restoring_.push_back({sequence.id, *std::move(restore)});
  } else {
    scheduler_.Enqueue(&sequence);
  }
}

// A slice of what is to be read: running sequences wait for it, so it is short.
void EngineLoop::ContinueRestores() {
  if (restoring_.empty()) return;
  PrefixCache& cache = scheduler_.prefix_cache();
  Restoring& first = restoring_.front();
  if (!cache.ContinueRestore(first.restore, kRestoreSliceBytes)) return;
  cache.EndRestore(first.restore);
  scheduler_.Enqueue(&generations_.at(first.id)->sequence());
  restoring_.pop_front();
}

Status EngineLoop::Step() {
  ContinueRestores();
  const Clock::time_point began_at = Clock::now();
  scheduler_.AdmitSequences();  // waiting -> running, while KV blocks and rings last
  MarkAdmitted();
  GiveUpOverdue();
  PublishLoad();
  const uint32_t num_decoding = scheduler_.num_decoding();
  const uint32_t num_prompts = scheduler_.num_running() - num_decoding;
  const std::span<const ScheduledChunk> step =
      scheduler_.NextStep(pacer_.PromptTokensMax(num_decoding, num_prompts));
  if (step.empty()) return {};
  const StepPacer::Step paced = PacedStep(step);
  // From here to AcceptLogits no sequence joins or leaves the batch.
  BeginMasks(step);
  Result<std::span<const float>> logits = Forward(step);
  masks_.Wait();
  if (!logits) return tl::unexpected<Error>(std::move(logits).error());
  scheduler_.CommitStep();
  step_tokens_.Count(NumTokens(step));
  AcceptLogits(step, *logits);  // sample, append, stop conditions, news to the sinks, free memory
  pacer_.OnStep(paced, Clock::now() - began_at);
  return {};
}

// Sequences that run for the first time leave the waiting room.
void EngineLoop::MarkAdmitted() {
  const Clock::time_point now = Clock::now();
  for (Sequence* sequence : scheduler_.running()) {
    Generation& generation = *generations_.at(sequence->id);
    if (generation.was_admitted()) continue;
    generation.MarkAdmitted(now);
    const std::lock_guard lock(mutex_);
    room_.Admit(sequence->owner, generation.prompt_tokens(), now);
  }
}

// A preempted sequence has waited its time before, and its client has seen a part of the reply.
void EngineLoop::GiveUpOverdue() {
  if (options_.queue_time_max.count() == 0) return;
  const Clock::time_point now = Clock::now();
  overdue_.clear();
  for (const Sequence* sequence : scheduler_.waiting()) {
    const Generation& generation = *generations_.at(sequence->id);
    if (!generation.was_admitted() && now - generation.submitted_at() > options_.queue_time_max) {
      overdue_.push_back(sequence->id);
    }
  }
  for (const uint64_t id : overdue_) {
    std::chrono::seconds after;
    {
      const std::lock_guard lock(mutex_);
      after = room_.TimeToAdmission(now);
    }
    TakeOut(id)->Fail(EngineError(
        {ErrorCode::kUnavailable, fmt::format("the request has waited longer than {} ms for its turn",
                                              options_.queue_time_max.count())},
        TryLater{after}));
  }
}

void EngineLoop::BeginMasks(std::span<const ScheduledChunk> step) {
  std::vector<Generation*> restricted;
  for (const ScheduledChunk& chunk : step) {
    Generation* generation = generations_.at(chunk.sequence->id).get();
    if (chunk.samples && generation->has_grammar()) restricted.push_back(generation);
  }
  masks_.Begin(std::move(restricted));
}

Result<std::span<const float>> EngineLoop::Forward(std::span<const ScheduledChunk> step) {
  batch_.clear();
  for (const ScheduledChunk& chunk : step) {
    const Sequence& sequence = *chunk.sequence;
    batch_.push_back({.tokens = std::span(sequence.tokens).subspan(sequence.num_computed, chunk.num_tokens),
                      .first_position = sequence.num_computed,
                      .blocks = sequence.blocks,
                      .ring = sequence.ring,
                      .logits = chunk.samples ? LogitsWanted::kLast : LogitsWanted::kNone,
                      .cached_end = sequence.start.cached_end,
                      .window_begin = sequence.start.window_begin});
  }
  return runner_->Forward(batch_);
}

void EngineLoop::AcceptLogits(std::span<const ScheduledChunk> step, std::span<const float> logits) {
  const size_t vocab_size = runner_->config().vocab_size;
  size_t row = 0;
  for (const ScheduledChunk& chunk : step) {
    if (!chunk.samples) continue;
    const uint64_t id = chunk.sequence->id;
    const bool is_over =
        generations_.at(id)->AcceptLogits(logits.subspan(row * vocab_size, vocab_size), sampler_);
    ++row;
    if (is_over) TakeOut(id);
  }
}

// Removes a generation and gives its memory back.
std::unique_ptr<Generation> EngineLoop::TakeOut(uint64_t id) {
  const auto position = generations_.find(id);
  std::unique_ptr<Generation> generation = std::move(position->second);
  generations_.erase(position);
  const auto restoring = std::find_if(restoring_.begin(), restoring_.end(),
                                      [id](const Restoring& candidate) { return candidate.id == id; });
  if (restoring != restoring_.end()) {
    scheduler_.prefix_cache().EndRestore(restoring->restore);
    restoring_.erase(restoring);
  } else {
    scheduler_.Remove(&generation->sequence());
  }
  if (!generation->was_admitted()) {
    const std::lock_guard lock(mutex_);
    room_.Leave(generation->sequence().owner, generation->prompt_tokens());
  }
  return generation;
}

void EngineLoop::PublishLoad() {
  const std::lock_guard lock(mutex_);
  load_.running = scheduler_.num_running();
  load_.waiting = scheduler_.num_waiting() + static_cast<uint32_t>(restoring_.size());
  load_.num_preemptions = scheduler_.num_preemptions();
  load_.kv_blocks_used = scheduler_.num_blocks() - scheduler_.num_blocks_free();
  load_.prefix_cache = scheduler_.prefix_cache().stats();
  load_.cache_store = scheduler_.prefix_cache().disk_stats();
  load_.step_tokens = step_tokens_;
}

void EngineLoop::FailEverything(const Error& error) {
  LogLine(LogLevel::kError, fmt::format("the engine stops: {}", error.message));
  scheduler_.StopCaching();  // a step that failed may have left anything in memory
  {
    const std::lock_guard lock(mutex_);
    failure_ = error;  // from here Submit refuses
  }
  TakeMail();
  while (!generations_.empty()) TakeOut(generations_.begin()->first)->Fail(error);
  PublishLoad();
}

void EngineLoop::CancelEverything() {
  TakeMail();
  while (!generations_.empty()) TakeOut(generations_.begin()->first)->Cancel();
  PublishLoad();
}

}  // namespace mimo

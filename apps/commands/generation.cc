#include "apps/commands/generation.h"

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "apps/commands/interrupt.h"

namespace mimo {
namespace {

constexpr std::chrono::milliseconds kInterruptPoll{50};

// Events on their way from the engine thread. Bounded by the request's max_tokens.
class EventQueue {
 public:
  void Push(GenerationEvent event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    ready_.notify_one();
  }

  // Nothing when none came within the time.
  std::optional<GenerationEvent> Pop(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, timeout, [this] { return !events_.empty(); })) return std::nullopt;
    GenerationEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<GenerationEvent> events_;
};

double Milliseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

double PerSecond(uint32_t tokens, std::chrono::nanoseconds time) {
  return time.count() > 0 ? tokens / (static_cast<double>(time.count()) / 1e9) : 0.0;
}

}  // namespace

Result<GenerationOutcome> Generate(Engine& engine, GenerationRequest request,
                                   const std::function<Status(const std::string& text)>& on_text) {
  // Shared with the sink, which the engine may keep a moment longer than this call lasts.
  const auto queue = std::make_shared<EventQueue>();
  MIMO_ASSIGN_OR_RETURN(const RequestId id, engine.Submit(std::move(request), [queue](GenerationEvent event) {
    queue->Push(std::move(event));
  }));
  GenerationOutcome outcome;
  Status status;
  while (true) {
    if (Interrupted()) engine.Cancel(id);
    std::optional<GenerationEvent> event = queue->Pop(kInterruptPoll);
    if (!event) continue;
    for (const SampledToken& token : event->tokens) outcome.tokens.push_back(token.token);
    outcome.text += event->text;
    outcome.usage = event->usage;
    if (status && !event->text.empty()) {
      status = on_text(event->text);
      if (!status) engine.Cancel(id);
    }
    if (!event->finish) continue;
    if (!status) return tl::unexpected<Error>(status.error());
    if (event->error) return tl::unexpected<Error>(*event->error);
    outcome.finish = *event->finish;
    return outcome;
  }
}

const char* FinishReasonName(FinishReason finish) {
  switch (finish) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
  }
  return "error";
}

Json UsageJson(const GenerationUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json TimingsJson(const GenerationUsage& usage) {
  // The first token comes out of the prefill.
  const uint32_t decoded = usage.completion_tokens > 0 ? usage.completion_tokens - 1 : 0;
  return {
      {"queue_ms", Milliseconds(usage.queue_time)},
      {"prefill_ms", Milliseconds(usage.prefill_time)},
      {"decode_ms", Milliseconds(usage.decode_time)},
      {"prefill_tokens_per_second", PerSecond(usage.prompt_tokens - usage.cached_tokens, usage.prefill_time)},
      {"decode_tokens_per_second", PerSecond(decoded, usage.decode_time)}};
}

}  // namespace mimo

#pragma once
// Numbers for Prometheus. Those with vLLM's names mean what they mean there, so that its dashboards and
// autoscalers work; what vLLM does not have begins with "mimo:".

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "server/price_card.h"

namespace mimo {

// One generation that has ended, whichever way.
struct FinishedGeneration {
  FinishReason reason = FinishReason::kStop;
  GenerationUsage usage;
  std::chrono::nanoseconds since_arrival{0};  // from the whole request's arrival to the last token
};

// What the server counts that is not about one generation.
enum class ServerEvent {
  kAdmissionRejected,       // the engine's queue was full
  kMissingReasoningReplay,  // an assistant turn with tool calls came back without its reasoning
  kHostedToolSkipped,       // a tool that the platform would have run itself
  kGrammarCompiled,
  kGrammarRefused,  // too large, too slow to compile, or with unsupported parts
};

// Owns all counters. Thread-safe; nothing waits longer than for a short lock, so the engine thread may call.
class ServerMetrics {
 public:
  ServerMetrics();
  ~ServerMetrics();
  ServerMetrics(const ServerMetrics&) = delete;
  ServerMetrics& operator=(const ServerMetrics&) = delete;

  // The label model_name, and the bounds of histograms. Once, before anything of a generation is counted.
  void SetModel(const std::string& name, uint32_t context_max);

  // What Prometheus knows the cache by; its blocks are not counted elsewhere. Once, after SetModel.
  void SetCacheConfig(const KvCacheConfig& config);

  void CountPrompt(uint64_t prompt_tokens, uint64_t cached_tokens);
  void CountFirstToken(std::chrono::nanoseconds since_arrival);
  // Between one delivery of tokens to a request and the next.
  void CountTokenGap(std::chrono::nanoseconds gap);
  void CountTokens(uint64_t tokens);
  void CountFinished(const FinishedGeneration& finished);
  void Count(ServerEvent event, uint64_t times = 1);
  void CountGrammarCompileTime(std::chrono::nanoseconds duration);
  void CountCost(const std::string& currency, Money cost);
  // `route` is one of the route table's, so that clients cannot make up labels.
  void CountHttp(std::string_view route, int status);

  // Since the start, of all requests.
  TokenCounts totals() const;

  // The text format, version 0.0.4. `load` is read at this moment.
  std::string Text(const Engine::Load& load) const;

 private:
  struct Instruments;
  struct ModelInstruments;

  const std::unique_ptr<Instruments> instruments_;
  std::unique_ptr<ModelInstruments> model_storage_;
  std::atomic<ModelInstruments*> model_{nullptr};  // null until SetModel
};

}  // namespace mimo

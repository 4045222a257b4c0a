#pragma once
// One request on its way through the engine: samples, text, stop conditions and usage.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer.h"

namespace mimo {

struct GenerationContext {
  uint64_t id = 0;
  uint64_t seed = 0;  // for a request without one
  uint32_t context_max = 0;
  const ModelConfig* config = nullptr;
  const Tokenizer* tokenizer = nullptr;  // outlives the generation
  // Of requests with a grammar; outlives the generation.
  const GrammarVocabulary* grammar_vocabulary = nullptr;
};

// kInvalidArgument when the request cannot run: its prompt, its sampling parameters or its stop strings.
EngineStatus CheckGenerationRequest(const GenerationRequest& request, const GenerationContext& context);

// Not thread-safe: created by the thread that submits, then used by the engine thread only. Calls the sink
// from its own methods; after Finish no more.
class Generation {
 public:
  // Requires: CheckGenerationRequest accepted `request`.
  Generation(GenerationRequest request, EventSink sink, const GenerationContext& context);

  Sequence& sequence() { return sequence_; }

  // Notes the time of the first admission and what the prefix cache had. Requires: not admitted yet; no step
  // since.
  void MarkAdmitted(std::chrono::steady_clock::time_point now);
  bool has_grammar() const { return matcher_.has_value(); }
  // Finds the tokens that the grammar allows next, for the AcceptLogits that follows. May run on another
  // thread while nothing else uses this.
  void PrepareMask();
  // Chooses the next token from `logits` [vocab_size], appends it and sends the news. True when the
  // generation is over, its last event sent.
  bool AcceptLogits(std::span<const float> logits, Sampler& sampler);
  // Sends the last event without another token: kCancelled.
  void Cancel();
  // Sends the last event: kError.
  void Fail(EngineError error);

  bool was_admitted() const { return admitted_at_.has_value(); }
  std::chrono::steady_clock::time_point submitted_at() const { return submitted_at_; }
  uint32_t prompt_tokens() const { return usage_.prompt_tokens; }

 private:
  using Clock = std::chrono::steady_clock;

  std::optional<FinishReason> AcceptToken(TokenId token, GenerationEvent* event);
  bool IsStopToken(TokenId token) const;
  Status CheckMask(size_t vocab_size) const;
  void Send(GenerationEvent event);

  Sequence sequence_;
  SamplingState sampling_;
  Detokenizer detokenizer_;
  StopMatcher stop_matcher_;
  std::optional<GrammarMatcher> matcher_;  // with a grammar
  TokenBitmask mask_;                      // of PrepareMask
  Status mask_status_;
  EventSink sink_;
  std::vector<TokenId> stop_token_ids_;  // of the request and, unless ignored, of the model; sorted
  uint32_t completion_tokens_max_;
  GenerationUsage usage_;
  const Clock::time_point submitted_at_;
  std::optional<Clock::time_point> admitted_at_;
  std::optional<Clock::time_point> first_token_at_;
};

}  // namespace mimo

#include "engine/generation.h"

#include <algorithm>
#include <utility>

namespace mimo {
namespace {

// Each stop string costs a comparison per byte of text.
constexpr size_t kStopStringsMax = 64;
// Bounds the text that is held back.
constexpr size_t kStopStringBytesMax = 4096;

// A token needs a place in the context only when the one after it is computed, so even a prompt that fills
// the context yields one token.
uint32_t CompletionTokensMax(const GenerationRequest& request, uint32_t context_max) {
  const auto prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  const uint32_t room = std::max(1U, context_max - prompt_tokens);
  return request.max_tokens == 0 ? room : std::min(room, request.max_tokens);
}

std::vector<TokenId> StopTokenIds(const GenerationRequest& request, const ModelConfig& config) {
  std::vector<TokenId> ids = request.stop_token_ids;
  if (!request.ignore_eos) ids.insert(ids.end(), config.eos_token_ids.begin(), config.eos_token_ids.end());
  std::sort(ids.begin(), ids.end());
  return ids;
}

EngineStatus CheckContext(const GenerationRequest& request, uint32_t context_max) {
  const size_t prompt_tokens = request.prompt.size();
  ContextOverflow overflow{.prompt_tokens = static_cast<uint32_t>(prompt_tokens), .context_max = context_max};
  if (prompt_tokens > context_max) {
    return tl::unexpected(EngineError(
        InvalidArgument("prompt is too long: {} tokens > {} maximum", prompt_tokens, context_max).value(),
        overflow));
  }
  if (!request.max_tokens_must_fit || uint64_t{prompt_tokens} + request.max_tokens <= context_max) return {};
  overflow.max_tokens = request.max_tokens;
  return tl::unexpected(
      EngineError(InvalidArgument("the prompt and max_tokens exceed the context: {} + {} > {} tokens",
                                  prompt_tokens, request.max_tokens, context_max)
                      .value(),
                  overflow));
}

}  // namespace

EngineStatus CheckGenerationRequest(const GenerationRequest& request, const GenerationContext& context) {
  const uint32_t vocab_size = context.config->vocab_size;
  if (request.prompt.empty()) return InvalidArgument("the prompt is empty");
  if (EngineStatus status = CheckContext(request, context.context_max); !status) return status;
  for (const TokenId token : request.prompt) {
    if (token >= vocab_size) {
      return InvalidArgument("token {} of the prompt is outside the vocabulary of {}", token, vocab_size);
    }
  }
  if (request.stop_strings.size() > kStopStringsMax) {
    return InvalidArgument("at most {} stop strings are possible, not {}", kStopStringsMax,
                           request.stop_strings.size());
  }
  for (const std::string& text : request.stop_strings) {
    if (text.empty()) return InvalidArgument("a stop string must not be empty");
    if (text.size() > kStopStringBytesMax) {
      return InvalidArgument("a stop string has at most {} bytes, not {}", kStopStringBytesMax, text.size());
    }
  }
  if (Status status = CheckSamplingParams(request.sampling, vocab_size); !status) {
    return tl::unexpected<EngineError>(std::move(status).error());
  }
  return {};
}

Generation::Generation(GenerationRequest request, EventSink sink, const GenerationContext& context)
    : sampling_(request.sampling, context.seed, request.prompt, context.config->vocab_size),
      detokenizer_(*context.tokenizer, request.skip_special_tokens),
      stop_matcher_(std::move(request.stop_strings)),
      sink_(std::move(sink)),
      stop_token_ids_(StopTokenIds(request, *context.config)),
      completion_tokens_max_(CompletionTokensMax(request, context.context_max)),
      submitted_at_(Clock::now()) {
  if (request.grammar != nullptr) {
    matcher_.emplace(std::move(request.grammar), context.grammar_vocabulary);
    mask_ = TokenBitmask(std::max(context.config->vocab_size, context.grammar_vocabulary->vocab_size()));
  }
  usage_.prompt_tokens = static_cast<uint32_t>(request.prompt.size());
  sequence_.id = context.id;
  sequence_.tokens = std::move(request.prompt);
  sequence_.cache_salt = SaltedPrefixKey(request.cache_salt);
  sequence_.owner = std::move(request.owner);
  sequence_.priority = request.priority;
}

void Generation::MarkAdmitted(std::chrono::steady_clock::time_point now) {
  admitted_at_ = now;
  usage_.cached_tokens = sequence_.num_computed;
  usage_.replayed_tokens =
      std::max(sequence_.start.cached_end, sequence_.num_computed) - sequence_.num_computed;
}

// Stop tokens are not the grammar's: they are possible exactly where the text may end.
void Generation::PrepareMask() {
  mask_status_ = matcher_->FillMask(&mask_);
  const bool can_end = matcher_->CanEnd();
  for (const TokenId token : stop_token_ids_) {
    if (token / 64 < mask_.words().size()) can_end ? mask_.Set(token) : mask_.Reset(token);
  }
}

Status Generation::CheckMask(size_t vocab_size) const {
  MIMO_RETURN_IF_ERROR(mask_status_);
  const std::span<const uint64_t> words = mask_.words();
  for (size_t token = 0; token < vocab_size; ++token) {
    if (words[token / 64] == 0) {
      token |= 63;
    } else if (mask_.Test(static_cast<TokenId>(token))) {
      return {};
    }
  }
  return InvalidArgument("no token of the vocabulary continues the text as the grammar demands");
}

bool Generation::AcceptLogits(std::span<const float> logits, Sampler& sampler) {
  if (matcher_) {
    if (Status status = CheckMask(logits.size()); !status) {
      Fail(std::move(status).error());
      return true;
    }
  }
  Result<SampledToken> sampled =
      sampler.Sample(logits, sampling_, sequence_.tokens.size(), matcher_ ? &mask_ : nullptr);
  if (!sampled) {
    Fail(std::move(sampled).error());
    return true;
  }
  const TokenId token = sampled->token;
  // The mask allows what the matcher takes, unless the alternatives after it are too many.
  if (matcher_ && !IsStopToken(token) && !matcher_->AcceptToken(token)) {
    Fail(Error{ErrorCode::kInvalidArgument,
               "the grammar is too ambiguous: too many ways to read the text so far"});
    return true;
  }
  GenerationEvent event;
  event.tokens.push_back(std::move(*sampled));
  event.finish = AcceptToken(token, &event);
  const bool is_over = event.finish.has_value();
  Send(std::move(event));
  return is_over;
}

std::optional<FinishReason> Generation::AcceptToken(TokenId token, GenerationEvent* event) {
  if (!first_token_at_) first_token_at_ = Clock::now();
  sequence_.tokens.push_back(token);
  sampling_.CountToken(token);
  ++usage_.completion_tokens;

  const bool is_stop_token = IsStopToken(token);
  const bool is_complete = is_stop_token || (matcher_ && matcher_->MustEnd());
  const bool is_last = is_complete || usage_.completion_tokens == completion_tokens_max_;
  if (!is_stop_token) event->text = stop_matcher_.Push(detokenizer_.Push(token));
  if (is_last) {
    event->text += stop_matcher_.Push(detokenizer_.Finish());
    event->text += stop_matcher_.Finish();
  }
  if (stop_matcher_.matched()) event->stop_string = *stop_matcher_.matched();
  if (is_complete || stop_matcher_.matched()) return FinishReason::kStop;
  if (is_last) return FinishReason::kLength;
  return std::nullopt;
}

bool Generation::IsStopToken(TokenId token) const {
  return std::binary_search(stop_token_ids_.begin(), stop_token_ids_.end(), token);
}

void Generation::Cancel() {
  GenerationEvent event;
  event.finish = FinishReason::kCancelled;
  Send(std::move(event));
}

void Generation::Fail(EngineError error) {
  GenerationEvent event;
  event.finish = FinishReason::kError;
  event.error = std::move(error);
  Send(std::move(event));
}

void Generation::Send(GenerationEvent event) {
  const Clock::time_point now = Clock::now();
  const Clock::time_point admitted = admitted_at_.value_or(now);
  const Clock::time_point first_token = first_token_at_.value_or(now);
  usage_.queue_time = admitted - submitted_at_;
  usage_.prefill_time = first_token - admitted;
  usage_.decode_time = now - first_token;
  event.usage = usage_;
  sink_(std::move(event));
}

}  // namespace mimo

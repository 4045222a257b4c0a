#include "engine/sampling_params.h"

#include <cmath>

namespace mimo {
namespace {

constexpr float kTemperatureMax = 100.0F;
constexpr float kRepetitionPenaltyMax = 100.0F;
constexpr float kAdditivePenaltyMax = 2.0F;
constexpr float kLogitBiasMax = 100.0F;

// Written so that NaN is outside of every range.
bool IsWithin(float value, float low, float high) { return value >= low && value <= high; }

Status CheckRange(const char* field, float value, float low, float high) {
  if (IsWithin(value, low, high)) return {};
  return InvalidArgument("'{}' must be between {} and {}, not {}", field, low, high, value);
}

}  // namespace

Status CheckSamplingParams(const SamplingParams& params, uint32_t vocab_size) {
  MIMO_RETURN_IF_ERROR(CheckRange("temperature", params.temperature, 0, kTemperatureMax));
  MIMO_RETURN_IF_ERROR(CheckRange("top_p", params.top_p, 0, 1));
  MIMO_RETURN_IF_ERROR(CheckRange("min_p", params.min_p, 0, 1));
  MIMO_RETURN_IF_ERROR(CheckRange("typical_p", params.typical_p, 0, 1));
  MIMO_RETURN_IF_ERROR(
      CheckRange("presence_penalty", params.presence_penalty, -kAdditivePenaltyMax, kAdditivePenaltyMax));
  MIMO_RETURN_IF_ERROR(
      CheckRange("frequency_penalty", params.frequency_penalty, -kAdditivePenaltyMax, kAdditivePenaltyMax));
  if (!(params.repetition_penalty > 0 && params.repetition_penalty <= kRepetitionPenaltyMax)) {
    return InvalidArgument("'repetition_penalty' must be above 0 and at most {}, not {}",
                           kRepetitionPenaltyMax, params.repetition_penalty);
  }
  for (const auto& [token, bias] : params.logit_bias) {
    if (token >= vocab_size) {
      return InvalidArgument("'logit_bias' names token {}, but the vocabulary ends at {}", token,
                             vocab_size - 1);
    }
    if (!IsWithin(bias, -kLogitBiasMax, kLogitBiasMax)) {
      return InvalidArgument("'logit_bias' of token {} must be between {} and {}, not {}", token,
                             -kLogitBiasMax, kLogitBiasMax, bias);
    }
  }
  for (const TokenId token : params.banned_tokens) {
    if (token >= vocab_size) {
      return InvalidArgument("'banned_tokens' names token {}, but the vocabulary ends at {}", token,
                             vocab_size - 1);
    }
  }
  if (params.logprobs > kLogprobsMax) {
    return InvalidArgument("'logprobs' must be at most {}, not {}", kLogprobsMax, params.logprobs);
  }
  return {};
}

}  // namespace mimo

#pragma once
// The fields of a request that choose tokens, end them and say how urgent they are: the same names in every
// dialect, with the extras that benchmarks and other servers' clients send.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampling_params.h"
#include "server/json_fields.h"
#include "server/model_alias.h"

namespace mimo {

// temperature, top_p, top_k, min_p, typical_p, the penalties, logit_bias, seed; `defaults` where a field
// is absent. Leaves log-probabilities alone: each dialect asks for them differently.
SamplingParams ReadSampling(JsonFields& fields, const RequestDefaults& defaults);

// max_completion_tokens, or its older name max_tokens; 0 for no limit but the context.
uint32_t ReadMaxTokens(JsonFields& fields, std::optional<uint32_t> tokens_default);

// A string or an array of them under `name`: "stop", or Anthropic's "stop_sequences".
std::vector<std::string> ReadStopStrings(JsonFields& fields, const char* name);
// "stop_token_ids"
std::vector<TokenId> ReadStopTokenIds(JsonFields& fields);

// "priority", a field of vLLM's: lower ones go first there, and 0 is the default. As the engine counts it.
int32_t ReadPriority(JsonFields& fields);
// "cache_salt", a field of vLLM's too: the prefix cache is shared only between requests with the same one.
std::string ReadCacheSalt(JsonFields& fields);

}  // namespace mimo

#include "server/sampling_fields.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace mimo {
namespace {

constexpr size_t kStopStringsMax = 64;
constexpr size_t kStopStringBytesMax = 1024;

std::optional<float> Float(JsonFields& fields, const char* name, double min, double max) {
  const std::optional<double> value = fields.Number(name, min, max);
  return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
}

std::vector<std::pair<TokenId, float>> ReadLogitBias(JsonFields& fields) {
  std::vector<std::pair<TokenId, float>> result;
  const Json* object = fields.Object("logit_bias");
  if (object == nullptr) return result;
  for (const auto& [key, value] : object->items()) {
    TokenId token = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || !value.is_number()) {
      fields.Fail("logit_bias", "must map token ids to numbers");
      return result;
    }
    result.emplace_back(token, value.get<float>());
  }
  return result;
}

}  // namespace

SamplingParams ReadSampling(JsonFields& fields, const RequestDefaults& defaults) {
  SamplingParams params;
  params.temperature =
      Float(fields, "temperature", 0, 2).value_or(defaults.temperature.value_or(params.temperature));
  params.top_p = Float(fields, "top_p", 0, 1).value_or(defaults.top_p.value_or(params.top_p));
  params.min_p = Float(fields, "min_p", 0, 1).value_or(defaults.min_p.value_or(params.min_p));
  params.typical_p = Float(fields, "typical_p", 0, 1).value_or(params.typical_p);
  // -1 means all tokens, as in vLLM.
  const int64_t top_k = fields.Integer("top_k", -1, std::numeric_limits<int32_t>::max())
                            .value_or(int64_t{defaults.top_k.value_or(0)});
  params.top_k = static_cast<uint32_t>(std::max<int64_t>(top_k, 0));
  // vLLM's name, then llama.cpp's.
  const auto repeat_penalty = Float(fields, "repeat_penalty", 0, 100);
  params.repetition_penalty =
      Float(fields, "repetition_penalty", 0, 100)
          .value_or(repeat_penalty.value_or(defaults.repetition_penalty.value_or(params.repetition_penalty)));
  params.presence_penalty = Float(fields, "presence_penalty", -2, 2).value_or(0.0F);
  params.frequency_penalty = Float(fields, "frequency_penalty", -2, 2).value_or(0.0F);
  params.logit_bias = ReadLogitBias(fields);
  if (const auto seed =
          fields.Integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max())) {
    params.seed = static_cast<uint64_t>(*seed);
  }
  return params;
}

uint32_t ReadMaxTokens(JsonFields& fields, std::optional<uint32_t> tokens_default) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  // -1 means no limit, as llama.cpp's clients send it.
  const auto new_name = fields.Integer("max_completion_tokens", -1, kMax);
  const auto old_name = fields.Integer("max_tokens", -1, kMax);
  const std::optional<int64_t> tokens = new_name ? new_name : old_name;
  if (!tokens) return tokens_default.value_or(0);
  if (*tokens == 0) fields.Fail(new_name ? "max_completion_tokens" : "max_tokens", "must be at least 1");
  return static_cast<uint32_t>(std::max<int64_t>(*tokens, 0));
}

std::vector<std::string> ReadStopStrings(JsonFields& fields, const char* name) {
  std::vector<std::string> result;
  const Json* stop = fields.Any(name);
  if (stop == nullptr) return result;
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kStopStringsMax)
    fields.Fail(name, fmt::format("has more than {} entries", kStopStringsMax));
  for (const Json& entry : list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty() ||
        entry.get_ref<const std::string&>().size() > kStopStringBytesMax) {
      fields.Fail(
          name, fmt::format("must be a string or an array of strings of 1 to {} bytes", kStopStringBytesMax));
      return {};
    }
    result.push_back(entry.get<std::string>());
  }
  return result;
}

std::vector<TokenId> ReadStopTokenIds(JsonFields& fields) {
  std::vector<TokenId> result;
  const Json* ids = fields.Array("stop_token_ids");
  if (ids == nullptr) return result;
  for (const Json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<TokenId>::max()) {
      fields.Fail("stop_token_ids", "must be an array of token ids");
      return {};
    }
    result.push_back(id.get<TokenId>());
  }
  return result;
}

std::string ReadCacheSalt(JsonFields& fields) {
  std::optional<std::string> salt = fields.String("cache_salt");
  if (salt && salt->empty()) fields.Fail("cache_salt", "must not be empty");
  return std::move(salt).value_or("");
}

int32_t ReadPriority(JsonFields& fields) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  return static_cast<int32_t>(-fields.Integer("priority", -kMax, kMax).value_or(0));
}

}  // namespace mimo

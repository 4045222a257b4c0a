#include "server/model_alias.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "server/json_fields.h"

namespace mimo {
namespace {

std::optional<float> Float(JsonFields& fields, const char* name, double max) {
  const std::optional<double> value = fields.Number(name, 0, max);
  return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
}

std::optional<uint32_t> Count(JsonFields& fields, const char* name) {
  const std::optional<int64_t> value = fields.Integer(name, 1, std::numeric_limits<int32_t>::max());
  return value ? std::optional(static_cast<uint32_t>(*value)) : std::nullopt;
}

// Configuration files write max-tokens or max_tokens, as they like.
Json WithUnderscores(const Json& table) {
  Json result = Json::object();
  for (const auto& [key, value] : table.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '-', '_');
    result[name] = value;
  }
  return result;
}

Result<RequestDefaults> ParseDefaults(const std::string& name, const Json& written) {
  constexpr std::array<std::string_view, 7> kKeys = {"temperature",        "top_p",      "min_p",   "top_k",
                                                     "repetition_penalty", "max_tokens", "thinking"};
  if (!written.is_object()) return InvalidArgument("alias '{}' must be a table of defaults", name);
  const Json table = WithUnderscores(written);
  for (const auto& [key, value] : table.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      return InvalidArgument("alias '{}' has an unknown key '{}'", name, key);
    }
  }
  JsonFields fields(table);
  RequestDefaults defaults = {.temperature = Float(fields, "temperature", 2),
                              .top_p = Float(fields, "top_p", 1),
                              .min_p = Float(fields, "min_p", 1),
                              .top_k = Count(fields, "top_k"),
                              .repetition_penalty = Float(fields, "repetition_penalty", 100),
                              .max_tokens = Count(fields, "max_tokens"),
                              .thinking = fields.Bool("thinking")};
  if (fields.error()) return InvalidArgument("alias '{}': {}", name, fields.error()->message);
  return defaults;
}

}  // namespace

Result<std::vector<ModelAlias>> ParseAliases(const Json& table) {
  std::vector<ModelAlias> aliases;
  if (table.is_null()) return aliases;
  if (!table.is_object()) return InvalidArgument("the aliases must be a table");
  for (const auto& [name, defaults] : table.items()) {
    if (name.empty()) return InvalidArgument("an alias must have a name");
    ModelAlias alias{.name = name};
    MIMO_ASSIGN_OR_RETURN(alias.defaults, ParseDefaults(name, defaults));
    aliases.push_back(std::move(alias));
  }
  std::stable_sort(aliases.begin(), aliases.end(),
                   [](const ModelAlias& a, const ModelAlias& b) { return a.name.size() > b.name.size(); });
  return aliases;
}

RequestDefaults Merge(const RequestDefaults& first, const RequestDefaults& second) {
  const auto either = [](const auto& a, const auto& b) { return a ? a : b; };
  return {.temperature = either(first.temperature, second.temperature),
          .top_p = either(first.top_p, second.top_p),
          .min_p = either(first.min_p, second.min_p),
          .top_k = either(first.top_k, second.top_k),
          .repetition_penalty = either(first.repetition_penalty, second.repetition_penalty),
          .max_tokens = either(first.max_tokens, second.max_tokens),
          .thinking = either(first.thinking, second.thinking)};
}

bool MatchesPattern(std::string_view text, std::string_view pattern) {
  size_t t = 0;
  size_t p = 0;
  // After a star the shortest stretch is tried first; on a mismatch the latest star takes one byte more.
  size_t star = std::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++t;
      ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace mimo

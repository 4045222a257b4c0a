#pragma once
// Further names of the served model, and what a request under such a name means where it says nothing itself.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

// Values for the fields that a request leaves open.
struct RequestDefaults {
  std::optional<float> temperature = {};
  std::optional<float> top_p = {};
  std::optional<float> min_p = {};
  std::optional<uint32_t> top_k = {};
  std::optional<float> repetition_penalty = {};
  std::optional<uint32_t> max_tokens = {};
  std::optional<bool> thinking = {};

  bool operator==(const RequestDefaults&) const = default;
};

// `first` where it has a value, else `second`.
RequestDefaults Merge(const RequestDefaults& first, const RequestDefaults& second);

// A name, or a pattern of names: "claude-*". '*' stands for any text and '?' for one character; the rest is
// compared as model names are, in any case and without a vendor or a "[1m]" suffix.
struct ModelAlias {
  std::string name;
  RequestDefaults defaults = {};

  bool is_pattern() const { return name.find_first_of("*?") != std::string::npos; }
};

// {"claude-*": {"temperature": 0.6, "thinking": true, "max_tokens": 4096, ...}, ...}: names with the defaults
// that they bring, as the configuration file's table [aliases] has them. Longer patterns come first, because
// they say more. kInvalidArgument names the alias and the key.
Result<std::vector<ModelAlias>> ParseAliases(const Json& table);

// Linear in the text times the number of stars.
bool MatchesPattern(std::string_view text, std::string_view pattern);

}  // namespace mimo

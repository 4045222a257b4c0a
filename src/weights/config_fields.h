#pragma once
// Typed access to the keys of a config.json, and the rewriting that brings its spellings together.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "weights/model_config.h"

namespace mimo {

// Inclusive. The bounds keep products of two sizes far from overflow and loops over them short.
struct IntegerRange {
  uint64_t min = 0;
  uint64_t max = 0;
};

// Non-owning view of one configuration. A key whose value is null counts as absent, as in the published
// files. Errors are kInvalidArgument and name the key and the place.
class ConfigFields {
 public:
  // `where` names the source in messages: "config.json". Requires: `json` is an object.
  ConfigFields(const Json& json, std::string_view where) : json_(json), where_(where) {}

  // Null when the key is absent or null.
  const Json* Find(std::string_view key) const;

  // Without a fallback the key is required.
  Result<uint32_t> Integer(std::string_view key, IntegerRange range,
                           std::optional<uint32_t> fallback = std::nullopt) const;
  // A finite number above zero and at most 1e12.
  Result<double> PositiveNumber(std::string_view key, std::optional<double> fallback = std::nullopt) const;
  Result<bool> Bool(std::string_view key, bool fallback) const;
  // Empty when absent.
  Result<std::string> String(std::string_view key) const;
  // One flag per layer from an array of 0 and 1 (or true and false).
  Result<std::vector<bool>> Flags(std::string_view key, uint32_t num_layers) const;
  // A list of ids, or a single one; empty when absent. Ids from `limit` on are dropped: a model whose
  // vocabulary was cut down cannot produce them.
  Result<std::vector<uint32_t>> TokenIds(std::string_view key, uint32_t limit) const;

  std::string_view where() const { return where_; }

 private:
  const Json& json_;
  std::string_view where_;
};

// Brings one configuration into the flat form of the published files: lifts text_config to the top, spreads
// rope_parameters over rope_theta, swa_rope_theta and the rotary factors, turns layer_types into
// hybrid_layer_pattern and mlp_layer_types into moe_layer_freq, then applies the overrides. kUnimplemented
// for a rope scaling; kInvalidArgument for an override of an unknown key.
Result<Json> NormalizeConfig(Json config, const std::vector<ConfigOverride>& overrides,
                             std::string_view where);

// Interprets a normalized configuration. Shared by config.json and by the metadata of GGUF files, which
// gguf_config.h translates to the same keys first.
Result<ModelConfig> InterpretConfig(const Json& config, std::string_view where);

}  // namespace mimo

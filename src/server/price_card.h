#pragma once
// What tokens cost. Counts and prices are integers and so is their product: sums are exact, whatever their
// order, and a bill can be computed again from its counts.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

// As every dialect counts them; each writes them in its own way.
struct TokenCounts {
  uint64_t prompt = 0;      // those taken from the cache included
  uint64_t cached = 0;      // of the prompt
  uint64_t completion = 0;  // reasoning included
  uint64_t reasoning = 0;   // of the completion

  TokenCounts& operator+=(const TokenCounts& other);
  bool operator==(const TokenCounts&) const = default;
};

// Per million tokens, in millionths of the currency's unit: 0.025 yuan is 25,000. One millionth per million
// tokens is 1e-12 of the unit for one token.
struct ModelPrice {
  std::string currency;       // "CNY"; empty: the model has no price
  uint64_t cached_input = 0;  // prompt tokens taken from the cache
  uint64_t input = 0;         // other prompt tokens
  uint64_t output = 0;        // reasoning is output

  bool operator==(const ModelPrice&) const = default;
  auto operator<=>(const ModelPrice&) const = default;  // NOLINT(modernize-use-nullptr)
};

// An amount in 1e-12 of a currency's unit.
class Money {
 public:
  Money() = default;
  Money& operator+=(Money other);
  bool operator==(const Money&) const = default;

  // "12.000000000001": exact, without zeros at the end.
  std::string ToDecimal() const;
  // The nearest double, for JSON: exact to the last digit below about 1,000 units.
  double ToDouble() const;

  // tokens.cached * cached_input + (tokens.prompt - tokens.cached) * input + tokens.completion * output
  static Money CostOf(const TokenCounts& tokens, const ModelPrice& price);

 private:
  unsigned __int128 trillionths_ = 0;
};

// Prices by model name. Immutable, so that any thread may read it.
class PriceCard {
 public:
  // No model has a price.
  PriceCard() = default;

  // The published prices of Xiaomi's platform, in yuan, by the platform's model names: what is used when no
  // other card is configured, so that a session's cost can be compared with the platform's. As of November
  // 2026.
  static PriceCard Published();

  // The configuration's table [prices]:
  //
  //   [prices]
  //   currency = "USD"
  //   [prices.models."mimo-v2-flash"]      # "*" is every other model
  //   cached-input = 0.01                  # per million tokens
  //   input = 0.10
  //   output = 0.30
  //
  // kInvalidArgument names an unknown key, a missing one, or a price that is negative, above 1,000,000 or
  // finer than a millionth.
  static Result<PriceCard> Parse(const Json& table);

  // The price of the first of these names that has one; names compare as ComparableModelName says. `alias`
  // is what the client asked for, `model` what serves it.
  std::optional<ModelPrice> Find(std::string_view alias, std::string_view model) const;

  // As Parse takes it.
  Json ToJson() const;

 private:
  const ModelPrice* FindName(const std::string& name) const;

  std::map<std::string, ModelPrice> prices_;  // by comparable name, or "*"
};

}  // namespace mimo

#include "server/price_card.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "server/model_name.h"

namespace mimo {
namespace {

constexpr double kPriceMax = 1e6;
constexpr uint64_t kMillion = 1'000'000;
constexpr int kMoneyDigits = 12;
constexpr char kEveryOtherModel[] = "*";

struct PublishedPrice {
  const char* model;
  uint64_t cached_input;
  uint64_t input;
  uint64_t output;
};
// Millionths of a yuan per million tokens. Source: the platform's price pages of May 2026 (v2.5) and before
// (v2). Only what is published in yuan stands here.
constexpr std::array kPublishedPrices = {
    PublishedPrice{"mimo-v2-flash", 70'000, 700'000, 2'100'000},
    PublishedPrice{"mimo-v2-omni", 560'000, 2'800'000, 14'000'000},
    PublishedPrice{"mimo-v2-pro", 1'400'000, 7'000'000, 21'000'000},
    PublishedPrice{"mimo-v2.5", 20'000, 1'000'000, 2'000'000},
    PublishedPrice{"mimo-v2.5-pro", 25'000, 3'000'000, 6'000'000},
};

std::string WithDashes(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return key;
}

Result<std::string> ParseCurrency(const Json& value) {
  const bool is_code =
      value.is_string() && value.get_ref<const std::string&>().size() == 3 &&
      std::all_of(value.get_ref<const std::string&>().begin(), value.get_ref<const std::string&>().end(),
                  [](char c) { return c >= 'A' && c <= 'Z'; });
  if (!is_code) return InvalidArgument("'currency' must be a code of three capitals such as \"USD\"");
  return value.get<std::string>();
}

Result<uint64_t> ParsePrice(const Json& value, std::string_view where) {
  if (!value.is_number()) return InvalidArgument("{} must be a number", where);
  const double price = value.get<double>();
  if (!(price >= 0 && price <= kPriceMax))
    return InvalidArgument("{} must be between 0 and {}", where, kPriceMax);
  const double millionths = price * static_cast<double>(kMillion);
  const double rounded = std::round(millionths);
  // A decimal such as 0.07 is no exact double; it is off by less than this.
  if (std::abs(millionths - rounded) > 1e-3) return InvalidArgument("{} is finer than a millionth", where);
  return static_cast<uint64_t>(rounded);
}

Result<ModelPrice> ParseModelPrice(const Json& table, const std::string& name, const std::string& currency) {
  if (!table.is_object()) return InvalidArgument("the price of '{}' must be a table", name);
  ModelPrice price{.currency = currency, .cached_input = 0, .input = 0, .output = 0};
  bool has_input = false;
  bool has_output = false;
  bool has_cached_input = false;
  for (const auto& [key, value] : table.items()) {
    const std::string field = WithDashes(key);
    const std::string where = fmt::format("'{}' of '{}'", key, name);
    if (field == "currency") {
      MIMO_ASSIGN_OR_RETURN(price.currency, ParseCurrency(value));
    } else if (field == "cached-input") {
      MIMO_ASSIGN_OR_RETURN(price.cached_input, ParsePrice(value, where));
      has_cached_input = true;
    } else if (field == "input") {
      MIMO_ASSIGN_OR_RETURN(price.input, ParsePrice(value, where));
      has_input = true;
    } else if (field == "output") {
      MIMO_ASSIGN_OR_RETURN(price.output, ParsePrice(value, where));
      has_output = true;
    } else {
      return InvalidArgument("unknown key {}: a price has cached-input, input, output and currency", where);
    }
  }
  if (!has_input || !has_output) return InvalidArgument("the price of '{}' lacks input or output", name);
  if (!has_cached_input) price.cached_input = price.input;
  if (price.currency.empty()) return InvalidArgument("the price of '{}' has no currency", name);
  return price;
}

}  // namespace

TokenCounts& TokenCounts::operator+=(const TokenCounts& other) {
  prompt += other.prompt;
  cached += other.cached;
  completion += other.completion;
  reasoning += other.reasoning;
  return *this;
}

Money& Money::operator+=(Money other) {
  trillionths_ += other.trillionths_;
  return *this;
}

Money Money::CostOf(const TokenCounts& tokens, const ModelPrice& price) {
  using Wide = unsigned __int128;
  const uint64_t cached = std::min(tokens.cached, tokens.prompt);
  Money cost;
  cost.trillionths_ = Wide{cached} * price.cached_input + Wide{tokens.prompt - cached} * price.input +
                      Wide{tokens.completion} * price.output;
  return cost;
}

std::string Money::ToDecimal() const {
  std::string digits;
  for (unsigned __int128 rest = trillionths_; rest != 0; rest /= 10) {
    digits += static_cast<char>('0' + static_cast<int>(rest % 10));
  }
  while (digits.size() <= kMoneyDigits) digits += '0';
  std::reverse(digits.begin(), digits.end());
  digits.insert(digits.size() - kMoneyDigits, 1, '.');
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

// By way of the decimal: dividing would round twice.
double Money::ToDouble() const { return std::stod(ToDecimal()); }

PriceCard PriceCard::Published() {
  PriceCard card;
  for (const PublishedPrice& entry : kPublishedPrices) {
    card.prices_[entry.model] = {
        .currency = "CNY", .cached_input = entry.cached_input, .input = entry.input, .output = entry.output};
  }
  return card;
}

Result<PriceCard> PriceCard::Parse(const Json& table) {
  if (!table.is_object()) return InvalidArgument("'prices' must be a table");
  std::string currency;
  if (const auto found = table.find("currency"); found != table.end()) {
    MIMO_ASSIGN_OR_RETURN(currency, ParseCurrency(*found));
  }
  PriceCard card;
  for (const auto& [key, value] : table.items()) {
    if (key == "currency") continue;
    if (key != "models") return InvalidArgument("unknown key 'prices.{}'", key);
    if (!value.is_object()) return InvalidArgument("'prices.models' must be a table");
    for (const auto& [name, model] : value.items()) {
      MIMO_ASSIGN_OR_RETURN(card.prices_[ComparableModelName(name)], ParseModelPrice(model, name, currency));
    }
  }
  return card;
}

const ModelPrice* PriceCard::FindName(const std::string& name) const {
  const auto found = prices_.find(name);
  return found == prices_.end() ? nullptr : &found->second;
}

std::optional<ModelPrice> PriceCard::Find(std::string_view alias, std::string_view model) const {
  for (const std::string& name :
       {ComparableModelName(alias), ComparableModelName(model), std::string(kEveryOtherModel)}) {
    if (const ModelPrice* price = FindName(name)) return *price;
  }
  return std::nullopt;
}

Json PriceCard::ToJson() const {
  Json models = Json::object();
  for (const auto& [name, price] : prices_) {
    const auto units = [](uint64_t millionths) { return static_cast<double>(millionths) / 1e6; };
    models[name] = Json{{"currency", price.currency},
                        {"cached-input", units(price.cached_input)},
                        {"input", units(price.input)},
                        {"output", units(price.output)}};
  }
  return Json{{"models", std::move(models)}};
}

}  // namespace mimo

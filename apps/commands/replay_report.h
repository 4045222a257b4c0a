#pragma once
// What `mimo replay` prints: a row for each turn, and sums.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/price_card.h"

namespace mimo {

// One turn, or many summed.
struct ReplayRow {
  uint64_t num_requests = 0;
  TokenCounts counts = {};  // of ours
  uint64_t repeated = 0;    // of the prompt, computed before in this session: what a cache can serve
  uint64_t replayed = 0;    // of the prompt, computed again for the windows of sliding layers
  double first_token_seconds = 0;
  double total_seconds = 0;
  std::optional<TokenCounts> recorded = {};  // what whoever served the session charged for

  ReplayRow& operator+=(const ReplayRow& other);
  uint64_t computed() const { return counts.prompt - counts.cached; }
};

struct ReplayPrice {
  std::string model;  // whose price it is
  std::optional<ModelPrice> price;
};

// The same counts without a cache.
TokenCounts Uncached(TokenCounts counts);
double Share(uint64_t part, uint64_t whole);

Json RowJson(const std::string& id, const ReplayRow& row, const ReplayPrice& price);
std::string HeadText();
std::string RowText(const std::string& id, const ReplayRow& row, const ReplayPrice& price);

// `rows` is the sum of all; `by_price` the sums of the turns of each price.
struct ReplayTotals {
  ReplayRow sum;
  std::vector<std::pair<ReplayPrice, ReplayRow>> by_price;
  uint64_t num_checked = 0;  // turns whose reply was compared with a cold run's
  uint64_t num_different = 0;

  void Add(const ReplayRow& row, const ReplayPrice& price);
};
Json TotalsJson(const ReplayTotals& totals);
std::string TotalsText(const ReplayTotals& totals);

}  // namespace mimo

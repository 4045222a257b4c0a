#include "apps/commands/replay_report.h"

#include <fmt/core.h>

#include <algorithm>

namespace mimo {
namespace {

Json CostJson(const TokenCounts& counts, const ReplayPrice& price) {
  return price.price ? Json(Money::CostOf(counts, *price.price).ToDouble()) : Json(nullptr);
}

Json CountsJson(const TokenCounts& counts, const ReplayPrice& price) {
  return {{"prompt_tokens", counts.prompt},
          {"cached_tokens", counts.cached},
          {"completion_tokens", counts.completion},
          {"cost", CostJson(counts, price)}};
}

}  // namespace

TokenCounts Uncached(TokenCounts counts) {
  counts.cached = 0;
  return counts;
}

double Share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

ReplayRow& ReplayRow::operator+=(const ReplayRow& other) {
  num_requests += other.num_requests;
  counts += other.counts;
  repeated += other.repeated;
  replayed += other.replayed;
  first_token_seconds += other.first_token_seconds;
  total_seconds += other.total_seconds;
  if (other.recorded) {
    if (!recorded) recorded.emplace();
    *recorded += *other.recorded;
  }
  return *this;
}

Json RowJson(const std::string& id, const ReplayRow& row, const ReplayPrice& price) {
  Json json = {{"turn", id},
               {"prompt_tokens", row.counts.prompt},
               {"cached_tokens", row.counts.cached},
               {"computed_tokens", row.computed()},
               {"repeated_tokens", row.repeated},
               {"replayed_tokens", row.replayed},
               {"completion_tokens", row.counts.completion},
               {"first_token_ms", row.first_token_seconds * 1000},
               {"total_ms", row.total_seconds * 1000},
               {"cost", CostJson(row.counts, price)},
               {"currency", price.price ? Json(price.price->currency) : Json(nullptr)}};
  if (row.recorded) json["recorded"] = CountsJson(*row.recorded, price);
  return json;
}

void ReplayTotals::Add(const ReplayRow& row, const ReplayPrice& price) {
  sum += row;
  const auto found = std::find_if(by_price.begin(), by_price.end(), [&](const auto& entry) {
    return entry.first.model == price.model && entry.first.price == price.price;
  });
  if (found == by_price.end()) {
    by_price.emplace_back(price, row);
  } else {
    found->second += row;
  }
}

Json TotalsJson(const ReplayTotals& totals) {
  const ReplayRow& sum = totals.sum;
  Json json = {{"requests", sum.num_requests},
               {"prompt_tokens", sum.counts.prompt},
               {"cached_tokens", sum.counts.cached},
               {"computed_tokens", sum.computed()},
               {"repeated_tokens", sum.repeated},
               {"replayed_tokens", sum.replayed},
               {"completion_tokens", sum.counts.completion},
               {"cached_share_of_prompt", Share(sum.counts.cached, sum.counts.prompt)},
               {"cached_share_of_repeated",
                sum.repeated == 0 ? Json(nullptr) : Json(Share(sum.counts.cached, sum.repeated))},
               {"first_token_seconds", sum.first_token_seconds},
               {"total_seconds", sum.total_seconds}};
  Json prices = Json::array();
  for (const auto& [price, row] : totals.by_price) {
    Json entry = {{"model", price.model},
                  {"currency", price.price ? Json(price.price->currency) : Json(nullptr)},
                  {"cost", CostJson(row.counts, price)},
                  {"cost_without_cache", CostJson(Uncached(row.counts), price)}};
    if (row.recorded) entry["recorded"] = CountsJson(*row.recorded, price);
    prices.push_back(std::move(entry));
  }
  json["prices"] = std::move(prices);
  if (totals.num_checked > 0) {
    json["checked"] = totals.num_checked;
    json["different"] = totals.num_different;
  }
  return json;
}

}  // namespace mimo

#include <fmt/core.h>

#include "apps/commands/replay_report.h"

namespace mimo {
namespace {

// "1.234567 CNY", or a dash where there is no price.
std::string CostText(const TokenCounts& counts, const ReplayPrice& price) {
  if (!price.price) return "-";
  return fmt::format("{:.6f} {}", Money::CostOf(counts, *price.price).ToDouble(), price.price->currency);
}

std::string CountsText(const char* name, const TokenCounts& counts, const ReplayPrice& price) {
  return fmt::format("  {:<24} {:>14} prompt, {:>14} cached ({:5.2f} %), {:>10} completion: {}\n", name,
                     counts.prompt, counts.cached, 100 * Share(counts.cached, counts.prompt),
                     counts.completion, CostText(counts, price));
}

}  // namespace

std::string HeadText() {
  return fmt::format("{:>8} {:>9} {:>9} {:>9} {:>9} {:>11} {:>16}\n", "turn", "prompt", "cached", "computed",
                     "output", "first token", "cost");
}

std::string RowText(const std::string& id, const ReplayRow& row, const ReplayPrice& price) {
  return fmt::format("{:>8} {:>9} {:>9} {:>9} {:>9} {:>8.1f} ms {:>16}\n", id, row.counts.prompt,
                     row.counts.cached, row.computed(), row.counts.completion, row.first_token_seconds * 1000,
                     CostText(row.counts, price));
}

std::string TotalsText(const ReplayTotals& totals) {
  const ReplayRow& sum = totals.sum;
  std::string text =
      fmt::format("{} requests, {} of {} prompt tokens from the cache ({:.2f} %)", sum.num_requests,
                  sum.counts.cached, sum.counts.prompt, 100 * Share(sum.counts.cached, sum.counts.prompt));
  if (sum.repeated > 0) {
    text += fmt::format(", {:.3f} % of the {} that repeat", 100 * Share(sum.counts.cached, sum.repeated),
                        sum.repeated);
  }
  text += "\n";
  if (sum.total_seconds > 0) {
    text += fmt::format(
        "{:.1f} s in all, {:.1f} s up to first tokens; {} prompt tokens computed, {} again for windows\n",
        sum.total_seconds, sum.first_token_seconds, sum.computed(), sum.replayed);
  }
  for (const auto& [price, row] : totals.by_price) {
    text += price.price
                ? fmt::format("At the prices of {}:\n", price.model)
                : fmt::format("'{}' has no price (--price-of NAME takes another model's):\n", price.model);
    if (row.recorded) text += CountsText("as recorded", *row.recorded, price);
    text += CountsText("with this cache", row.counts, price);
    text += CountsText("without a cache", Uncached(row.counts), price);
  }
  if (totals.num_checked > 0) {
    text += fmt::format("{} replies compared with a cold run's, token for token: {} differ\n",
                        totals.num_checked, totals.num_different);
  }
  return text;
}

}  // namespace mimo

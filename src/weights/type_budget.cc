#include "weights/type_budget.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace mimo {
namespace {

double Slope(const TypeOption& from, const TypeOption& to) {
  return (from.error - to.error) / static_cast<double>(to.bytes - from.bytes);
}

// The options on the lower convex hull of error over bytes, smallest first.
std::vector<size_t> Hull(const std::vector<TypeOption>& options) {
  MIMO_CHECK(!options.empty());
  std::vector<size_t> order(options.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (options[a].bytes != options[b].bytes) return options[a].bytes < options[b].bytes;
    return options[a].error < options[b].error;
  });
  std::vector<size_t> hull;
  for (const size_t candidate : order) {
    const TypeOption& next = options[candidate];
    // Another option is as small or smaller, and as good.
    if (!hull.empty() && !(next.error < options[hull.back()].error)) continue;
    if (!hull.empty() && next.bytes == options[hull.back()].bytes) continue;
    while (hull.size() >= 2) {
      const TypeOption& middle = options[hull.back()];
      const TypeOption& before = options[hull[hull.size() - 2]];
      if (Slope(before, middle) > Slope(middle, next)) break;
      hull.pop_back();
    }
    hull.push_back(candidate);
  }
  return hull;
}

struct Step {
  double slope = 0;
  size_t tensor = 0;
  size_t to = 0;  // position on the hull
};

// Gives each tensor in turn the best option that the remaining bytes can pay.
void SpendTheRest(const std::vector<std::vector<TypeOption>>& tensors, uint64_t left,
                  std::vector<size_t>* chosen) {
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    double gain = 0;
    size_t best_tensor = 0;
    size_t best_option = 0;
    for (size_t t = 0; t < tensors.size(); ++t) {
      const TypeOption& current = tensors[t][(*chosen)[t]];
      for (size_t i = 0; i < tensors[t].size(); ++i) {
        const TypeOption& option = tensors[t][i];
        if (option.bytes > current.bytes + left || !(current.error - option.error > gain)) continue;
        gain = current.error - option.error;
        best_tensor = t;
        best_option = i;
        has_changed = true;
      }
    }
    if (!has_changed) return;
    left += tensors[best_tensor][(*chosen)[best_tensor]].bytes;
    left -= tensors[best_tensor][best_option].bytes;
    (*chosen)[best_tensor] = best_option;
  }
}

}  // namespace

std::optional<std::vector<size_t>> FitTypesIntoBudget(const std::vector<std::vector<TypeOption>>& tensors,
                                                      uint64_t bytes_max) {
  std::vector<std::vector<size_t>> hulls;
  std::vector<size_t> position(tensors.size(), 0);
  std::vector<Step> steps;
  uint64_t bytes = 0;
  for (size_t t = 0; t < tensors.size(); ++t) {
    hulls.push_back(Hull(tensors[t]));
    const std::vector<size_t>& hull = hulls.back();
    bytes += tensors[t][hull[0]].bytes;
    for (size_t i = 1; i < hull.size(); ++i) {
      steps.push_back({Slope(tensors[t][hull[i - 1]], tensors[t][hull[i]]), t, i});
    }
  }
  if (bytes > bytes_max) return std::nullopt;
  uint64_t left = bytes_max - bytes;
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.slope > b.slope; });
  for (const Step& step : steps) {
    const std::vector<size_t>& hull = hulls[step.tensor];
    if (position[step.tensor] + 1 != step.to) continue;  // an earlier step of this tensor did not fit
    const uint64_t cost =
        tensors[step.tensor][hull[step.to]].bytes - tensors[step.tensor][hull[step.to - 1]].bytes;
    if (cost > left) continue;
    left -= cost;
    position[step.tensor] = step.to;
  }
  std::vector<size_t> chosen;
  for (size_t t = 0; t < tensors.size(); ++t) chosen.push_back(hulls[t][position[t]]);
  SpendTheRest(tensors, left, &chosen);
  return chosen;
}

}  // namespace mimo

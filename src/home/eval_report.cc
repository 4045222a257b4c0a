#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "home/home_eval.h"

namespace mimo {
namespace {

Json TallyJson(const EvalTally& tally) {
  const AccuracyInterval interval = WilsonInterval(tally);
  return {{"accuracy", tally.accuracy()},
          {"low", interval.low},
          {"high", interval.high},
          {"right", tally.right},
          {"scored", tally.scored}};
}

Json TalliesJson(const std::map<std::string, EvalTally>& tallies) {
  Json json = Json::object();
  for (const auto& [key, tally] : tallies) json[key] = TallyJson(tally);
  return json;
}

std::string TallyLine(const std::string& name, const EvalTally& tally) {
  const AccuracyInterval interval = WilsonInterval(tally);
  return fmt::format("{:<32} {:6.2f} %  [{:6.2f}, {:6.2f}]  {:>6} of {}\n", name, 100 * tally.accuracy(),
                     100 * interval.low, 100 * interval.high, tally.right, tally.scored);
}

std::string TallyLines(const std::string& title, const std::map<std::string, EvalTally>& tallies) {
  std::string lines = "\n" + title + "\n";
  for (const auto& [key, tally] : tallies) lines += TallyLine("  " + key, tally);
  return tallies.empty() ? "" : lines;
}

void Count(EvalTally& tally, bool is_right) {
  ++tally.scored;
  if (is_right) ++tally.right;
}

}  // namespace

double EvalTally::accuracy() const {
  return scored == 0 ? 0 : static_cast<double>(right) / static_cast<double>(scored);
}

AccuracyInterval WilsonInterval(const EvalTally& tally) {
  if (tally.scored == 0) return {};
  constexpr double kZ = 1.959963984540054;  // 97.5 % of a standard normal lie below it
  const auto count = static_cast<double>(tally.scored);
  const double share = tally.accuracy();
  const double center = share + kZ * kZ / (2 * count);
  const double width = kZ * std::sqrt(share * (1 - share) / count + kZ * kZ / (4 * count * count));
  const double scale = 1 + kZ * kZ / count;
  return {std::max(0.0, (center - width) / scale), std::min(1.0, (center + width) / scale)};
}

void EvalReport::Add(const EvalCase& eval_case, const Judgement& judgement) {
  if (judgement.verdict == Verdict::kNotScored) {
    ++not_scored_[judgement.reason];
    return;
  }
  const bool is_right = judgement.verdict == Verdict::kRight;
  if (eval_case.is_robustness) {
    Count(robustness_, is_right);
    return;
  }
  const EvalRecord& record = *eval_case.record;
  Count(total_, is_right);
  Count(by_language_[record.language], is_right);
  Count(by_kind_[record.kind], is_right);
  const auto intent = record.expect.find("intent");
  if (intent != record.expect.end() && intent->is_string()) {
    Count(by_intent_[intent->get<std::string>()], is_right);
  }
}

Json EvalReport::ToJson() const {
  Json json = TallyJson(total_);
  json["by_language"] = TalliesJson(by_language_);
  json["by_kind"] = TalliesJson(by_kind_);
  json["by_intent"] = TalliesJson(by_intent_);
  json["robustness"] = TallyJson(robustness_);
  uint64_t sum = 0;
  Json reasons = Json::object();
  for (const auto& [reason, count] : not_scored_) {
    reasons[reason] = count;
    sum += count;
  }
  json["not_scored"] = sum;
  json["not_scored_reasons"] = std::move(reasons);
  return json;
}

std::string EvalReport::ToText() const {
  std::string text = TallyLine("accuracy", total_);
  if (robustness_.scored > 0) text += TallyLine("robustness (valid calls)", robustness_);
  text += TallyLines("by language", by_language_);
  text += TallyLines("by kind", by_kind_);
  text += TallyLines("by intent", by_intent_);
  if (!not_scored_.empty()) text += "\nnot scored\n";
  for (const auto& [reason, count] : not_scored_) text += fmt::format("  {:>6}  {}\n", count, reason);
  return text;
}

}  // namespace mimo

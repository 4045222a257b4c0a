// The files of an evaluation: docs/formats/home-eval.md.

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <unordered_map>

#include "home/home_eval.h"

namespace mimo {
namespace {

// Calls `take` with the number and the value of each line that is not blank.
template <typename Take>
Status ForEachLine(std::string_view text, std::string_view what, const Take& take) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = fmt::format("{} line {}", what, number);
    const Result<Json> json = ParseJson(line);
    if (!json) return InvalidArgument("{}: {}", where, json.error().message);
    if (!json->is_object()) return InvalidArgument("{}: must be an object", where);
    MIMO_RETURN_IF_ERROR(take(where, *json));
  }
  return {};
}

Json ObjectOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || !found->is_object() ? Json::object() : *found;
}

std::optional<int> Digits(std::string_view text, size_t position, size_t count) {
  if (text.size() < position + count) return std::nullopt;
  int value = 0;
  const char* begin = text.data() + position;
  const auto [end, error] = std::from_chars(begin, begin + count, value);
  if (error != std::errc() || end != begin + count) return std::nullopt;
  return value;
}

// "2025-04-02 08:30+10:00" is 08:30 of that home: its clock is local, so the zone does not matter.
int64_t LocalSeconds(std::string_view text) {
  const std::optional<int> year = Digits(text, 0, 4);
  const std::optional<int> month = Digits(text, 5, 2);
  const std::optional<int> day = Digits(text, 8, 2);
  if (!year || !month || !day) return 0;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return 0;
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86400 + Digits(text, 11, 2).value_or(0) * 3600 + Digits(text, 14, 2).value_or(0) * 60;
}

Result<EvalRecord> ParseRecord(const std::string& where, const Json& json) {
  EvalRecord record;
  for (const auto& [key, field] : std::initializer_list<std::pair<const char*, std::string*>>{
           {"utterance", &record.utterance}, {"language", &record.language}, {"kind", &record.kind}}) {
    *field = StringAt(json, key);
    if (field->empty()) return InvalidArgument("{}: '{}' must be a string that is not empty", where, key);
  }
  const auto expect = json.find("expect");
  if (expect == json.end() || !expect->is_object()) {
    return InvalidArgument("{}: 'expect' must be an object", where);
  }
  record.expect = *expect;
  record.id = StringAt(json, "id");
  record.home_key = StringAt(json, "home");
  record.context = ObjectOf(json, "context");
  record.setup = ObjectOf(json, "setup");
  record.bad_first_call = StringAt(json, "bad_first_call");
  record.error = StringAt(json, "error");
  record.unix_seconds = LocalSeconds(StringAt(json, "context_now"));
  const auto weak = json.find("weak_label");
  record.weak_label = weak != json.end() && weak->is_boolean() && weak->get<bool>();
  return record;
}

// What a listener knows when the sentence is said.
std::string SituationOf(const EvalRecord& record) {
  return DumpJson({FoldName(record.utterance), record.language, record.kind, record.home_key, record.context,
                   record.setup, record.bad_first_call});
}

void CollectAlternatives(std::vector<EvalRecord>& records) {
  std::unordered_map<std::string, std::vector<size_t>> situations;
  for (size_t index = 0; index < records.size(); ++index) {
    situations[SituationOf(records[index])].push_back(index);
  }
  for (const auto& [situation, indexes] : situations) {
    for (const size_t index : indexes) {
      records[index].alternatives.push_back(records[index].expect);
      for (const size_t other : indexes) {
        if (other != index) records[index].alternatives.push_back(records[other].expect);
      }
    }
  }
}

}  // namespace

Result<EvalSet> ParseEvalSet(std::string_view records, std::string_view homes) {
  EvalSet set;
  MIMO_RETURN_IF_ERROR(
      ForEachLine(homes, "homes", [&set](const std::string& where, const Json& json) -> Status {
        const std::string key = StringAt(json, "home");
        if (key.empty()) return InvalidArgument("{}: 'home' must be a string that is not empty", where);
        set.homes[key] = json;
        return {};
      }));
  MIMO_RETURN_IF_ERROR(
      ForEachLine(records, "records", [&set](const std::string& where, const Json& json) -> Status {
        MIMO_ASSIGN_OR_RETURN(EvalRecord record, ParseRecord(where, json));
        if (!record.home_key.empty() && !set.homes.contains(record.home_key)) {
          return NotFound("{}: home '{}' is not in the homes file: give the right one with --homes", where,
                          record.home_key);
        }
        set.records.push_back(std::move(record));
        return {};
      }));
  CollectAlternatives(set.records);
  return set;
}

}  // namespace mimo

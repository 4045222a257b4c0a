#include "server/usage_route.h"

#include <algorithm>
#include <map>

#include "server/api_error.h"

namespace mimo {
namespace {

// Which fields of a row stay apart.
struct Grouping {
  bool by_day = true;
  bool by_key = true;
  bool by_model = true;
};

struct Group {
  UsageCounts counts;
  Money cost;
};
// Amounts of different currencies never add up, so the currency is always a part of the group.
struct GroupKey {
  std::string day;
  std::string key;
  std::string model;
  std::string currency;
  auto operator<=>(const GroupKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

bool IsDay(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-dd";
  return text.size() == kShape.size() &&
         std::equal(text.begin(), text.end(), kShape.begin(),
                    [](char c, char shape) { return shape == 'd' ? c >= '0' && c <= '9' : c == shape; });
}

ApiError WrongParameter(const std::string& name, std::string_view what) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = fmt::format("'{}' {}", name, what),
          .param = name,
          .reason = {}};
}

ApiResult<Grouping> ParseGrouping(const std::optional<std::string>& text) {
  if (!text) return Grouping{};
  Grouping grouping{.by_day = false, .by_key = false, .by_model = false};
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (name == "day") {
      grouping.by_day = true;
    } else if (name == "key") {
      grouping.by_key = true;
    } else if (name == "model") {
      grouping.by_model = true;
    } else {
      return tl::unexpected(WrongParameter("group_by", "must be a list of day, key and model"));
    }
  }
  return grouping;
}

ApiResult<UsageFilter> ParseFilter(const HttpRequest& request, const ApiKey& caller) {
  UsageFilter filter{.key = request.Query("key"),
                     .model = request.Query("model"),
                     .first_day = request.Query("from"),
                     .last_day = request.Query("to")};
  if (filter.first_day && !IsDay(*filter.first_day))
    return tl::unexpected(WrongParameter("from", "must be a day such as 2026-11-30"));
  if (filter.last_day && !IsDay(*filter.last_day))
    return tl::unexpected(WrongParameter("to", "must be a day such as 2026-11-30"));
  if (!caller.is_admin) filter.key = caller.name;
  return filter;
}

std::map<GroupKey, Group> GroupRows(const std::vector<UsageRow>& rows, const Grouping& grouping) {
  std::map<GroupKey, Group> groups;
  for (const UsageRow& row : rows) {
    Group& group = groups[{.day = grouping.by_day ? row.key.day : "",
                           .key = grouping.by_key ? row.key.key : "",
                           .model = grouping.by_model ? row.key.model : "",
                           .currency = row.key.price.currency}];
    group.counts += row.counts;
    group.cost += Money::CostOf(row.counts.tokens, row.key.price);
  }
  return groups;
}

Json UsageCountsJson(const UsageCounts& counts) {
  return Json{{"requests", counts.requests},
              {"prompt_tokens", counts.tokens.prompt},
              {"cached_tokens", counts.tokens.cached},
              {"completion_tokens", counts.tokens.completion},
              {"reasoning_tokens", counts.tokens.reasoning},
              {"total_tokens", counts.tokens.prompt + counts.tokens.completion}};
}

Json GroupJson(const GroupKey& key, const Group& group, const Grouping& grouping) {
  Json result = Json::object();
  if (grouping.by_day) result["day"] = key.day;
  if (grouping.by_key) result["key"] = key.key.empty() ? Json(nullptr) : Json(key.key);
  if (grouping.by_model) result["model"] = key.model;
  const Json counts = UsageCountsJson(group.counts);
  for (const auto& [name, value] : counts.items()) result[name] = value;
  const bool has_price = !key.currency.empty();
  result["cost"] = has_price ? Json(group.cost.ToDouble()) : Json(nullptr);
  result["cost_decimal"] = has_price ? Json(group.cost.ToDecimal()) : Json(nullptr);
  result["currency"] = has_price ? Json(key.currency) : Json(nullptr);
  return result;
}

Json GroupsJson(const std::vector<UsageRow>& rows, const Grouping& grouping) {
  Json list = Json::array();
  for (const auto& [key, group] : GroupRows(rows, grouping)) list.push_back(GroupJson(key, group, grouping));
  return list;
}

}  // namespace

Json UsageByKeyJson(const std::vector<UsageRow>& rows) {
  return GroupsJson(rows, {.by_day = false, .by_key = true, .by_model = false});
}

HttpReply HandleUsage(const HttpRequest& request, const ApiKey& caller, Accounts& accounts) {
  const ApiResult<Grouping> grouping = ParseGrouping(request.Query("group_by"));
  if (!grouping) return ErrorReply(grouping.error());
  const ApiResult<UsageFilter> filter = ParseFilter(request, caller);
  if (!filter) return ErrorReply(filter.error());
  const Result<std::vector<UsageRow>> rows = accounts.usage->Query(*filter);
  if (!rows) return ErrorReply(ToApiError(rows.error()));
  HttpReply reply;
  reply.body =
      DumpJson(Json{{"object", "list"},
                    {"data", GroupsJson(*rows, *grouping)},
                    {"totals", GroupsJson(*rows, {.by_day = false, .by_key = false, .by_model = false})}});
  return reply;
}

}  // namespace mimo

// A record becomes a case: the home as it is when the sentence is said, and what to listen for. Where the
// record has no home, a plausible one is built around the device that is meant.

#include <fmt/format.h>

#include <algorithm>

#include "home/eval_services.h"
#include "home/home_eval.h"
#include "home/home_tools.h"

namespace mimo {
namespace {

constexpr uint32_t kRoundsMax = 4;
constexpr double kDegrees = 70;
constexpr uint32_t kTimerMinutes = 10;
constexpr const char* kItem = "Tofu";

void ReplaceAll(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

// "basement_deebot" or "vacuum.basement_deebot" as a name.
std::string WordsOfId(std::string id) {
  id.erase(0, id.find('.') == std::string::npos ? 0 : id.find('.') + 1);
  std::replace(id.begin(), id.end(), '_', ' ');
  return id;
}

std::string DurationWords(std::string_view language) {
  std::string_view unit = "minutes";
  if (language == "de") unit = "Minuten";
  if (language == "pl") unit = "minut";
  if (language == "es") unit = "minutos";
  return fmt::format("{} {}", kTimerMinutes, unit);
}

size_t AddDevice(Home& home, std::string_view kind, const std::string& name, std::string_view state) {
  HomeDevice device = DeviceOfKind(kind);
  device.name = name;
  device.id = device.domain + "." + FoldName(name);
  std::replace(device.id.begin(), device.id.end(), ' ', '_');
  if (!state.empty()) device.state = state;
  home.devices.push_back(std::move(device));
  return home.devices.size() - 1;
}

std::string_view KindOfService(const std::string& service) {
  return std::string_view(service).substr(0, service.find('.'));
}

void ApplySetup(const Json& setup, Home& home) {
  for (HomeDevice& device : home.devices) {
    const auto change = setup.find(device.id);
    if (change == setup.end() || !change->is_object()) continue;
    const auto state = change->find("state");
    if (state != change->end())
      device.state = state->is_string() ? state->get<std::string>() : DumpJson(*state);
    const auto attributes = change->find("attributes");
    if (attributes == change->end() || !attributes->is_object()) continue;
    for (const auto& [key, value] : attributes->items()) device.attributes[key] = value;
    const auto native = attributes->find("native_value");
    if (native != attributes->end()) device.state = DumpJson(*native);
  }
}

// Records with a home of their own, and sentences that need none (timers, time).
Status MakeGivenCase(const EvalSet& set, EvalCase& eval_case) {
  const EvalRecord& record = *eval_case.record;
  if (record.kind != "intent") eval_case.rounds_max = kRoundsMax;
  std::string area = StringAt(record.context, "area");
  const auto json = set.homes.find(record.home_key);
  if (json != set.homes.end()) {
    Result<Home> home = ParseHome(json->second);
    if (!home) return InvalidArgument("home '{}': {}", record.home_key, home.error().message);
    eval_case.home = *std::move(home);
    eval_case.aliases = NameAliases(json->second, eval_case.home);
    ApplySetup(record.setup, eval_case.home);
  }
  eval_case.speaker_area = eval_case.aliases.Canonical("area", area);
  return {};
}

void ExpectService(EvalCase& eval_case, const std::string& service, const std::string& name) {
  ExpectedService expected{service, std::nullopt};
  if (CallsForService(service).empty()) eval_case.not_scored = "no tool does what " + service + " does";
  if (KindOfService(service) == "timer") {
    expected.arguments["name"] = name;
    if (service == "timer.start") {
      expected.arguments["minutes"] = kTimerMinutes;
    } else {
      HomeTimer timer;
      timer.name = name;
      timer.seconds_total = timer.seconds_left = kTimerMinutes * 60;
      eval_case.home.timers.push_back(std::move(timer));
    }
  } else {
    expected.device_index = AddDevice(eval_case.home, KindOfService(service), name, StateBefore(service));
  }
  if (service == "todo.add_item") expected.arguments["item"] = kItem;
  if (eval_case.record->utterance.find("<temp_f>") != std::string::npos &&
      service == "climate.set_temperature") {
    expected.arguments["temperature"] = kDegrees;
  }
  eval_case.services.push_back(std::move(expected));
}

void FillPlaceholders(EvalCase& eval_case, const std::vector<std::string>& names) {
  std::string& utterance = eval_case.utterance;
  if (!names.empty()) ReplaceAll(utterance, "<device_name>", names.front());
  for (size_t index = 0; index < names.size(); ++index) {
    ReplaceAll(utterance, fmt::format("<device_name{}>", index + 1), names[index]);
  }
  ReplaceAll(utterance, "<todo>", kItem);
  ReplaceAll(utterance, "<temp_f>", fmt::format("{}", kDegrees));
  ReplaceAll(utterance, "<duration>", DurationWords(eval_case.record->language));
}

// Each service's device gets a name of its own, also where two are of one kind.
std::vector<std::string> NamesForServices(const std::vector<std::string>& services) {
  std::vector<std::string> names;
  for (const std::string& service : services) {
    const std::span<const std::string_view> choice =
        PlaceholderNames(DeviceOfKind(KindOfService(service)).domain);
    const auto is_taken = [&names](std::string_view name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    const auto free = std::find_if_not(choice.begin(), choice.end(), is_taken);
    names.emplace_back(free == choice.end() ? choice.front() : *free);
  }
  return names;
}

void MakeServiceTemplateCase(EvalCase& eval_case) {
  std::vector<std::string> services;
  const Json& expect = eval_case.record->expect;
  if (const auto list = expect.find("service"); list != expect.end() && list->is_array()) {
    for (const Json& service : *list) {
      if (service.is_string()) services.push_back(service.get<std::string>());
    }
  }
  if (services.empty()) eval_case.not_scored = "no service is expected";
  const std::vector<std::string> names = NamesForServices(services);
  for (size_t index = 0; index < services.size(); ++index) {
    ExpectService(eval_case, services[index], names[index]);
  }
  FillPlaceholders(eval_case, names);
}

void MakeStatusTemplateCase(EvalCase& eval_case) {
  const std::string kind = StringAt(eval_case.record->expect, "device_type");
  std::string state = StringAt(eval_case.record->expect, "state");
  state.resize(std::min(state.size(), state.find(';')));  // "playing;<media>;<volume>"
  const std::string name(PlaceholderNames(DeviceOfKind(kind).domain).front());
  ExpectedService expected{"status", std::nullopt};
  if (kind == "timer") {
    HomeTimer timer;
    timer.name = name;
    timer.seconds_total = kTimerMinutes * 60;
    timer.seconds_left = timer.seconds_total / 2;
    eval_case.home.timers.push_back(std::move(timer));
  } else {
    expected.device_index = AddDevice(eval_case.home, kind, name, state);
  }
  eval_case.services.push_back(std::move(expected));
  FillPlaceholders(eval_case, {name});
}

void MakeRefusalCase(EvalCase& eval_case) {
  const Json& expect = eval_case.record->expect;
  const std::string service = StringAt(expect, "service");
  eval_case.rounds_max = kRoundsMax;
  FillPlaceholders(eval_case, {StringAt(expect, "friendly_name")});
  if (StringAt(expect, "refuse") == "already_state") {
    std::string state = StringAt(expect, "desired_state");
    if (KindOfService(service) == "climate" && state == "on") state = "heat";
    AddDevice(eval_case.home, KindOfService(service), StringAt(expect, "friendly_name"), state);
    return;
  }
  // Another device of the kind, on which the service would have an effect.
  const HomeDevice kind = DeviceOfKind(KindOfService(service));
  AddDevice(eval_case.home, KindOfService(service), std::string(PlaceholderNames(kind.domain).back()),
            StateBefore(service));
}

// The device's name was wrong in a first call; the home's own answer to it comes before the reply.
void MakeRecoveryCase(EvalCase& eval_case) {
  const EvalRecord& record = *eval_case.record;
  const std::string name = StringAt(record.expect, "friendly_name");
  const std::string service = StringAt(record.expect, "service");
  ExpectService(eval_case, service, name);
  FillPlaceholders(eval_case, {name});
  const std::vector<ServiceCall> calls = CallsForService(service);
  if (calls.empty()) return;
  ToolCall bad{"call_bad", calls.front().tool, calls.front().arguments};
  for (auto& [key, value] : bad.arguments.items()) {
    if (value.is_null()) value = kDegrees;
  }
  bad.arguments["name"] = WordsOfId(record.bad_first_call);
  Home scratch = eval_case.home;
  ChatMessage answer = TextMessage("assistant", "");
  answer.tool_calls.push_back(bad);
  ChatMessage result = TextMessage("tool", ApplyToolCall(scratch, bad, {}).text);
  result.tool_call_id = bad.id;
  eval_case.history = {std::move(answer), std::move(result)};
}

void MakeDeviceActionCase(EvalCase& eval_case) {
  const Json& expect = eval_case.record->expect;
  const std::string area = StringAt(expect, "area");
  const size_t index =
      AddDevice(eval_case.home, StringAt(expect, "device_type"), StringAt(expect, "device"), "");
  if (area.empty()) return;
  eval_case.home.areas.push_back({FoldName(area), area, ""});
  eval_case.home.devices[index].area_id = FoldName(area);
}

}  // namespace

Result<EvalCase> MakeEvalCase(const EvalSet& set, size_t record_index) {
  const EvalRecord& record = set.records[record_index];
  EvalCase eval_case;
  eval_case.record = &record;
  eval_case.utterance = record.utterance;
  eval_case.is_robustness = record.weak_label || record.kind == "device_action";
  const bool is_given = record.kind == "intent" || record.kind == "state_change" || record.kind == "question";
  if (is_given) {
    MIMO_RETURN_IF_ERROR(MakeGivenCase(set, eval_case));
  } else {
    eval_case.home = OrdinaryHome();
    if (record.kind == "service_call") {
      ExpectService(eval_case, StringAt(record.expect, "service"),
                    WordsOfId(StringAt(record.expect, "device")));
    } else if (record.kind == "service_call_template") {
      MakeServiceTemplateCase(eval_case);
    } else if (record.kind == "status_template") {
      MakeStatusTemplateCase(eval_case);
    } else if (record.kind == "refusal") {
      MakeRefusalCase(eval_case);
    } else if (record.kind == "recover_after_failed_call") {
      MakeRecoveryCase(eval_case);
    } else if (record.kind == "device_action") {
      MakeDeviceActionCase(eval_case);
    } else {
      eval_case.not_scored = "unknown kind " + record.kind;
    }
  }
  eval_case.tools = HomeTools(eval_case.home);
  return eval_case;
}

}  // namespace mimo

// Right or wrong, by the rules of docs/formats/home-eval.md.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "home/device_state.h"
#include "home/eval_services.h"
#include "home/home_eval.h"
#include "home/home_tools.h"
#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr std::array<std::string_view, 5> kSelectionSlots = {"name", "area", "floor", "domain",
                                                             "device_class"};
constexpr std::array<std::string_view, 6> kDurationSlots = {"hours",       "minutes",       "seconds",
                                                            "start_hours", "start_minutes", "start_seconds"};
constexpr double kNumberTolerance = 1e-6;

Judgement Right() { return {Verdict::kRight, ""}; }
Judgement Wrong(std::string reason) { return {Verdict::kWrong, std::move(reason)}; }
Judgement NotScored(std::string reason) { return {Verdict::kNotScored, std::move(reason)}; }

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool TakesSlot(std::string_view tool_name, std::string_view slot) {
  const HomeTool* tool = FindHomeTool(tool_name);
  return tool != nullptr && tool->definition.parameters.at("properties").contains(slot);
}

std::optional<double> NumberOf(const Json& value) {
  if (value.is_number()) return value.get<double>();
  return value.is_string() ? ParseNumber(FoldName(value.get_ref<const std::string&>())) : std::nullopt;
}

std::string TextOf(const Json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

std::string TextSlot(const Json& slots, std::string_view key) {
  const auto found = slots.find(key);
  return found == slots.end() || found->is_null() ? "" : TextOf(*found);
}

// A slot that says nothing: empty, the older layout's "all", or a zero in a duration.
bool IsAbsent(std::string_view key, const Json& value) {
  if (value.is_null()) return true;
  if (value.is_string() && FoldName(value.get_ref<const std::string&>()).empty()) return true;
  if (key == "name" && FoldName(TextOf(value)) == "all") return true;
  return IsOneOf(kDurationSlots, key) && NumberOf(value) == 0.0;
}

// Whether the expectation speaks of a sensor for which on means open.
bool ExpectsOpening(const Json& slots) {
  const std::string domain = FoldName(TextSlot(slots, "domain"));
  if (!domain.empty()) return domain == "binary_sensor";
  return IsOpeningClass(FoldName(TextSlot(slots, "device_class")));
}

std::string OpeningState(const std::string& state) {
  const std::string folded = FoldName(state);
  if (folded == "open") return "on";
  return folded == "closed" ? "off" : folded;
}

bool IsSameValue(const NameAliases& aliases, std::string_view key, const Json& expected, const Json& got) {
  const std::optional<double> expected_number = NumberOf(expected);
  const std::optional<double> got_number = NumberOf(got);
  if (expected_number && got_number) return std::abs(*expected_number - *got_number) < kNumberTolerance;
  return aliases.AreSame(key, TextOf(expected), TextOf(got));
}

bool MatchesSlot(const EvalCase& eval_case, const Json& slots, std::string_view key, const Json& got) {
  const Json& expected = *slots.find(key);
  const Json alternatives = expected.is_array() ? expected : Json::array({expected});
  return std::any_of(alternatives.begin(), alternatives.end(), [&](const Json& alternative) {
    if (IsSameValue(eval_case.aliases, key, alternative, got)) return true;
    return key == "state" && ExpectsOpening(slots) &&
           OpeningState(TextOf(alternative)) == OpeningState(TextOf(got));
  });
}

// What a tool's calls can mean, beside what they say: HassLightSet only ever means lights.
std::string ImpliedDomain(std::string_view tool_name) {
  const HomeTool* tool = FindHomeTool(tool_name);
  return tool != nullptr && tool->domains.size() == 1 ? tool->domains.front() : "";
}

// The devices that the slots `keys` of a call select.
template <typename Keep>
std::vector<size_t> SelectBy(const EvalCase& eval_case, const ToolCall& call, const Keep& keep) {
  const auto slot = [&](std::string_view key) {
    const std::string text = keep(key) ? TextSlot(call.arguments, key) : "";
    return text.empty() ? text : eval_case.aliases.Canonical(key, text);
  };
  DeviceSelection selection{slot("name"), slot("area"), slot("floor"), slot("domain"), slot("device_class")};
  if (selection.domain.empty()) selection.domain = ImpliedDomain(call.name);
  return SelectDevices(eval_case.home, selection);
}

// Tools whose name or area is no device's: of a timer, of the room to clean.
bool SelectsDevices(std::string_view tool_name, std::string_view key) {
  if (tool_name == "HassVacuumCleanArea") return key != "area";
  return tool_name.find("Timer") == std::string_view::npos;
}

// Whether the reply may say `key` although it is not expected.
bool IsHarmlessExtra(const EvalCase& eval_case, const Json& slots, const ToolCall& call,
                     std::string_view key) {
  const Json& got = *call.arguments.find(key);
  if (IsAbsent(key, got)) return true;
  const auto from_context = eval_case.record->context.find(key);
  if (from_context != eval_case.record->context.end() &&
      IsSameValue(eval_case.aliases, key, *from_context, got)) {
    return true;
  }
  if (!IsOneOf(kSelectionSlots, key) || !SelectsDevices(call.name, key)) return false;
  const auto is_expected = [&slots](std::string_view each) {
    return slots.contains(each) && !IsAbsent(each, slots[std::string(each)]);
  };
  const std::vector<size_t> expected = SelectBy(eval_case, call, is_expected);
  const std::vector<size_t> with_extra =
      SelectBy(eval_case, call, [&](std::string_view each) { return each == key || is_expected(each); });
  // In a home that lacks the devices, a place or name from nowhere is an error; a kind is not.
  if (expected.empty()) return key == "domain" || key == "device_class";
  return expected == with_extra;
}

// Empty when the call has what is expected, and otherwise what it lacks.
std::string SlotError(const EvalCase& eval_case, const Json& slots, const ToolCall& call) {
  for (const auto& [key, expected] : slots.items()) {
    if (IsAbsent(key, expected) || !TakesSlot(call.name, key)) continue;
    const auto got = call.arguments.find(key);
    if (got == call.arguments.end() || IsAbsent(key, *got)) return "lacks " + key;
    if (!MatchesSlot(eval_case, slots, key, *got)) return "another " + key;
  }
  for (const auto& [key, got] : call.arguments.items()) {
    if (slots.contains(key) && !IsAbsent(key, slots[key])) continue;
    if (!IsHarmlessExtra(eval_case, slots, call, key)) return "a needless " + key;
  }
  return "";
}

bool IsShoppingList(const EvalCase& eval_case, const std::string& name) {
  const std::string folded = FoldName(name);
  for (const std::string_view word : {"shopping", "groceries", "grocery", "购物", "購物"}) {
    if (folded.find(word) != std::string::npos) return true;
  }
  return std::any_of(eval_case.home.devices.begin(), eval_case.home.devices.end(),
                     [&](const HomeDevice& device) {
                       return device.domain == "todo" && device.id.find("shopping") != std::string::npos &&
                              FoldName(device.name) == folded;
                     });
}

// A general list call on the shopping list as the special one.
ToolCall WithShoppingTool(const EvalCase& eval_case, const ToolCall& call, std::string_view intent) {
  const bool corresponds = (intent == "HassShoppingListAddItem" && call.name == "HassListAddItem") ||
                           (intent == "HassShoppingListCompleteItem" && call.name == "HassListCompleteItem");
  if (!corresponds || !IsShoppingList(eval_case, TextSlot(call.arguments, "name"))) return call;
  ToolCall special = call;
  special.name = intent;
  special.arguments.erase("name");
  return special;
}

// One expectation of kind `intent`.
Judgement JudgeIntent(const EvalCase& eval_case, const Json& expect, const EvalReply& reply) {
  const std::string intent = TextSlot(expect, "intent");
  const auto found = expect.find("slots");
  const Json slots = found != expect.end() && found->is_object() ? *found : Json::object();
  if (intent == "HassRespond") {
    if (!reply.calls.empty()) return Wrong("called " + reply.calls.front().name);
    return FoldName(reply.text).empty() ? Wrong("said nothing") : Right();
  }
  if (intent == "HassNevermind" && reply.calls.empty()) return Right();
  const bool is_offered = std::any_of(eval_case.tools.begin(), eval_case.tools.end(),
                                      [&](const ToolDefinition& tool) { return tool.name == intent; });
  if (!is_offered) return NotScored("the home does not offer " + intent);
  if (reply.calls.empty()) return Wrong("no call");
  if (reply.calls.size() > 1) return Wrong("several calls");
  const ToolCall call = WithShoppingTool(eval_case, reply.calls.front(), intent);
  if (call.name != intent) return Wrong("another tool");
  if (!call.arguments.is_object()) return Wrong("the arguments are no object");
  std::string error = SlotError(eval_case, slots, call);
  return error.empty() ? Right() : Wrong(std::move(error));
}

bool HasArgument(const Json& arguments, std::string_view key, const Json& expected) {
  const auto got = arguments.find(key);
  if (got == arguments.end() || IsAbsent(key, *got)) return false;
  if (expected.is_null()) return true;
  // A direction may be said as a number, too.
  if (expected == "up" && NumberOf(*got)) return *NumberOf(*got) > 0;
  if (expected == "down" && NumberOf(*got)) return *NumberOf(*got) < 0;
  return IsSameValue(NameAliases(), key, expected, *got);
}

bool SelectsOnly(const EvalCase& eval_case, const ToolCall& call, size_t device_index) {
  return SelectBy(eval_case, call, [](std::string_view) { return true; }) ==
         std::vector<size_t>{device_index};
}

bool DoesService(const EvalCase& eval_case, const ExpectedService& expected, const ToolCall& call) {
  if (!call.arguments.is_object()) return false;
  if (expected.device_index && !SelectsOnly(eval_case, call, *expected.device_index)) return false;
  if (expected.service == "status") {
    return call.name == (expected.device_index ? "HassGetState" : "HassTimerStatus");
  }
  const std::vector<ServiceCall> options = CallsForService(expected.service);
  return std::any_of(options.begin(), options.end(), [&](const ServiceCall& option) {
    if (option.tool != call.name) return false;
    Json needed = option.arguments;
    needed.update(expected.arguments);
    return std::all_of(needed.items().begin(), needed.items().end(), [&](const auto& argument) {
      return HasArgument(call.arguments, argument.key(), argument.value());
    });
  });
}

// Each service by a call of its own, in any order, and no other call.
Judgement JudgeServices(const EvalCase& eval_case, const EvalReply& reply) {
  if (reply.calls.empty()) return Wrong("no call");
  std::vector<ToolCall> calls = reply.calls;
  for (const ExpectedService& expected : eval_case.services) {
    const auto call = std::find_if(calls.begin(), calls.end(), [&](const ToolCall& each) {
      return DoesService(eval_case, expected, each);
    });
    if (call == calls.end()) return Wrong("no call for " + expected.service);
    calls.erase(call);
  }
  return calls.empty() ? Right() : Wrong("a needless call of " + calls.front().name);
}

bool HasSameDevices(const Home& before, const Home& after) {
  Json one = HomeToJson(before);
  Json other = HomeToJson(after);
  return one["entities"] == other["entities"];
}

bool HasSameStates(const Home& before, const Home& after) {
  return std::equal(before.devices.begin(), before.devices.end(), after.devices.begin(), after.devices.end(),
                    [](const HomeDevice& one, const HomeDevice& other) { return one.state == other.state; });
}

const HomeDevice* FindDevice(const Home& home, const std::string& id) {
  for (const HomeDevice& device : home.devices) {
    if (device.id == id) return &device;
  }
  return nullptr;
}

// The expected part of a device: {"state": "open", "attributes": {"temperature": 22}}.
bool HasExpectedValues(const HomeDevice& device, const Json& expected) {
  const auto state = expected.find("state");
  if (state != expected.end() && !IsInState(device, TextOf(*state))) return false;
  const auto attributes = expected.find("attributes");
  if (attributes == expected.end() || !attributes->is_object()) return true;
  return std::all_of(attributes->items().begin(), attributes->items().end(),
                     [&device](const auto& attribute) {
                       const auto got = device.attributes.find(attribute.key());
                       if (got == device.attributes.end()) return false;
                       return IsSameValue(NameAliases(), attribute.key(), attribute.value(), *got);
                     });
}

std::vector<std::string> ListOf(const Json& object, const std::string& key) {
  std::vector<std::string> list;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return list;
  for (const Json& value : *found) list.push_back(TextOf(value));
  return list;
}

// What differs between two states of a device, but for what is expected or ignored.
bool HasOtherChange(const HomeDevice& before, const HomeDevice& after, const Json& expected,
                    const std::vector<std::string>& ignored) {
  const auto may_change = [&](const std::string& key) {
    const auto attributes = expected.find("attributes");
    const bool is_expected = attributes != expected.end() && attributes->contains(key);
    return is_expected || std::find(ignored.begin(), ignored.end(), key) != ignored.end();
  };
  if (before.state != after.state && !expected.contains("state") && !may_change("state")) return true;
  Json keys = before.attributes;
  keys.update(after.attributes);
  for (const auto& [key, value] : keys.items()) {
    const bool is_same =
        before.attributes.contains(key) == after.attributes.contains(key) &&
        (!before.attributes.contains(key) || before.attributes[key] == after.attributes[key]);
    if (!is_same && !may_change(key)) return true;
  }
  return false;
}

Judgement JudgeStateChange(const EvalCase& eval_case, const Json& expect, const Home& after) {
  const auto changes = expect.find("expect_changes");
  const auto ignore = expect.find("ignore_changes");
  const Json expected = changes != expect.end() && changes->is_object() ? *changes : Json::object();
  const Json ignored = ignore != expect.end() && ignore->is_object() ? *ignore : Json::object();
  for (const auto& [id, values] : expected.items()) {
    const HomeDevice* device = FindDevice(after, id);
    if (device == nullptr) return NotScored("the home has no " + id);
    if (!HasExpectedValues(*device, values)) return Wrong(id + " is not as expected");
  }
  if (eval_case.home.devices.size() != after.devices.size()) return Wrong("a new device");
  for (size_t index = 0; index < after.devices.size(); ++index) {
    const HomeDevice& device = after.devices[index];
    const auto values = expected.find(device.id);
    if (HasOtherChange(eval_case.home.devices[index], device,
                       values == expected.end() ? Json::object() : *values, ListOf(ignored, device.id))) {
      return Wrong(device.id + " has changed");
    }
  }
  return Right();
}

Judgement JudgeQuestion(const Json& expect, const std::string& text) {
  const std::string folded = FoldName(text);
  for (const std::string& expected : ListOf(expect, "expect_response")) {
    if (folded.find(FoldName(expected)) != std::string::npos) return Right();
  }
  return Wrong("the answer has none of the expected words");
}

Judgement JudgeRefusal(const EvalCase& eval_case, const Home& after) {
  if (TextSlot(eval_case.record->expect, "refuse") == "already_state") {
    return HasSameStates(eval_case.home, after) ? Right() : Wrong("a state has changed");
  }
  return HasSameDevices(eval_case.home, after) ? Right() : Wrong("another device has changed");
}

Judgement JudgeExpectation(const EvalCase& eval_case, const Json& expect, const EvalTranscript& transcript) {
  const std::string& kind = eval_case.record->kind;
  if (kind == "intent") return JudgeIntent(eval_case, expect, transcript.replies.front());
  if (kind == "state_change") return JudgeStateChange(eval_case, expect, transcript.home_after);
  if (kind == "question") return JudgeQuestion(expect, transcript.replies.back().text);
  if (kind == "refusal") return JudgeRefusal(eval_case, transcript.home_after);
  return JudgeServices(eval_case, transcript.replies.front());
}

}  // namespace

Judgement Judge(const EvalCase& eval_case, const EvalTranscript& transcript) {
  if (!eval_case.not_scored.empty()) return NotScored(eval_case.not_scored);
  if (transcript.replies.empty()) return Wrong("no reply");
  if (eval_case.is_robustness) {
    const bool has_call = !transcript.replies.front().calls.empty();
    return has_call && transcript.all_calls_ok ? Right() : Wrong(has_call ? "a call failed" : "no call");
  }
  // The other expectations of a service's record are about other devices of the same name; its own counts.
  Judgement first;
  for (const Json& expect : eval_case.record->alternatives) {
    Judgement judgement = JudgeExpectation(eval_case, expect, transcript);
    if (judgement.verdict == Verdict::kRight) return judgement;
    if (&expect == &eval_case.record->alternatives.front()) first = std::move(judgement);
  }
  return first;
}

}  // namespace mimo

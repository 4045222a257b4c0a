// Lists, reminders, the calendar, and what is said to people. A list is a device of domain todo whose
// attribute todo_items holds {"summary", "status"}; a calendar's attribute is events.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr size_t kItemsMax = 1000;
constexpr std::string_view kOpen = "needs_action";
constexpr std::string_view kDone = "completed";

HomeDevice* FindById(Home& home, std::string_view id) {
  const auto found = std::find_if(home.devices.begin(), home.devices.end(),
                                  [id](const HomeDevice& device) { return device.id == id; });
  return found == home.devices.end() ? nullptr : &*found;
}

// The device of that id, made where the home has none.
HomeDevice& FindOrMake(Home& home, const std::string& id, const std::string& name) {
  if (HomeDevice* device = FindById(home, id)) return *device;
  HomeDevice device;
  device.id = id;
  device.name = name;
  device.domain = id.substr(0, id.find('.'));
  device.attributes = Json::object();
  home.devices.push_back(std::move(device));
  return home.devices.back();
}

HomeDevice& ShoppingList(Home& home) {
  for (HomeDevice& device : home.devices) {
    if (device.domain == "todo" && FoldName(device.name + device.id).find("shopping") != std::string::npos) {
      return device;
    }
  }
  return FindOrMake(home, "todo.shopping_list", "Shopping List");
}

// The list that the call names, or the only one.
HomeDevice* NamedList(const SimulatorCall& call) {
  const std::vector<size_t> lists = SelectDevices(call.home, {.name = call.Text("name"), .domain = "todo"});
  if (lists.empty() || (lists.size() > 1 && call.Text("name").empty())) return nullptr;
  return &call.home.devices[lists.front()];
}

Json& Entries(HomeDevice& device, const std::string& key) {
  Json& entries = device.attributes[key];
  if (!entries.is_array()) entries = Json::array();
  return entries;
}

std::string Field(const Json& entry, std::string_view key) {
  const auto found = entry.find(key);
  return entry.is_object() && found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

void CountOpenItems(HomeDevice& list) {
  const Json& items = Entries(list, "todo_items");
  const auto open = std::count_if(items.begin(), items.end(),
                                  [](const Json& item) { return Field(item, "status") != kDone; });
  list.state = std::to_string(open);
}

ToolOutcome AddTo(HomeDevice& list, const std::string& item) {
  if (item.empty()) return Failure("missing argument: item");
  Json& items = Entries(list, "todo_items");
  if (items.size() >= kItemsMax) return Failure("the list is full");
  items.push_back({{"summary", item}, {"status", kOpen}});
  CountOpenItems(list);
  return {.ok = true, .text = fmt::format("added to {}", list.name), .changed = true};
}

enum class ItemChange { kComplete, kRemove };

ToolOutcome ChangeItem(HomeDevice& list, const std::string& item, ItemChange change) {
  if (item.empty()) return Failure("missing argument: item");
  Json& items = Entries(list, "todo_items");
  const auto found = std::find_if(items.begin(), items.end(), [&item](const Json& each) {
    return FoldName(Field(each, "summary")) == FoldName(item);
  });
  if (found == items.end()) return Failure("no such item: " + item);
  const bool changed = change == ItemChange::kRemove || Field(*found, "status") != kDone;
  if (change == ItemChange::kRemove) {
    items.erase(found);
  } else {
    (*found)["status"] = kDone;
  }
  CountOpenItems(list);
  return {.ok = true, .text = "done: " + item, .changed = changed};
}

ToolOutcome ShoppingListAdd(const SimulatorCall& call) {
  if (call.Text("item").empty()) return Failure("missing argument: item");
  return AddTo(ShoppingList(call.home), call.Text("item"));
}

ToolOutcome ShoppingListComplete(const SimulatorCall& call) {
  for (HomeDevice& device : call.home.devices) {
    const bool is_list = device.domain == "todo";
    if (is_list && FoldName(device.name + device.id).find("shopping") != std::string::npos) {
      return ChangeItem(device, call.Text("item"), ItemChange::kComplete);
    }
  }
  return Failure("no such item: " + call.Text("item"));
}

ToolOutcome NoSuchList(const SimulatorCall& call) {
  return Failure(call.Has("name") ? "no such list: " + call.Text("name") : "missing argument: name");
}

ToolOutcome ListAdd(const SimulatorCall& call) {
  HomeDevice* list = NamedList(call);
  return list == nullptr ? NoSuchList(call) : AddTo(*list, call.Text("item"));
}

ToolOutcome ListComplete(const SimulatorCall& call) {
  HomeDevice* list = NamedList(call);
  return list == nullptr ? NoSuchList(call) : ChangeItem(*list, call.Text("item"), ItemChange::kComplete);
}

ToolOutcome ListRemove(const SimulatorCall& call) {
  HomeDevice* list = NamedList(call);
  return list == nullptr ? NoSuchList(call) : ChangeItem(*list, call.Text("item"), ItemChange::kRemove);
}

ToolOutcome AddReminder(const SimulatorCall& call) {
  if (call.Text("text").empty()) return Failure("missing argument: text");
  HomeDevice& reminders = FindOrMake(call.home, "todo.reminders", "Reminders");
  ToolOutcome outcome = AddTo(reminders, call.Text("text"));
  if (outcome.ok && call.Has("time")) Entries(reminders, "todo_items").back()["due"] = call.Text("time");
  if (outcome.ok) outcome.text = "reminder set";
  return outcome;
}

HomeDevice* FindCalendar(Home& home) {
  const auto found = std::find_if(home.devices.begin(), home.devices.end(),
                                  [](const HomeDevice& device) { return device.domain == "calendar"; });
  return found == home.devices.end() ? nullptr : &*found;
}

ToolOutcome AddEvent(const SimulatorCall& call) {
  if (call.Text("summary").empty()) return Failure("missing argument: summary");
  HomeDevice* calendar = FindCalendar(call.home);
  if (calendar == nullptr) calendar = &FindOrMake(call.home, "calendar.home", "Calendar");
  Json& events = Entries(*calendar, "events");
  if (events.size() >= kItemsMax) return Failure("the calendar is full");
  events.push_back({{"summary", call.Text("summary")}, {"start", call.Text("time")}});
  return {.ok = true, .text = fmt::format("added to {}", calendar->name), .changed = true};
}

// All of them: a time is words here, and which event is meant is the model's to say.
ToolOutcome GetEvents(const SimulatorCall& call) {
  std::string text;
  for (HomeDevice& device : call.home.devices) {
    const auto events = device.attributes.find("events");
    if (device.domain != "calendar" || events == device.attributes.end() || !events->is_array()) continue;
    for (const Json& event : *events) {
      if (!text.empty()) text += "; ";
      text += Field(event, "start") + " " + Field(event, "summary");
    }
  }
  return Success(text.empty() ? "no events" : std::move(text));
}

ToolOutcome Broadcast(const SimulatorCall& call) {
  return call.Text("message").empty() ? Failure("missing argument: message") : Success("announced");
}

ToolOutcome SendMessage(const SimulatorCall& call) {
  for (const std::string_view key : {"recipient", "message"}) {
    if (call.Text(key).empty()) return Failure(fmt::format("missing argument: {}", key));
  }
  return Success("sent to " + call.Text("recipient"));
}

ToolOutcome Nevermind(const SimulatorCall&) { return Success("ok"); }

constexpr std::array<SimulatorTool, 11> kListTools = {{
    {"HassShoppingListAddItem", ShoppingListAdd},
    {"HassShoppingListCompleteItem", ShoppingListComplete},
    {"HassListAddItem", ListAdd},
    {"HassListCompleteItem", ListComplete},
    {"HassListRemoveItem", ListRemove},
    {"AddReminder", AddReminder},
    {"CalendarAddEvent", AddEvent},
    {"CalendarGetEvents", GetEvents},
    {"HassBroadcast", Broadcast},
    {"SendMessage", SendMessage},
    {"HassNevermind", Nevermind},
}};

}  // namespace

std::span<const SimulatorTool> ListSimulatorTools() { return kListTools; }

}  // namespace mimo

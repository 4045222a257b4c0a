// Timers stand still here: whoever runs the home's clock counts them down.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr size_t kTimersMax = 100;
constexpr double kSecondsMax = 366.0 * 24 * 3600;

struct TimerKeys {
  std::string_view hours;
  std::string_view minutes;
  std::string_view seconds;
};
constexpr TimerKeys kDuration = {"hours", "minutes", "seconds"};
constexpr TimerKeys kStart = {"start_hours", "start_minutes", "start_seconds"};

// The arguments' sum in seconds; 0 when there is none, empty when it is out of range.
std::optional<uint32_t> Seconds(const SimulatorCall& call, const TimerKeys& keys) {
  const double hours = call.Number(keys.hours).value_or(0);
  const double minutes = call.Number(keys.minutes).value_or(0);
  const double seconds = call.Number(keys.seconds).value_or(0);
  const double sum = hours * 3600 + minutes * 60 + seconds;
  if (std::min({hours, minutes, seconds}) < 0 || sum > kSecondsMax) return std::nullopt;
  return static_cast<uint32_t>(sum);
}

// "1 h 5 min", "30 s".
std::string DurationText(uint32_t seconds) {
  std::string text;
  const auto add = [&text](uint32_t amount, std::string_view unit) {
    if (amount > 0) text += fmt::format("{}{} {}", text.empty() ? "" : " ", amount, unit);
  };
  add(seconds / 3600, "h");
  add(seconds / 60 % 60, "min");
  add(seconds % 60, "s");
  return text.empty() ? "0 s" : text;
}

std::string TimerText(const Home& home, const HomeTimer& timer) {
  std::string text = timer.name.empty() ? DurationText(timer.seconds_total) : timer.name;
  const HomeArea* area = home.FindArea(timer.area_id);
  if (area != nullptr && timer.name.empty()) text += " in " + area->name;
  return text;
}

std::string AreaNameOf(const Home& home, const HomeTimer& timer) {
  const HomeArea* area = home.FindArea(timer.area_id);
  return area == nullptr ? "" : FoldName(area->name);
}

using TimerIndexes = std::vector<size_t>;

// Those that fit every argument given.
TimerIndexes MatchTimers(const SimulatorCall& call, uint32_t start_seconds) {
  const std::string name = FoldName(call.Text("name"));
  const std::string area = FoldName(call.Text("area"));
  TimerIndexes matching;
  for (size_t index = 0; index < call.home.timers.size(); ++index) {
    const HomeTimer& timer = call.home.timers[index];
    if (!name.empty() && FoldName(timer.name) != name) continue;
    if (!area.empty() && AreaNameOf(call.home, timer) != area) continue;
    if (start_seconds > 0 && timer.seconds_total != start_seconds) continue;
    matching.push_back(index);
  }
  return matching;
}

// Where several fit, the speaker's room decides. Empty where none fits or more than one still does.
TimerIndexes PreferNear(const SimulatorCall& call, const TimerIndexes& timers) {
  const std::string here = FoldName(call.context.speaker_area);
  if (timers.size() < 2 || here.empty()) return timers;
  TimerIndexes near;
  for (const size_t index : timers) {
    if (AreaNameOf(call.home, call.home.timers[index]) == here) near.push_back(index);
  }
  return near.empty() ? timers : near;
}

// Changes the one timer that the call means.
template <typename Change>
ToolOutcome WithTimer(const SimulatorCall& call, const Change& change) {
  const std::optional<uint32_t> start = Seconds(call, kStart);
  if (!start) return Failure("the start duration is out of range");
  const TimerIndexes timers = PreferNear(call, MatchTimers(call, *start));
  if (timers.empty()) return Failure("no such timer");
  if (timers.size() > 1) {
    std::string text = "several timers: ";
    for (const size_t index : timers) {
      if (index != timers.front()) text += ", ";
      text += TimerText(call.home, call.home.timers[index]);
    }
    return Failure(std::move(text));
  }
  return change(timers.front());
}

ToolOutcome StartTimer(const SimulatorCall& call) {
  const std::optional<uint32_t> seconds = Seconds(call, kDuration);
  if (!seconds) return Failure("the duration is out of range");
  if (*seconds == 0) return Failure("missing argument: hours, minutes or seconds");
  if (call.home.timers.size() >= kTimersMax) return Failure("too many timers");
  HomeTimer timer;
  timer.name = call.Text("name");
  timer.seconds_total = *seconds;
  timer.seconds_left = *seconds;
  timer.command = call.Text("conversation_command");
  const std::string here = FoldName(call.context.speaker_area);
  for (const HomeArea& area : call.home.areas) {
    if (!here.empty() && FoldName(area.name) == here) timer.area_id = area.id;
  }
  call.home.timers.push_back(std::move(timer));
  return {.ok = true, .text = "started: " + DurationText(*seconds), .changed = true};
}

ToolOutcome AddToTimer(const SimulatorCall& call, int64_t direction) {
  const std::optional<uint32_t> seconds = Seconds(call, kDuration);
  if (!seconds) return Failure("the duration is out of range");
  if (*seconds == 0) return Failure("missing argument: hours, minutes or seconds");
  return WithTimer(call, [&](size_t index) -> ToolOutcome {
    HomeTimer& timer = call.home.timers[index];
    const int64_t left = timer.seconds_left + direction * int64_t{*seconds};
    timer.seconds_left =
        static_cast<uint32_t>(std::clamp<int64_t>(left, 0, static_cast<int64_t>(kSecondsMax)));
    return {.ok = true, .text = DurationText(timer.seconds_left) + " left", .changed = true};
  });
}

ToolOutcome IncreaseTimer(const SimulatorCall& call) { return AddToTimer(call, 1); }
ToolOutcome DecreaseTimer(const SimulatorCall& call) { return AddToTimer(call, -1); }

ToolOutcome CancelTimer(const SimulatorCall& call) {
  return WithTimer(call, [&call](size_t index) -> ToolOutcome {
    const std::string text = "cancelled: " + TimerText(call.home, call.home.timers[index]);
    call.home.timers.erase(call.home.timers.begin() + static_cast<std::ptrdiff_t>(index));
    return {.ok = true, .text = text, .changed = true};
  });
}

ToolOutcome SetPaused(const SimulatorCall& call, bool paused) {
  return WithTimer(call, [&](size_t index) -> ToolOutcome {
    HomeTimer& timer = call.home.timers[index];
    const bool changed = timer.paused != paused;
    timer.paused = paused;
    const std::string_view verb = paused ? "paused" : "running";
    return {.ok = true, .text = fmt::format("{}: {}", verb, TimerText(call.home, timer)), .changed = changed};
  });
}

ToolOutcome PauseTimer(const SimulatorCall& call) { return SetPaused(call, true); }
ToolOutcome UnpauseTimer(const SimulatorCall& call) { return SetPaused(call, false); }

ToolOutcome TimerStatus(const SimulatorCall& call) {
  const std::optional<uint32_t> start = Seconds(call, kStart);
  if (!start) return Failure("the start duration is out of range");
  std::string text;
  for (const size_t index : MatchTimers(call, *start)) {
    const HomeTimer& timer = call.home.timers[index];
    text += fmt::format("{}{}: {} left{}", text.empty() ? "" : "; ", TimerText(call.home, timer),
                        DurationText(timer.seconds_left), timer.paused ? ", paused" : "");
  }
  return Success(text.empty() ? "no timer" : std::move(text));
}

ToolOutcome CancelAllTimers(const SimulatorCall& call) {
  const TimerIndexes timers = MatchTimers(call, 0);
  for (auto index = timers.rbegin(); index != timers.rend(); ++index) {
    call.home.timers.erase(call.home.timers.begin() + static_cast<std::ptrdiff_t>(*index));
  }
  return {.ok = true, .text = fmt::format("cancelled {}", timers.size()), .changed = !timers.empty()};
}

constexpr std::array<SimulatorTool, 8> kTimerTools = {{
    {"HassStartTimer", StartTimer},
    {"HassIncreaseTimer", IncreaseTimer},
    {"HassDecreaseTimer", DecreaseTimer},
    {"HassCancelTimer", CancelTimer},
    {"HassPauseTimer", PauseTimer},
    {"HassUnpauseTimer", UnpauseTimer},
    {"HassTimerStatus", TimerStatus},
    {"HassCancelAllTimers", CancelAllTimers},
}};

}  // namespace

std::span<const SimulatorTool> TimerSimulatorTools() { return kTimerTools; }

}  // namespace mimo

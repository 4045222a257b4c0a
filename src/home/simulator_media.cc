// Players: what plays, and how loud.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr std::array<std::string_view, 1> kPlayerDomain = {"media_player"};
constexpr double kVolumeUnknown = 50;
constexpr double kVolumeStep = 10;

using Wanted = bool (*)(const HomeDevice& device);

bool IsPlaying(const HomeDevice& device) { return device.state == "playing"; }
bool IsActive(const HomeDevice& device) { return device.state != "off" && device.state != "unavailable"; }
bool IsAny(const HomeDevice&) { return true; }

// The players that the call means: where it names none, those in the `wanted` state, if there are any.
std::vector<size_t> SelectPlayers(const SimulatorCall& call, Wanted wanted) {
  const std::vector<size_t> players = SelectNearTargets(call, kPlayerDomain);
  std::vector<size_t> preferred;
  for (const size_t index : players) {
    if (wanted(call.home.devices[index])) preferred.push_back(index);
  }
  return preferred.empty() ? players : preferred;
}

template <typename Change>
ToolOutcome ChangePlayers(const SimulatorCall& call, Wanted wanted, const Change& change) {
  const std::vector<size_t> players = SelectPlayers(call, wanted);
  if (players.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, players, change);
}

ToolOutcome Skip(const SimulatorCall& call, double direction) {
  return ChangePlayers(call, IsPlaying, [direction](HomeDevice& device) {
    const double track = NumberAttribute(device, "media_track").value_or(1);
    return SetAttribute(device, "media_track", NumberJson(std::max(1.0, track + direction)));
  });
}

ToolOutcome Next(const SimulatorCall& call) { return Skip(call, 1); }
ToolOutcome Previous(const SimulatorCall& call) { return Skip(call, -1); }

ToolOutcome Pause(const SimulatorCall& call) {
  return ChangePlayers(call, IsPlaying, [](HomeDevice& device) { return SetState(device, "paused"); });
}

ToolOutcome Unpause(const SimulatorCall& call) {
  const Wanted is_paused = [](const HomeDevice& device) { return device.state == "paused"; };
  return ChangePlayers(call, is_paused, [](HomeDevice& device) { return SetState(device, "playing"); });
}

ToolOutcome SetMuted(const SimulatorCall& call, bool muted) {
  return ChangePlayers(
      call, IsActive, [muted](HomeDevice& device) { return SetAttribute(device, "is_volume_muted", muted); });
}

ToolOutcome Mute(const SimulatorCall& call) { return SetMuted(call, true); }
ToolOutcome Unmute(const SimulatorCall& call) { return SetMuted(call, false); }

ToolOutcome SetVolume(const SimulatorCall& call) {
  const std::optional<double> volume = call.Number("volume_level");
  if (!volume) return Failure("missing argument: volume_level");
  if (*volume < 0 || *volume > 100) return Failure("volume_level must be from 0 to 100");
  return ChangePlayers(call, IsActive, [&volume](HomeDevice& device) {
    return SetAttribute(device, "volume_level", NumberJson(*volume));
  });
}

// Percent; Home Assistant itself counts from 0 to 1.
double VolumeOf(const HomeDevice& device) {
  const double volume = NumberAttribute(device, "volume_level").value_or(kVolumeUnknown);
  return volume > 0 && volume < 1 ? volume * 100 : volume;
}

ToolOutcome SetVolumeRelative(const SimulatorCall& call) {
  const std::string text = FoldName(call.Text("volume_step"));
  std::optional<double> step = ParseNumber(text);
  if (text == "up") step = kVolumeStep;
  if (text == "down") step = -kVolumeStep;
  if (!step) return Failure("volume_step must be \"up\", \"down\" or a number of percent");
  return ChangePlayers(call, IsActive, [&step](HomeDevice& device) {
    const double volume = std::clamp(VolumeOf(device) + *step, 0.0, 100.0);
    return SetAttribute(device, "volume_level", NumberJson(std::round(volume)));
  });
}

ToolOutcome SearchAndPlay(const SimulatorCall& call) {
  const std::string query = call.Text("search_query");
  if (query.empty()) return Failure("missing argument: search_query");
  const std::vector<size_t> players = SelectPlayers(call, IsAny);
  if (players.empty()) return NoSuchDevice(call);
  HomeDevice& player = call.home.devices[players.front()];
  bool changed = SetAttribute(player, "media_title", query);
  if (call.Has("media_class") && SetAttribute(player, "media_class", call.Text("media_class")))
    changed = true;
  if (SetState(player, "playing")) changed = true;
  return {.ok = true, .text = fmt::format("playing {} on {}", query, player.name), .changed = changed};
}

constexpr std::array<SimulatorTool, 9> kMediaTools = {{
    {"HassMediaNext", Next},
    {"HassMediaPrevious", Previous},
    {"HassMediaPause", Pause},
    {"HassMediaUnpause", Unpause},
    {"HassMediaPlayerMute", Mute},
    {"HassMediaPlayerUnmute", Unmute},
    {"HassSetVolume", SetVolume},
    {"HassSetVolumeRelative", SetVolumeRelative},
    {"HassMediaSearchAndPlay", SearchAndPlay},
}};

}  // namespace

std::span<const SimulatorTool> MediaSimulatorTools() { return kMediaTools; }

}  // namespace mimo

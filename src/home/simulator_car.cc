// The car: charging, air conditioning, navigation, and how far it goes.

#include <fmt/format.h>

#include <array>

#include "home/simulator_call.h"

namespace mimo {
namespace {

constexpr std::array<std::string_view, 1> kCarDomain = {"car"};
constexpr double kCabinDegreesMin = 10;
constexpr double kCabinDegreesMax = 95;  // Fahrenheit included

template <typename Change>
ToolOutcome ChangeCar(const SimulatorCall& call, const Change& change) {
  const std::vector<size_t> cars = SelectTargets(call, kCarDomain);
  if (cars.empty()) return NoSuchDevice(call);
  return ChangeTargets(call.home, {cars.front()}, change);
}

ToolOutcome SetCharging(const SimulatorCall& call) {
  const std::optional<bool> charging = call.Flag("charging");
  const std::optional<double> limit = call.Number("limit");
  if (!charging && !limit) return Failure("missing argument: charging or limit");
  if (limit && (*limit < 0 || *limit > 100)) return Failure("limit must be from 0 to 100");
  return ChangeCar(call, [&](HomeDevice& car) {
    const bool is_new = charging && SetAttribute(car, "charging", *charging);
    return (limit && SetAttribute(car, "charge_limit", NumberJson(*limit))) || is_new;
  });
}

ToolOutcome SetClimate(const SimulatorCall& call) {
  const std::optional<bool> on = call.Flag("on");
  const std::optional<double> degrees = call.Number("temperature");
  if (!on && !degrees) return Failure("missing argument: on or temperature");
  if (degrees && (*degrees < kCabinDegreesMin || *degrees > kCabinDegreesMax)) {
    return Failure("temperature is out of range");
  }
  return ChangeCar(call, [&](HomeDevice& car) {
    const bool is_new = SetAttribute(car, "climate", on.value_or(true) ? "on" : "off");
    return (degrees && SetAttribute(car, "temperature", NumberJson(*degrees))) || is_new;
  });
}

ToolOutcome Navigate(const SimulatorCall& call) {
  const std::string destination = call.Text("destination");
  if (destination.empty()) return Failure("missing argument: destination");
  return ChangeCar(call, [&](HomeDevice& car) { return SetAttribute(car, "destination", destination); });
}

ToolOutcome GetStatus(const SimulatorCall& call) {
  const std::vector<size_t> cars = SelectTargets(call, kCarDomain);
  if (cars.empty()) return NoSuchDevice(call);
  const HomeDevice& car = call.home.devices[cars.front()];
  std::string text = car.state.empty() ? "unknown" : car.state;
  const auto add_number = [&](std::string_view key, std::string_view before, std::string_view after) {
    const std::optional<double> value = NumberAttribute(car, key);
    if (value) text += fmt::format(", {} {}{}", before, NumberText(*value), after);
  };
  add_number("battery_level", "battery", "%");
  add_number("range", "range", " km");
  add_number("charge_limit", "charge limit", "%");
  const auto charging = car.attributes.find("charging");
  if (charging != car.attributes.end() && charging->is_boolean() && charging->get<bool>())
    text += ", charging";
  if (TextAttribute(car, "climate") == "on") text += ", climate on";
  const std::string destination = TextAttribute(car, "destination");
  if (!destination.empty()) text += ", to " + destination;
  return Success(std::move(text));
}

constexpr std::array<SimulatorTool, 4> kCarTools = {{
    {"CarSetCharging", SetCharging},
    {"CarSetClimate", SetClimate},
    {"CarNavigate", Navigate},
    {"CarGetStatus", GetStatus},
}};

}  // namespace

std::span<const SimulatorTool> CarSimulatorTools() { return kCarTools; }

}  // namespace mimo

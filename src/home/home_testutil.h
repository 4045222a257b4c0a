#pragma once

#include <gtest/gtest.h>

#include <string>

#include "home/home.h"

namespace mimo {

// A house of two floors that most tests share.
inline Home TestHome() {
  const Result<Json> json = ParseJson(R"({
    "floors": [{"id": "ground", "name": "Ground Floor"}, {"id": "upper", "name": "Upper Floor"}],
    "areas": [{"id": "studio", "name": "Studio", "floor": "ground"},
              {"id": "pantry", "name": "Pantry", "floor": "ground"},
              {"id": "loft", "name": "Loft", "floor": "upper"},
              {"id": "shed", "name": "Shed"}],
    "entities": [
      {"id": "light.easel", "name": "Easel Lamp", "area": "studio", "state": "off"},
      {"id": "light.strip", "name": "Strip", "area": "studio", "state": "on", "attributes": {"brightness": 40}},
      {"id": "light.loft", "name": "Skylight Lamp", "area": "loft", "state": "off"},
      {"id": "cover.loft", "name": "Roller", "device_class": "blind", "area": "loft", "state": "closed",
       "attributes": {"position": 0}},
      {"id": "lock.shed", "name": "Padlock", "area": "shed", "state": "locked"},
      {"id": "climate.studio", "name": "Heater", "area": "studio", "state": "heat",
       "attributes": {"current_temperature": 19.5, "unit_of_measurement": "°C"}},
      {"id": "fan.pantry", "name": "Vent", "area": "pantry", "state": "off"},
      {"id": "media_player.radio", "name": "Radio", "area": "studio", "state": "playing",
       "attributes": {"volume_level": 30}},
      {"id": "binary_sensor.hatch", "name": "Hatch", "device_class": "opening", "area": "loft", "state": "on"},
      {"id": "sensor.shed", "name": "Shed Thermometer", "device_class": "temperature", "area": "shed",
       "state": "4.5", "attributes": {"unit_of_measurement": "°C"}},
      {"id": "vacuum.dusty", "name": "Dusty", "state": "docked"},
      {"id": "lawn_mower.clip", "name": "Clip", "state": "docked"},
      {"id": "todo.errands", "name": "Errands", "state": "0"},
      {"id": "weather.here", "name": "Hilltop", "state": "rainy",
       "attributes": {"temperature": 12, "temperature_unit": "°C"}},
      {"id": "person.noor", "name": "Noor", "state": "not_home"},
      {"id": "car.van", "name": "Van", "state": "parked", "attributes": {"battery_level": 61, "range": 240}},
      {"id": "scene.focus", "name": "Focus", "state": ""}
    ]})");
  EXPECT_TRUE(json.has_value());
  Result<Home> home = ParseHome(*json);
  EXPECT_TRUE(home.has_value());
  return home ? *std::move(home) : Home();
}

inline const HomeDevice& DeviceById(const Home& home, const std::string& id) {
  for (const HomeDevice& device : home.devices) {
    if (device.id == id) return device;
  }
  ADD_FAILURE() << "no device " << id;
  return home.devices.front();
}

}  // namespace mimo

#pragma once
// Services of Home Assistant and of home-llm's sentences, in terms of our tools.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "home/home.h"

namespace mimo {

// One call that does what a service does. Arguments beside the device: a key with a null value may have any.
struct ServiceCall {
  std::string tool;
  Json arguments;
};

// Any of them is right; empty where no tool expresses the service (toggling, stopping half-way).
std::vector<ServiceCall> CallsForService(std::string_view service);

// A state in which the service has something to do; empty where any is.
std::string_view StateBefore(std::string_view service);

// The kind of device that a service's domain or a type of the sentences means: "blinds" is a cover of class
// blind, "light-dimmable" a light. The state is that of a device of the kind that is not at work. Name and id
// are empty.
HomeDevice DeviceOfKind(std::string_view kind);

// A few devices of common kinds, in rooms, that no sentence should mean by accident.
Home OrdinaryHome();

// How devices that a template leaves open are called, by the domain of DeviceOfKind; never empty.
std::span<const std::string_view> PlaceholderNames(std::string_view domain);

}  // namespace mimo

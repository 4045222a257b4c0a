#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "home/home.h"
#include "text/chat_message.h"

namespace mimo {

// One tool of the catalogue (assets/home_tools.json, compiled in).
struct HomeTool {
  ToolDefinition definition;
  std::vector<std::string> domains;  // offered where the home has a device of one of these; empty: always
};

// The whole catalogue, in its file's order.
std::span<const HomeTool> HomeToolCatalogue();
// nullptr where it has none of that name.
const HomeTool* FindHomeTool(std::string_view name);

// What a client of this home offers: the tools whose domains occur in it. A home without any device gets all.
std::vector<ToolDefinition> HomeTools(const Home& home);

// The first message: the rooms and devices, without their states (those change, and a prefix that changes
// cannot be cached), and where the speaker is. One line per room:
//
//   Living Room (First Floor): light Ceiling, Floor Lamp; cover curtain Left Curtain; climate Thermostat
//   no room: lock Front Door; person Ada
//   The speaker is in the Living Room.
//
// `speaker_area` is a name; empty when it is not known.
std::string HomeSystemPrompt(const Home& home, const std::string& speaker_area);

}  // namespace mimo

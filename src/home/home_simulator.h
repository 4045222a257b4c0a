#pragma once

#include <string>

#include "home/home.h"
#include "text/chat_message.h"

namespace mimo {

struct ToolOutcome {
  bool ok = false;
  std::string text;  // what the tool answers, short: "done: Ceiling, Floor Lamp", "no such device", "21.5
                     // °C", "open: Window"
  bool changed = false;
};

// Where and when a call is made.
struct CallContext {
  std::string speaker_area;  // a name; fills in for a missing place where a tool needs one
  int64_t unix_seconds = 0;  // the home's clock, local
};

// Does in the simulated home what the call asks for. A call that names no tool of the catalogue, a missing or
// ill-typed argument, or a selection without devices gives ok = false and a text that says so; the home is
// unchanged then.
ToolOutcome ApplyToolCall(Home& home, const ToolCall& call, const CallContext& context);

}  // namespace mimo

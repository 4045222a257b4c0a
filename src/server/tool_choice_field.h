#pragma once
// OpenAI's tool_choice, as chat completions and Responses write it.

#include "server/json_fields.h"
#include "server/reply_shape.h"

namespace mimo {

// null, "none", "auto", "required"; {"type": "function", "function": {"name"}} or, flat, {"type": "function",
// "name"}; {"type": "allowed_tools", "allowed_tools": {"mode", "tools"}} or flat; {"type": "custom", ...} and
// hosted types by name. Sets `tool_use` and `allowed_tools`. A choice that forces a hosted tool is refused,
// because no other answer would be what was asked for.
void ReadToolChoice(JsonFields& fields, ReplyShape* shape);

}  // namespace mimo

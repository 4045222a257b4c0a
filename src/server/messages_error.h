#pragma once
// Errors as Anthropic's clients read them.

#include <string_view>

#include "server/api_error.h"

namespace mimo {

// {"type": "error", "error": {"type", "message"}, "request_id"}
Json MessagesErrorJson(const ApiError& error, std::string_view request_id);
// What lacks here is a 400, not a 501, which Anthropic does not know and its clients would repeat; a full
// queue and a server that is loading or ending are a 529.
HttpReply MessagesErrorReply(const ApiError& error, std::string_view request_id);
// For what is refused before a handler runs; a 503 becomes a 529.
HttpReply MessagesErrorReply(int status, std::string_view message, std::string_view request_id);

}  // namespace mimo

#pragma once
// `tools` of OpenAI's Responses API.

#include "server/responses_conversation.h"

namespace mimo {

// Adds the functions, the custom tools and those of namespaces; hosted tools (web search and the like), which
// agents offer to every server, are skipped with a line in the log.
Status ReadResponsesTools(const Json& body, ResponsesConversation* conversation);

// "namespace.name", or the name alone.
std::string FlatToolName(const std::string& name_space, const std::string& name);

}  // namespace mimo

#include "server/route_table.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr std::array kRoutes = {
    RouteEntry{"/", "GET", ApiRoute::kPage, RouteAccess::kOpen},
    RouteEntry{"/health", "GET", ApiRoute::kHealth, RouteAccess::kOpen},
    RouteEntry{"/status", "GET", ApiRoute::kStatus, RouteAccess::kKey},
    RouteEntry{"/metrics", "GET", ApiRoute::kMetrics, RouteAccess::kMetrics},
    RouteEntry{"/openapi.json", "GET", ApiRoute::kOpenApi, RouteAccess::kKey},
    RouteEntry{"/usage", "GET", ApiRoute::kUsage, RouteAccess::kKey},
    RouteEntry{"/home", "GET", ApiRoute::kDemoHome, RouteAccess::kKey},
    RouteEntry{"/home/prompt", "POST", ApiRoute::kHomePrompt, RouteAccess::kKey},
    RouteEntry{"/home/call", "POST", ApiRoute::kHomeCall, RouteAccess::kKey},
    RouteEntry{"/models", "GET", ApiRoute::kModels, RouteAccess::kKey},
    RouteEntry{"/chat/completions", "POST", ApiRoute::kChatCompletions, RouteAccess::kGenerate},
    RouteEntry{"/tokenize", "POST", ApiRoute::kTokenize, RouteAccess::kKey},
    RouteEntry{"/detokenize", "POST", ApiRoute::kDetokenize, RouteAccess::kKey},
    RouteEntry{"/completions", "POST", ApiRoute::kCompletions, RouteAccess::kGenerate},
    RouteEntry{"/responses", "POST", ApiRoute::kResponses, RouteAccess::kGenerate},
    RouteEntry{"/responses/input_tokens", "POST", ApiRoute::kResponsesInputTokens, RouteAccess::kKey},
    RouteEntry{"/responses/", "GET, DELETE, POST", ApiRoute::kStoredResponse, RouteAccess::kKey},
    RouteEntry{"/embeddings", "POST", ApiRoute::kEmbeddings, RouteAccess::kKey},
    RouteEntry{"/messages", "POST", ApiRoute::kMessages, RouteAccess::kGenerate, Dialect::kAnthropic},
    RouteEntry{"/messages/count_tokens", "POST", ApiRoute::kCountTokens, RouteAccess::kKey,
               Dialect::kAnthropic},
};

}  // namespace

std::span<const RouteEntry> RouteTable() { return kRoutes; }

std::string_view PlainPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  for (const std::string_view prefix : {"/anthropic", "/v1"}) {
    if (path == prefix) return "/";
    if (path.starts_with(prefix) && path[prefix.size()] == '/') path.remove_prefix(prefix.size());
  }
  return path;
}

bool TakesMethod(const RouteEntry& entry, std::string_view method) {
  for (std::string_view rest = entry.method; !rest.empty();) {
    const size_t end = std::min(rest.find(", "), rest.size());
    if (rest.substr(0, end) == method) return true;
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  return false;
}

const RouteEntry* FindRoute(std::string_view plain_path) {
  // The files of the page belong to "/", "/models/some/name" belongs to "/models", "/responses/some_id" to
  // "/responses/".
  if (plain_path.starts_with("/page/")) plain_path = "/";
  if (plain_path.starts_with("/models/")) plain_path = "/models";
  if (plain_path.starts_with(kResponsesPrefix) && plain_path != "/responses/input_tokens")
    plain_path = kResponsesPrefix;
  for (const RouteEntry& entry : kRoutes) {
    if (entry.path == plain_path) return &entry;
  }
  return nullptr;
}

}  // namespace mimo

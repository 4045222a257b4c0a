#pragma once
// Every path the server answers. /openapi.json describes the same ones, and a test compares the two.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "server/refusal.h"

namespace mimo {

enum class ApiRoute : uint8_t {
  kPage,
  kHealth,
  kStatus,
  kDemoHome,
  kHomePrompt,
  kHomeCall,
  kModels,
  kChatCompletions,
  kMessages,
  kCountTokens,
  kResponses,
  kResponsesInputTokens,
  kStoredResponse,
  kCompletions,
  kEmbeddings,
  kTokenize,
  kDetokenize,
  kUsage,
  kMetrics,
  kOpenApi,
  kNotImplemented,  // known to clients, not part of this server yet
};

enum class RouteAccess : uint8_t {
  kOpen,      // without a key
  kKey,       // with any key
  kMetrics,   // with any key, or without one where the configuration says so
  kGenerate,  // with any key, counted against its limits
};

struct RouteEntry {
  std::string_view path;    // without /v1 or /anthropic before it
  std::string_view method;  // or several, "GET, DELETE"
  ApiRoute route;
  RouteAccess access;
  Dialect dialect = Dialect::kOpenAi;
};

constexpr std::string_view kResponsesPrefix = "/responses/";

std::span<const RouteEntry> RouteTable();

// `path` as the table has it: clients differ in whether their base address holds /v1 or /anthropic, and in a
// slash at the end.
std::string_view PlainPath(std::string_view path);

// Whether `method` is one of the entry's.
bool TakesMethod(const RouteEntry& entry, std::string_view method);

// Null when no such path exists. `plain_path` is a PlainPath.
const RouteEntry* FindRoute(std::string_view plain_path);

}  // namespace mimo

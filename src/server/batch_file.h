#pragma once
// OpenAI's batch files: requests in, results out, a JSON object a line.
//
//   {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {...}}
//   {"id": "batch_req_...", "custom_id": "a", "response": {"status_code", "request_id", "body"}, "error":
//   null}
//
// A request that its endpoint refuses has the refusal as its response. A line that is no request has an error
// {"code", "message", "param", "line"} in place of a response, and no custom_id where it has none of its own.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "server/api_error.h"
#include "server/http_server.h"
#include "server/route_table.h"

namespace mimo {

// A line of the input that is not blank. Non-owning.
struct BatchLine {
  uint64_t number = 0;  // from 1
  std::string_view text;
  std::optional<std::string> custom_id;  // nothing where the line has none that can be used
};

// The lines in their order. kInvalidArgument when two of them have the same custom_id: nobody could tell
// their results apart. `text` must outlive the result.
Result<std::vector<BatchLine>> ParseBatchFile(std::string_view text);

struct BatchRequest {
  ApiRoute route = ApiRoute::kChatCompletions;  // one that generates
  std::string path;
  std::string body;  // a JSON object
};

// The error's `reason` is the result's `code`.
ApiResult<BatchRequest> ParseBatchRequest(const BatchLine& line);

// The result of a line, as one line with its end. `reply` is a whole one with a JSON body.
std::string BatchResultLine(const BatchLine& line, const std::string& request_id, const HttpReply& reply);
std::string BatchResultLine(const BatchLine& line, const ApiError& error);

// Which line a result belongs to.
struct BatchResultKey {
  std::optional<std::string> custom_id;
  uint64_t line_number = 0;  // where there is no custom_id
};
// kDataLoss: `text` is no result.
Result<BatchResultKey> ParseBatchResult(std::string_view text);

}  // namespace mimo

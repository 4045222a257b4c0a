#pragma once
// Errors as OpenAI's clients read them, and the one table from our error codes to HTTP.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/json.h"
#include "base/status.h"
#include "engine/engine_error.h"
#include "server/http_server.h"

namespace mimo {

// An Error with what the wire adds to it.
struct ApiError {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  std::string param;   // the field of the request at fault; empty: null on the wire
  std::string reason;  // the wire's `code`, such as "model_not_found"; empty: null on the wire
  std::chrono::seconds retry_after{1};   // sent where trying again helps
  std::optional<std::string> type = {};  // the wire's `type`, where it is not the table's
};

template <typename T>
class [[nodiscard]] ApiResult : public tl::expected<T, ApiError> {
 public:
  using tl::expected<T, ApiError>::expected;
};

// `error` of a lower layer. Messages of internal errors are logged, not sent: they name files and addresses.
ApiError ToApiError(const Error& error);
// The same with what the engine's errors know: a request that does not fit gets OpenAI's words and the code
// "context_length_exceeded", one that came at a bad time gets its retry-after.
ApiError ToApiError(const EngineError& error);
ApiError ContextOverflowError(const ContextOverflow& overflow);

int HttpStatusOf(ErrorCode code);

// {"error": {"message", "type", "param", "code"}}
Json ErrorJson(const ApiError& error);
// With retry-after where trying again helps, and x-should-retry: false where SDKs would retry in vain.
HttpReply ErrorReply(const ApiError& error);
// Messages that begin with 'name' name the field at fault: it becomes `param`.
ApiError WithParamFromMessage(ApiError error);

// For HTTP's own failures, which have no code of ours.
HttpReply ErrorReply(int status, std::string_view message);

}  // namespace mimo

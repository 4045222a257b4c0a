#include "server/api_error.h"

#include <array>
#include <utility>
#include <variant>

#include "base/log.h"

namespace mimo {
namespace {

struct WireError {
  ErrorCode code;
  int status;
  std::string_view type;
};

constexpr std::array<WireError, 9> kWireErrors = {{
    {ErrorCode::kInvalidArgument, 400, "invalid_request_error"},
    {ErrorCode::kNotFound, 404, "invalid_request_error"},
    {ErrorCode::kResourceExhausted, 429, "rate_limit_error"},
    {ErrorCode::kDeadlineExceeded, 504, "timeout_error"},
    {ErrorCode::kCancelled, 503, "server_error"},  // by us: a client that cancels gets no reply
    {ErrorCode::kDataLoss, 500, "server_error"},
    {ErrorCode::kUnavailable, 503, "server_error"},
    {ErrorCode::kUnimplemented, 501, "not_implemented_error"},
    {ErrorCode::kInternal, 500, "server_error"},
}};

const WireError& WireErrorOf(ErrorCode code) {
  for (const WireError& entry : kWireErrors) {
    if (entry.code == code) return entry;
  }
  return kWireErrors.back();
}

Json NullIfEmpty(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json MakeErrorJson(std::string_view type, const ApiError& error) {
  return Json{{"error",
               {{"message", error.message},
                {"type", type},
                {"param", NullIfEmpty(error.param)},
                {"code", NullIfEmpty(error.reason)}}}};
}

}  // namespace

ApiError ToApiError(const Error& error) {
  if (error.code == ErrorCode::kInternal || error.code == ErrorCode::kDataLoss) {
    LogLine(LogLevel::kError, error.message);
    return {
        .code = error.code, .message = "the server failed to process the request", .param = {}, .reason = {}};
  }
  ApiError result{.code = error.code, .message = error.message, .param = {}, .reason = {}};
  if (error.code == ErrorCode::kResourceExhausted) result.reason = "rate_limit_exceeded";
  return result;
}

ApiError WithParamFromMessage(ApiError error) {
  if (error.param.empty() && error.message.starts_with('\'')) {
    const size_t end = error.message.find('\'', 1);
    if (end != std::string::npos) error.param = error.message.substr(1, end - 1);
  }
  return error;
}

// Clients look for the code, and some for the first sentence, to know that they should shorten the
// conversation.
ApiError ContextOverflowError(const ContextOverflow& overflow) {
  std::string message =
      fmt::format("This model's maximum context length is {} tokens. However, ", overflow.context_max);
  if (overflow.max_tokens == 0) {
    message += fmt::format("your messages resulted in {} tokens. Please reduce the length of the messages.",
                           overflow.prompt_tokens);
  } else {
    message += fmt::format(
        "you requested {} tokens ({} in the messages, {} in the completion). Please reduce the length of the "
        "messages or completion.",
        uint64_t{overflow.prompt_tokens} + overflow.max_tokens, overflow.prompt_tokens, overflow.max_tokens);
  }
  return {.code = ErrorCode::kInvalidArgument,
          .message = std::move(message),
          .param = "messages",
          .reason = "context_length_exceeded"};
}

ApiError ToApiError(const EngineError& error) {
  if (const auto* overflow = std::get_if<ContextOverflow>(&error.detail))
    return ContextOverflowError(*overflow);
  ApiError result = ToApiError(static_cast<const Error&>(error));
  if (const auto* later = std::get_if<TryLater>(&error.detail)) result.retry_after = later->after;
  return result;
}

int HttpStatusOf(ErrorCode code) { return WireErrorOf(code).status; }

Json ErrorJson(const ApiError& error) {
  const std::string_view type = WireErrorOf(error.code).type;
  return MakeErrorJson(error.type ? std::string_view(*error.type) : type, error);
}

HttpReply ErrorReply(const ApiError& error) {
  HttpReply reply;
  reply.status = HttpStatusOf(error.code);
  reply.body = DumpJson(ErrorJson(error));
  if (reply.status == 429 || reply.status == 503) {
    reply.headers.emplace_back("retry-after", std::to_string(error.retry_after.count()));
  }
  if (reply.status == 501) reply.headers.emplace_back("x-should-retry", "false");
  return reply;
}

HttpReply ErrorReply(int status, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = DumpJson(MakeErrorJson(
      status >= 500 ? "server_error" : "invalid_request_error",
      {.code = ErrorCode::kInvalidArgument, .message = std::string(message), .param = {}, .reason = {}}));
  if (status == 503) reply.headers.emplace_back("retry-after", "1");
  if (status == 501) reply.headers.emplace_back("x-should-retry", "false");
  return reply;
}

}  // namespace mimo

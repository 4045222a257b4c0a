#include "server/messages_error.h"

#include <array>
#include <chrono>
#include <string>

namespace mimo {
namespace {

constexpr int kOverloaded = 529;

struct StatusType {
  int status;
  std::string_view type;
};
constexpr std::array kStatusTypes = {
    StatusType{400, "invalid_request_error"},   StatusType{401, "authentication_error"},
    StatusType{402, "billing_error"},           StatusType{403, "permission_error"},
    StatusType{404, "not_found_error"},         StatusType{413, "request_too_large"},
    StatusType{429, "rate_limit_error"},        StatusType{504, "timeout_error"},
    StatusType{kOverloaded, "overloaded_error"}};

std::string_view TypeOfStatus(int status) {
  for (const StatusType& entry : kStatusTypes) {
    if (entry.status == status) return entry.type;
  }
  return status >= 500 ? "api_error" : "invalid_request_error";
}

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnimplemented:
      return 400;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
      return kOverloaded;
    default:
      return HttpStatusOf(code);
  }
}

Json MakeErrorJson(int status, std::string_view message, std::string_view request_id) {
  return Json{{"type", "error"},
              {"error", {{"type", TypeOfStatus(status)}, {"message", message}}},
              {"request_id", request_id}};
}

HttpReply MakeReply(int status, std::string_view message, std::string_view request_id,
                    std::chrono::seconds retry_after) {
  HttpReply reply;
  reply.status = status;
  reply.body = DumpJson(MakeErrorJson(status, message, request_id));
  if (status == 429 || status == kOverloaded) {
    reply.headers.emplace_back("retry-after", std::to_string(retry_after.count()));
  }
  return reply;
}

}  // namespace

Json MessagesErrorJson(const ApiError& error, std::string_view request_id) {
  return MakeErrorJson(StatusOf(error.code), error.message, request_id);
}

HttpReply MessagesErrorReply(const ApiError& error, std::string_view request_id) {
  return MakeReply(StatusOf(error.code), error.message, request_id, error.retry_after);
}

HttpReply MessagesErrorReply(int status, std::string_view message, std::string_view request_id) {
  return MakeReply(status == 503 ? kOverloaded : status, message, request_id, std::chrono::seconds(1));
}

}  // namespace mimo

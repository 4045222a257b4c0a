#pragma once
// Typed reads from a request's JSON object. Absent and null are the same; a wrong type or range is remembered
// with the field's name, and the first one found is the answer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"

namespace mimo {

class JsonFields {
 public:
  // Non-owning: `object` must outlive this and be an object. `prefix` stands before names in messages
  // ("stream_options.").
  explicit JsonFields(const Json& object, std::string_view prefix = "") : object_(object), prefix_(prefix) {}

  std::optional<bool> Bool(const char* name);
  std::optional<double> Number(const char* name, double min, double max);
  std::optional<int64_t> Integer(const char* name, int64_t min, int64_t max);
  std::optional<std::string> String(const char* name);
  // Null when absent.
  const Json* Object(const char* name);
  const Json* Array(const char* name);
  // Any type but null.
  const Json* Any(const char* name) const;

  // Remembers an error of `name` unless there is one already.
  void Fail(const char* name, std::string_view what, ErrorCode code = ErrorCode::kInvalidArgument);
  const std::optional<ApiError>& error() const { return error_; }

 private:
  const Json& object_;
  std::string prefix_;
  std::optional<ApiError> error_;
};

// The body of a request: a JSON object.
ApiResult<Json> ParseBody(std::string_view body);

}  // namespace mimo

#include "server/json_fields.h"

namespace mimo {

const Json* JsonFields::Any(const char* name) const {
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

void JsonFields::Fail(const char* name, std::string_view what, ErrorCode code) {
  if (error_) return;
  const std::string param = prefix_ + name;
  error_ =
      ApiError{.code = code, .message = fmt::format("'{}' {}", param, what), .param = param, .reason = {}};
}

std::optional<bool> JsonFields::Bool(const char* name) {
  const Json* field = Any(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_boolean()) return field->get<bool>();
  Fail(name, "must be a boolean");
  return std::nullopt;
}

std::optional<double> JsonFields::Number(const char* name, double min, double max) {
  const Json* field = Any(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number()) {
    Fail(name, "must be a number");
    return std::nullopt;
  }
  const double value = field->get<double>();
  if (value >= min && value <= max) return value;
  Fail(name, fmt::format("must be between {} and {}", min, max));
  return std::nullopt;
}

std::optional<int64_t> JsonFields::Integer(const char* name, int64_t min, int64_t max) {
  const Json* field = Any(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number_integer()) {
    Fail(name, "must be an integer");
    return std::nullopt;
  }
  const bool overflows = field->is_number_unsigned() && field->get<uint64_t>() > uint64_t{INT64_MAX};
  const int64_t value = overflows ? INT64_MAX : field->get<int64_t>();
  if (!overflows && value >= min && value <= max) return value;
  Fail(name, fmt::format("must be between {} and {}", min, max));
  return std::nullopt;
}

std::optional<std::string> JsonFields::String(const char* name) {
  const Json* field = Any(name);
  if (field == nullptr) return std::nullopt;
  if (field->is_string()) return field->get<std::string>();
  Fail(name, "must be a string");
  return std::nullopt;
}

const Json* JsonFields::Object(const char* name) {
  const Json* field = Any(name);
  if (field == nullptr || field->is_object()) return field;
  Fail(name, "must be an object");
  return nullptr;
}

const Json* JsonFields::Array(const char* name) {
  const Json* field = Any(name);
  if (field == nullptr || field->is_array()) return field;
  Fail(name, "must be an array");
  return nullptr;
}

ApiResult<Json> ParseBody(std::string_view body) {
  Result<Json> json = ParseJson(body);
  if (!json) {
    return tl::unexpected(ApiError{.code = ErrorCode::kInvalidArgument,
                                   .message = "the request body is not JSON: " + json.error().message,
                                   .param = {},
                                   .reason = "invalid_json"});
  }
  if (!json->is_object()) {
    return tl::unexpected(ApiError{.code = ErrorCode::kInvalidArgument,
                                   .message = "the request body must be a JSON object",
                                   .param = {},
                                   .reason = "invalid_json"});
  }
  return std::move(*json);
}

}  // namespace mimo

#pragma once
// base/: what every other module stands on, and nothing about models.
//
//   status.h         errors as values (this file)      check.h          assertions about our own code
//   json.h           JSON text <-> values              log.h            lines on stderr
//   mapped_file.h    files as spans of bytes           progress_bar.h   the bar of a slow start
//   number_formats.h bit patterns <-> float32          thread_pool.h    the loops of a forward step
//   token_id.h       the one integer type all layers share
//
// It includes nothing of ours. A helper belongs here only when two modules need it and it has a name of its
// own; there is no drawer of utilities.
//
// Errors are values. Whatever depends on input, disk, network or load returns Result or Status; a failed
// MIMO_CHECK (base/check.h) is a bug of ours and stops the program. Exceptions never cross a file: the one
// .cc that wraps a throwing library catches and converts there.

#include <fmt/core.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace mimo {

enum class ErrorCode {
  kInvalidArgument,    // the caller's input is wrong and will stay wrong
  kNotFound,           // a file, tensor, model or id that does not exist
  kResourceExhausted,  // memory, KV blocks or queue places are used up for now
  kDeadlineExceeded,
  kCancelled,
  kDataLoss,       // bytes on disk are truncated, overlapping or fail their checksum
  kUnavailable,    // try again later: still loading, draining
  kUnimplemented,  // known, but this program does not do it
  kInternal,
};

// The message names the file, tensor or field, and says what to do where there is something to do.
struct Error {
  ErrorCode code;
  std::string message;
};

// Derived rather than an alias, because an alias would let callers drop an error.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

template <typename... Args>
tl::unexpected<Error> MakeError(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}
template <typename... Args>
tl::unexpected<Error> InvalidArgument(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kInvalidArgument, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> NotFound(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kNotFound, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> ResourceExhausted(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kResourceExhausted, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> DataLoss(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kDataLoss, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> Unavailable(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kUnavailable, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> Unimplemented(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kUnimplemented, format, std::forward<Args>(args)...);
}
template <typename... Args>
tl::unexpected<Error> Internal(fmt::format_string<Args...> format, Args&&... args) {
  return MakeError(ErrorCode::kInternal, format, std::forward<Args>(args)...);
}

#define MIMO_RETURN_IF_ERROR(expression)                                     \
  do {                                                                       \
    if (auto mimo_status_ = (expression); !mimo_status_) {                   \
      return tl::unexpected<::mimo::Error>(std::move(mimo_status_).error()); \
    }                                                                        \
  } while (false)

#define MIMO_CONCAT_INNER(a, b) a##b
#define MIMO_CONCAT(a, b) MIMO_CONCAT_INNER(a, b)
#define MIMO_ASSIGN_OR_RETURN(declaration, expression) \
  MIMO_ASSIGN_OR_RETURN_INNER(MIMO_CONCAT(mimo_result_, __LINE__), declaration, expression)
#define MIMO_ASSIGN_OR_RETURN_INNER(result, declaration, expression)            \
  auto result = (expression);                                                   \
  if (!result) return tl::unexpected<::mimo::Error>(std::move(result).error()); \
  declaration = std::move(result).value()

}  // namespace mimo

#pragma once
// What an error of the engine knows beyond its message.

#include <chrono>
#include <cstdint>
#include <tl/expected.hpp>
#include <utility>
#include <variant>

#include "base/status.h"

namespace mimo {

// kInvalidArgument: the request does not fit into the context. Each API has words of its own for it, by which
// clients know that they should shorten the conversation or ask for less.
struct ContextOverflow {
  uint32_t prompt_tokens = 0;
  uint32_t max_tokens = 0;  // 0: the prompt alone is too long
  uint32_t context_max = 0;
};

// The request could be served later. kResourceExhausted: its owner has too much in the queue. kUnavailable:
// all owners together have, or it waited too long.
struct TryLater {
  std::chrono::seconds after{1};  // an estimate from how fast requests leave the queue
};

struct EngineError : Error {
  using Detail = std::variant<std::monostate, ContextOverflow, TryLater>;

  // Implicit: any error can be one of the engine's.
  // NOLINTNEXTLINE(google-explicit-constructor)
  EngineError(Error error, Detail what = {}) : Error(std::move(error)), detail(what) {}

  Detail detail;
};

template <typename T>
class [[nodiscard]] EngineResult : public tl::expected<T, EngineError> {
 public:
  using tl::expected<T, EngineError>::expected;
};
using EngineStatus = EngineResult<void>;

}  // namespace mimo

#pragma once
// Assertions about our own code. Never about input: a bad request must not end the others.

namespace mimo {

// Prints the failed condition with its place to stderr and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition);

}  // namespace mimo

// Stays on in release builds.
#define MIMO_CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::mimo::CheckFailed(__FILE__, __LINE__, #condition))

// For hot loops: debug builds only.
#ifdef NDEBUG
#define MIMO_DCHECK(condition) static_cast<void>(0)
#else
#define MIMO_DCHECK(condition) MIMO_CHECK(condition)
#endif

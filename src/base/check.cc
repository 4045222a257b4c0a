#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mimo {

void CheckFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "mimo: bug: %s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace mimo

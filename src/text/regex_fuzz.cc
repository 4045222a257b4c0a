// A pattern compiles or is refused, in bounded time.

#include <cstdlib>
#include <string_view>

#include "text/regex_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const std::string_view pattern(reinterpret_cast<const char*>(data), size);
  const Result<GrammarPtr> grammar = GrammarFromRegex(pattern, {.work_max = 1'000'000});
  if (!grammar) {
    if (grammar.error().code != ErrorCode::kInvalidArgument) std::abort();
    return 0;
  }
  GrammarMatcher matcher(*grammar, nullptr);
  if (matcher.MustEnd() && !matcher.CanEnd()) std::abort();
  (void)matcher.AcceptBytes(pattern);
  return 0;
}

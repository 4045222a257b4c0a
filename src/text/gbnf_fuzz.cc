// A grammar compiles or is refused, in bounded time; a text is tried on what compiles.

#include <cstdlib>
#include <string_view>

#include "text/gbnf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const Result<GrammarPtr> grammar = GrammarFromGbnf(source, {.work_max = 1'000'000});
  if (!grammar) {
    if (grammar.error().code != ErrorCode::kInvalidArgument) std::abort();
    return 0;
  }
  GrammarMatcher matcher(*grammar, nullptr);
  for (int i = 0; i < 32; ++i) {
    bool moved = false;
    for (int byte = 0; byte < 256 && !moved; ++byte) {
      const char c = static_cast<char>(byte + i);
      moved = matcher.AcceptBytes({&c, 1});
    }
    if (!moved) break;
  }
  (void)matcher.CanEnd();
  return 0;
}

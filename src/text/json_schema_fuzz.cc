// A schema compiles or is refused, in bounded time; and whatever a compiled one lets through byte by byte can
// be finished: a place of the text where no byte may follow is one where the text may end.

#include <cstdlib>
#include <string_view>

#include "text/json_schema.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const Result<Json> schema = ParseJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!schema) return 0;
  // A twentieth of the work of a request, since sanitizers make it as slow.
  const Result<GrammarPtr> grammar = GrammarFromJsonSchema(*schema, {.work_max = 1'000'000});
  if (!grammar) {
    if (grammar.error().code != ErrorCode::kInvalidArgument) std::abort();
    return 0;
  }
  GrammarMatcher matcher(*grammar, nullptr);
  uint32_t choice = static_cast<uint32_t>(size);
  for (int i = 0; i < 64 && !matcher.MustEnd(); ++i) {
    bool moved = false;
    for (uint32_t tried = 0; tried < 256 && !moved; ++tried) {
      const char byte = static_cast<char>(choice + tried * 37);
      moved = matcher.AcceptBytes({&byte, 1});
    }
    if (!moved && !matcher.CanEnd()) std::abort();
    choice = choice * 31 + data[static_cast<size_t>(i) % size];
  }
  return 0;
}

#pragma once
// Compiled grammars by what they were made from.

#include <functional>
#include <list>
#include <mutex>
#include <string>

#include "base/status.h"
#include "text/grammar.h"

namespace mimo {

// Agents send the same tools with every request, and compiling them may take longer than the answer's first
// tokens. Thread-safe.
class GrammarCache {
 public:
  // The grammar made from `source` before, or a new one. Errors are not kept.
  Result<GrammarPtr> Get(const std::string& source, const std::function<Result<GrammarPtr>()>& compile);

 private:
  static constexpr size_t kEntriesMax = 64;
  struct Entry {
    std::string source;
    GrammarPtr grammar;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  // the latest used first
};

}  // namespace mimo

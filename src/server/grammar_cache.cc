#include "server/grammar_cache.h"

#include <algorithm>

namespace mimo {

Result<GrammarPtr> GrammarCache::Get(const std::string& source,
                                     const std::function<Result<GrammarPtr>()>& compile) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.source == source; });
    if (known != entries_.end()) {
      entries_.splice(entries_.begin(), entries_, known);
      return known->grammar;
    }
  }
  // Compiled without the lock: two requests may do the same work once, but none waits for another's.
  MIMO_ASSIGN_OR_RETURN(GrammarPtr grammar, compile());
  const std::lock_guard lock(mutex_);
  entries_.push_front({.source = source, .grammar = grammar});
  if (entries_.size() > kEntriesMax) entries_.pop_back();
  return grammar;
}

}  // namespace mimo

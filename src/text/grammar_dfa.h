#pragma once
// Internal to grammars: deterministic automata over bytes, and the algebra of their languages. Strings,
// numbers and key names of a schema are such languages, so allOf, oneOf and not become set operations.

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/grammar.h"

namespace mimo {

// For our own constants, which must not fail on a slow day.
inline GrammarLimits LimitsOfConstants() {
  GrammarLimits limits;
  limits.time_max = std::chrono::milliseconds(0);
  return limits;
}

// Counts the work and the time of one compilation, so that it ends with an error instead of late.
class GrammarBudget {
 public:
  explicit GrammarBudget(const GrammarLimits& limits) : limits_(limits), work_left_(limits.work_max) {}

  const GrammarLimits& limits() const { return limits_; }
  Status Spend(uint64_t work);
  Status CheckStates(size_t num_states) const;

 private:
  GrammarLimits limits_;
  uint64_t work_left_;
  uint64_t work_since_clock_ = 0;  // since the clock was last looked at
  const std::chrono::steady_clock::time_point begun_at_ = std::chrono::steady_clock::now();
};

// State 0 is dead; from every other state something accepted can be reached. A language without words has
// start 0. Labels tell apart what was accepted.
struct ByteDfa {
  static constexpr uint32_t kDead = 0;

  std::array<uint8_t, 256> byte_class = {};
  uint32_t num_classes = 1;
  std::vector<uint32_t> next = {0};   // [num_states, num_classes]
  std::vector<uint32_t> label = {0};  // [num_states]; 0 = not accepting
  uint32_t start = kDead;

  uint32_t num_states() const { return static_cast<uint32_t>(label.size()); }
  uint32_t Next(uint32_t state, uint8_t byte) const {
    return next[size_t{state} * num_classes + byte_class[byte]];
  }
  bool IsEmpty() const { return start == kDead; }
  // The label of a whole text; 0 if it is not accepted.
  uint32_t Match(std::string_view text) const;
};

enum class DfaOperation {
  kIntersection,  // labels of the left
  kUnion,         // label of the left where it has one
  kDifference,
};
Result<ByteDfa> Combine(const ByteDfa& left, const ByteDfa& right, DfaOperation operation,
                        GrammarBudget* budget);
Result<ByteDfa> Concatenate(const ByteDfa& left, const ByteDfa& right, GrammarBudget* budget);

constexpr uint64_t kManyWords = std::numeric_limits<uint64_t>::max();
// For each state how many texts lead from it to acceptance; kManyWords when they are not finite.
std::vector<uint64_t> CountWords(const ByteDfa& dfa);

// Where most letters of a to z lead from `state`, if more than half of them lead to one place.
uint32_t NextByLetters(const ByteDfa& dfa, uint32_t state);

// Establishes the invariants of ByteDfa for a table that may have dead or unreachable states.
ByteDfa TrimDfa(const ByteDfa& dfa);
ByteDfa EmptyDfa();
// Exactly this text.
ByteDfa LiteralDfa(std::string_view text, uint32_t label = 1);

// Any bytes up to and including the first `stop`.
ByteDfa UntilDfa(std::string_view stop);
// Any bytes without `stop` among them.
ByteDfa WithoutDfa(std::string_view stop);

}  // namespace mimo

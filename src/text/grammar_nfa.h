#pragma once
// Internal to grammars: nondeterministic automata, from which grammar_dfa.h's are made.

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/grammar_dfa.h"

namespace mimo {

// A nondeterministic automaton under construction.
class NfaBuilder {
 public:
  static constexpr uint32_t kStart = 0;
  NfaBuilder();

  uint32_t NewState();
  size_t num_states() const { return states_.size(); }
  void AddBytes(uint32_t from, uint8_t low, uint8_t high, uint32_t to);
  void AddEpsilon(uint32_t from, uint32_t to);
  void AddText(uint32_t from, std::string_view text, uint32_t to);
  // The UTF-8 forms of the code points low to high, without surrogates.
  void AddCodePoints(uint32_t from, uint32_t low, uint32_t high, uint32_t to);
  // ^ and $: passed only at the start and at the end of the text.
  void AddBegin(uint32_t from, uint32_t to);
  void AddEnd(uint32_t from, uint32_t to);
  // All words of `dfa`, whatever their label.
  void AddDfa(uint32_t from, const ByteDfa& dfa, uint32_t to);
  void SetLabel(uint32_t state, uint32_t label) { states_[state].label = label; }

  Result<ByteDfa> Determinize(GrammarBudget* budget) const;

 private:
  struct ByteEdge {
    uint8_t low;
    uint8_t high;
    uint32_t to;
  };
  enum class EmptyEdgeKind : uint8_t { kPlain, kBegin, kEnd };
  struct EmptyEdge {
    EmptyEdgeKind kind;
    uint32_t to;
  };
  struct State {
    std::vector<ByteEdge> bytes;
    std::vector<EmptyEdge> empty;
    uint32_t label = 0;
  };
  class Determinizer;

  void AddUtf8Range(uint32_t from, uint32_t low, uint32_t high, uint32_t to);

  std::vector<State> states_;
};

}  // namespace mimo

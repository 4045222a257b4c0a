#include "text/grammar_nfa.h"

#include <algorithm>
#include <unordered_map>

#include "text/unicode.h"

namespace mimo {

NfaBuilder::NfaBuilder() : states_(1) {}

uint32_t NfaBuilder::NewState() {
  states_.emplace_back();
  return static_cast<uint32_t>(states_.size() - 1);
}

void NfaBuilder::AddBytes(uint32_t from, uint8_t low, uint8_t high, uint32_t to) {
  states_[from].bytes.push_back({low, high, to});
}

void NfaBuilder::AddEpsilon(uint32_t from, uint32_t to) {
  states_[from].empty.push_back({EmptyEdgeKind::kPlain, to});
}

void NfaBuilder::AddBegin(uint32_t from, uint32_t to) {
  states_[from].empty.push_back({EmptyEdgeKind::kBegin, to});
}

void NfaBuilder::AddEnd(uint32_t from, uint32_t to) {
  states_[from].empty.push_back({EmptyEdgeKind::kEnd, to});
}

void NfaBuilder::AddText(uint32_t from, std::string_view text, uint32_t to) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const uint32_t next = i + 1 == text.size() ? to : NewState();
    AddBytes(from, byte, byte, next);
    from = next;
  }
  if (text.empty()) AddEpsilon(from, to);
}

// Cuts a range where the number of bytes changes, then where a prefix of bytes changes, until each piece is a
// product of byte ranges.
void NfaBuilder::AddCodePoints(uint32_t from, uint32_t low, uint32_t high, uint32_t to) {
  constexpr uint32_t kFirstSurrogate = 0xD800;
  constexpr uint32_t kLastSurrogate = 0xDFFF;
  high = std::min<uint32_t>(high, 0x10FFFF);
  if (low > high) return;
  if (low <= kLastSurrogate && high >= kFirstSurrogate) {
    if (low < kFirstSurrogate) AddCodePoints(from, low, kFirstSurrogate - 1, to);
    if (high > kLastSurrogate) AddCodePoints(from, kLastSurrogate + 1, high, to);
    return;
  }
  for (const uint32_t last : {0x7FU, 0x7FFU, 0xFFFFU, 0x10FFFFU}) {
    if (low > last || low > high) continue;
    AddUtf8Range(from, low, std::min(high, last), to);
    low = last + 1;
  }
}

void NfaBuilder::AddUtf8Range(uint32_t from, uint32_t low, uint32_t high, uint32_t to) {
  for (int tail_bits = 6; tail_bits <= 18; tail_bits += 6) {
    const uint32_t mask = (1U << tail_bits) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      AddUtf8Range(from, low, low | mask, to);
      return AddUtf8Range(from, (low | mask) + 1, high, to);
    }
    if ((high & mask) != mask) {
      AddUtf8Range(from, low, (high & ~mask) - 1, to);
      return AddUtf8Range(from, high & ~mask, high, to);
    }
  }
  std::string first;
  std::string last;
  AppendUtf8(low, first);
  AppendUtf8(high, last);
  for (size_t i = 0; i < first.size(); ++i) {
    const uint32_t next = i + 1 == first.size() ? to : NewState();
    AddBytes(from, static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i]), next);
    from = next;
  }
}

void NfaBuilder::AddDfa(uint32_t from, const ByteDfa& dfa, uint32_t to) {
  if (dfa.IsEmpty()) return;
  const auto base = static_cast<uint32_t>(states_.size());
  states_.resize(states_.size() + dfa.num_states());
  AddEpsilon(from, base + dfa.start);
  for (uint32_t state = 1; state < dfa.num_states(); ++state) {
    if (dfa.label[state] != 0) AddEpsilon(base + state, to);
    for (uint32_t byte = 0; byte < 256;) {
      const uint32_t next = dfa.Next(state, static_cast<uint8_t>(byte));
      uint32_t end = byte + 1;
      while (end < 256 && dfa.Next(state, static_cast<uint8_t>(end)) == next) ++end;
      if (next != 0) {
        AddBytes(base + state, static_cast<uint8_t>(byte), static_cast<uint8_t>(end - 1), base + next);
      }
      byte = end;
    }
  }
}

// The subset construction.
class NfaBuilder::Determinizer {
 public:
  Determinizer(const NfaBuilder& nfa, GrammarBudget* budget)
      : states_(nfa.states_), budget_(*budget), is_in_set_(nfa.states_.size(), false) {}

  Result<ByteDfa> Run() {
    NumberClasses();
    dfa_.next.assign(dfa_.num_classes, 0);
    std::vector<uint32_t> set = {kStart};
    MIMO_RETURN_IF_ERROR(Close(&set, true, false));
    // The start is a state of its own: ^ has been passed there.
    sets_ = {{}, set};
    MIMO_ASSIGN_OR_RETURN(const uint32_t start_label, LabelOf(set, true));
    dfa_.label.push_back(start_label);
    dfa_.start = 1;
    std::vector<std::vector<uint32_t>> targets(dfa_.num_classes);
    for (size_t i = 1; i < sets_.size(); ++i) {
      MIMO_RETURN_IF_ERROR(budget_.CheckStates(sets_.size()));
      MIMO_RETURN_IF_ERROR(FindTargets(sets_[i], &targets));
      for (std::vector<uint32_t>& target : targets) {
        MIMO_ASSIGN_OR_RETURN(const uint32_t to, StateOf(&target));
        dfa_.next.push_back(to);
      }
    }
    return TrimDfa(dfa_);
  }

 private:
  struct SetHash {
    size_t operator()(const std::vector<uint32_t>& set) const {
      uint64_t hash = set.size();
      for (const uint32_t state : set) {
        hash = (hash ^ state) * 0x9E3779B97F4A7C15U;
        hash ^= hash >> 32;
      }
      return hash;
    }
  };

  // Intervals of bytes that no edge tells apart, numbered upwards.
  void NumberClasses() {
    std::array<bool, 257> begins = {};
    for (const State& state : states_) {
      for (const ByteEdge& edge : state.bytes) begins[edge.low] = begins[edge.high + 1U] = true;
    }
    uint32_t byte_class = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && begins[byte]) ++byte_class;
      dfa_.byte_class[byte] = static_cast<uint8_t>(byte_class);
    }
    dfa_.num_classes = byte_class + 1;
  }

  // Adds what is reached without a byte; sorts.
  Status Close(std::vector<uint32_t>* set, bool at_begin, bool at_end) {
    for (const uint32_t state : *set) is_in_set_[state] = true;
    for (size_t i = 0; i < set->size(); ++i) {
      for (const EmptyEdge& edge : states_[(*set)[i]].empty) {
        if (is_in_set_[edge.to] || (edge.kind == EmptyEdgeKind::kBegin && !at_begin) ||
            (edge.kind == EmptyEdgeKind::kEnd && !at_end)) {
          continue;
        }
        is_in_set_[edge.to] = true;
        set->push_back(edge.to);
      }
    }
    for (const uint32_t state : *set) is_in_set_[state] = false;
    std::sort(set->begin(), set->end());
    return budget_.Spend(set->size());
  }

  Result<uint32_t> LabelOf(std::vector<uint32_t> set, bool at_begin) {
    MIMO_RETURN_IF_ERROR(Close(&set, at_begin, true));
    uint32_t label = 0;
    for (const uint32_t state : set) {
      const uint32_t other = states_[state].label;
      if (other != 0 && (label == 0 || other < label)) label = other;
    }
    return label;
  }

  Status FindTargets(const std::vector<uint32_t>& set, std::vector<std::vector<uint32_t>>* targets) {
    uint64_t work = dfa_.num_classes;
    for (std::vector<uint32_t>& target : *targets) target.clear();
    for (const uint32_t state : set) {
      for (const ByteEdge& edge : states_[state].bytes) {
        for (uint32_t c = dfa_.byte_class[edge.low]; c <= dfa_.byte_class[edge.high]; ++c, ++work) {
          (*targets)[c].push_back(edge.to);
        }
      }
    }
    return budget_.Spend(work);
  }

  Result<uint32_t> StateOf(std::vector<uint32_t>* target) {
    if (target->empty()) return 0;
    std::sort(target->begin(), target->end());
    target->erase(std::unique(target->begin(), target->end()), target->end());
    // Many classes have the same target, and closing it is what costs.
    const auto known = unclosed_.find(*target);
    if (known != unclosed_.end()) return known->second;
    std::vector<uint32_t> set = *target;
    MIMO_RETURN_IF_ERROR(Close(&set, false, false));
    const auto [it, is_new] = closed_.emplace(set, static_cast<uint32_t>(sets_.size()));
    if (is_new) {
      MIMO_ASSIGN_OR_RETURN(const uint32_t label, LabelOf(set, false));
      dfa_.label.push_back(label);
      sets_.push_back(std::move(set));
    }
    unclosed_.emplace(*target, it->second);
    return it->second;
  }

  const std::vector<State>& states_;
  GrammarBudget& budget_;
  ByteDfa dfa_;
  std::vector<std::vector<uint32_t>> sets_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, SetHash> closed_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, SetHash> unclosed_;
  std::vector<bool> is_in_set_;
};

Result<ByteDfa> NfaBuilder::Determinize(GrammarBudget* budget) const {
  MIMO_RETURN_IF_ERROR(budget->Spend(states_.size()));
  return Determinizer(*this, budget).Run();
}

}  // namespace mimo

#include "text/grammar_dfa.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "text/grammar_nfa.h"

namespace mimo {

Status GrammarBudget::Spend(uint64_t work) {
  if (work > work_left_) {
    return InvalidArgument("the grammar takes more than {} steps to compile: make it smaller",
                           limits_.work_max);
  }
  work_left_ -= work;
  constexpr uint64_t kWorkBetweenLooks = 8192;  // below a millisecond
  work_since_clock_ += work;
  if (work_since_clock_ < kWorkBetweenLooks || limits_.time_max.count() == 0) return {};
  work_since_clock_ = 0;
  if (std::chrono::steady_clock::now() - begun_at_ <= limits_.time_max) return {};
  return InvalidArgument("the grammar takes more than {} ms to compile: make it smaller",
                         limits_.time_max.count());
}

Status GrammarBudget::CheckStates(size_t num_states) const {
  if (num_states <= limits_.dfa_states_max) return {};
  return InvalidArgument("a pattern or length needs more than {} states: make its repetitions smaller",
                         limits_.dfa_states_max);
}

uint32_t ByteDfa::Match(std::string_view text) const {
  uint32_t state = start;
  for (const char c : text) state = Next(state, static_cast<uint8_t>(c));
  return label[state];
}

ByteDfa EmptyDfa() {
  ByteDfa dfa;
  dfa.next = {0};
  return dfa;
}

ByteDfa LiteralDfa(std::string_view text, uint32_t label) {
  ByteDfa dfa;
  dfa.num_classes = 1;  // class 0: every byte that the text does not have
  for (const char c : text) {
    uint8_t& byte_class = dfa.byte_class[static_cast<uint8_t>(c)];
    if (byte_class == 0) byte_class = static_cast<uint8_t>(dfa.num_classes++);
    if (dfa.num_classes == 256) break;
  }
  const size_t num_states = text.size() + 2;
  dfa.next.assign(num_states * dfa.num_classes, ByteDfa::kDead);
  dfa.label.assign(num_states, 0);
  dfa.start = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    dfa.next[(i + 1) * dfa.num_classes + dfa.byte_class[static_cast<uint8_t>(text[i])]] =
        static_cast<uint32_t>(i + 2);
  }
  dfa.label.back() = label;
  return dfa;
}

namespace {

// States that lead to acceptance.
std::vector<bool> LiveStates(const ByteDfa& dfa) {
  const size_t num_states = dfa.num_states();
  std::vector<uint32_t> first(num_states + 1, 0);
  for (const uint32_t to : dfa.next) ++first[to];
  for (size_t i = 1; i <= num_states; ++i) first[i] += first[i - 1];
  std::vector<uint32_t> sources(dfa.next.size());  // of state s: [first[s], first[s + 1])
  for (size_t i = dfa.next.size(); i-- > 0;) {
    sources[--first[dfa.next[i]]] = static_cast<uint32_t>(i / dfa.num_classes);
  }
  std::vector<bool> live(num_states, false);
  std::vector<uint32_t> todo;
  for (uint32_t state = 1; state < num_states; ++state) {
    if (dfa.label[state] == 0) continue;
    live[state] = true;
    todo.push_back(state);
  }
  while (!todo.empty()) {
    const uint32_t state = todo.back();
    todo.pop_back();
    for (uint32_t i = first[state]; i < first[state + 1]; ++i) {
      if (sources[i] == 0 || live[sources[i]]) continue;
      live[sources[i]] = true;
      todo.push_back(sources[i]);
    }
  }
  return live;
}

// Bytes that behave alike in every state become one class.
void MergeClasses(ByteDfa* dfa) {
  const uint32_t num_states = dfa->num_states();
  std::vector<uint64_t> hashes(dfa->num_classes, 0);
  for (uint32_t state = 0; state < num_states; ++state) {
    for (uint32_t c = 0; c < dfa->num_classes; ++c) {
      hashes[c] = (hashes[c] ^ dfa->next[size_t{state} * dfa->num_classes + c]) * 0x9E3779B97F4A7C15U;
      hashes[c] ^= hashes[c] >> 29;
    }
  }
  const auto are_equal = [&](uint32_t a, uint32_t b) {
    for (uint32_t state = 0; state < num_states; ++state) {
      const size_t row = size_t{state} * dfa->num_classes;
      if (dfa->next[row + a] != dfa->next[row + b]) return false;
    }
    return true;
  };
  std::unordered_map<uint64_t, uint32_t> class_of_hash;
  std::vector<uint32_t> new_class(dfa->num_classes);
  std::vector<uint32_t> kept;
  for (uint32_t c = 0; c < dfa->num_classes; ++c) {
    const auto [it, is_new] = class_of_hash.emplace(hashes[c], kept.size());
    if (is_new || !are_equal(kept[it->second], c)) {
      new_class[c] = static_cast<uint32_t>(kept.size());
      kept.push_back(c);
    } else {
      new_class[c] = it->second;
    }
  }
  std::vector<uint32_t> next;
  next.reserve(size_t{num_states} * kept.size());
  for (uint32_t state = 0; state < num_states; ++state) {
    for (const uint32_t c : kept) next.push_back(dfa->next[size_t{state} * dfa->num_classes + c]);
  }
  dfa->next = std::move(next);
  dfa->num_classes = static_cast<uint32_t>(kept.size());
  for (uint8_t& byte_class : dfa->byte_class) byte_class = static_cast<uint8_t>(new_class[byte_class]);
}

}  // namespace

ByteDfa TrimDfa(const ByteDfa& dfa) {
  const std::vector<bool> live = LiveStates(dfa);
  if (!live[dfa.start]) return EmptyDfa();
  std::vector<uint32_t> new_state(dfa.num_states(), 0);
  std::vector<uint32_t> order = {dfa.start};
  new_state[dfa.start] = 1;
  ByteDfa trimmed;
  trimmed.byte_class = dfa.byte_class;
  trimmed.num_classes = dfa.num_classes;
  trimmed.next.assign(dfa.num_classes, 0);
  trimmed.start = 1;
  for (size_t i = 0; i < order.size(); ++i) {
    trimmed.label.push_back(dfa.label[order[i]]);
    for (uint32_t c = 0; c < dfa.num_classes; ++c) {
      const uint32_t to = dfa.next[size_t{order[i]} * dfa.num_classes + c];
      if (live[to] && new_state[to] == 0) {
        order.push_back(to);
        new_state[to] = static_cast<uint32_t>(order.size());
      }
      trimmed.next.push_back(new_state[to]);
    }
  }
  MergeClasses(&trimmed);
  return trimmed;
}

namespace {

uint32_t CombineLabels(uint32_t left, uint32_t right, DfaOperation operation) {
  switch (operation) {
    case DfaOperation::kIntersection:
      return right != 0 ? left : 0;
    case DfaOperation::kUnion:
      return left != 0 ? left : right;
    case DfaOperation::kDifference:
      return right == 0 ? left : 0;
  }
  return 0;
}

}  // namespace

Result<ByteDfa> Combine(const ByteDfa& left, const ByteDfa& right, DfaOperation operation,
                        GrammarBudget* budget) {
  ByteDfa dfa;
  dfa.num_classes = 0;
  std::vector<std::pair<uint32_t, uint32_t>> classes;
  for (size_t byte = 0; byte < 256; ++byte) {
    const std::pair<uint32_t, uint32_t> both(left.byte_class[byte], right.byte_class[byte]);
    const auto it = std::find(classes.begin(), classes.end(), both);
    dfa.byte_class[byte] = static_cast<uint8_t>(it - classes.begin());
    if (it == classes.end()) classes.push_back(both);
  }
  dfa.num_classes = static_cast<uint32_t>(classes.size());
  dfa.next.assign(dfa.num_classes, 0);

  std::unordered_map<uint64_t, uint32_t> states;
  std::vector<std::pair<uint32_t, uint32_t>> pairs = {{0, 0}};
  const auto state_of = [&](uint32_t a, uint32_t b) -> uint32_t {
    // What can no longer be accepted needs no states.
    if (a == 0 && (b == 0 || operation != DfaOperation::kUnion)) return 0;
    if (b == 0 && operation == DfaOperation::kIntersection) return 0;
    const auto [it, is_new] = states.emplace(uint64_t{a} << 32 | b, pairs.size());
    if (is_new) {
      pairs.emplace_back(a, b);
      dfa.label.push_back(CombineLabels(left.label[a], right.label[b], operation));
    }
    return it->second;
  };
  dfa.start = state_of(left.start, right.start);
  for (size_t i = 1; i < pairs.size(); ++i) {
    MIMO_RETURN_IF_ERROR(budget->Spend(classes.size()));
    MIMO_RETURN_IF_ERROR(budget->CheckStates(pairs.size()));
    const auto [a, b] = pairs[i];
    for (const auto& [class_a, class_b] : classes) {
      const uint32_t to = state_of(left.next[size_t{a} * left.num_classes + class_a],
                                   right.next[size_t{b} * right.num_classes + class_b]);
      dfa.next.push_back(to);
    }
  }
  return TrimDfa(dfa);
}

Result<ByteDfa> Concatenate(const ByteDfa& left, const ByteDfa& right, GrammarBudget* budget) {
  NfaBuilder nfa;
  const uint32_t middle = nfa.NewState();
  const uint32_t end = nfa.NewState();
  nfa.AddDfa(NfaBuilder::kStart, left, middle);
  nfa.AddDfa(middle, right, end);
  nfa.SetLabel(end, 1);
  return nfa.Determinize(budget);
}

// Peels off states whose successors are all counted; what is left can reach a cycle.
std::vector<uint64_t> CountWords(const ByteDfa& dfa) {
  const uint32_t num_states = dfa.num_states();
  std::vector<uint32_t> class_size(dfa.num_classes, 0);
  for (const uint8_t byte_class : dfa.byte_class) ++class_size[byte_class];
  std::vector<uint32_t> successors_left(num_states, 0);
  std::vector<std::vector<uint32_t>> sources(num_states);
  for (uint32_t state = 1; state < num_states; ++state) {
    for (uint32_t c = 0; c < dfa.num_classes; ++c) {
      const uint32_t to = dfa.next[size_t{state} * dfa.num_classes + c];
      if (to == 0) continue;
      ++successors_left[state];
      sources[to].push_back(state);
    }
  }
  std::vector<uint64_t> count(num_states, kManyWords);
  count[0] = 0;
  std::vector<uint32_t> todo;
  for (uint32_t state = 1; state < num_states; ++state) {
    if (successors_left[state] == 0) todo.push_back(state);
  }
  while (!todo.empty()) {
    const uint32_t state = todo.back();
    todo.pop_back();
    uint64_t words = dfa.label[state] != 0 ? 1 : 0;
    for (uint32_t c = 0; c < dfa.num_classes; ++c) {
      const uint64_t more = count[dfa.next[size_t{state} * dfa.num_classes + c]];
      // Far below kManyWords and still more than any text can use up.
      words = std::min<uint64_t>(words + std::min<uint64_t>(more, 1U << 31) * class_size[c], 1U << 31);
    }
    count[state] = words;
    for (const uint32_t source : sources[state]) {
      if (--successors_left[source] == 0) todo.push_back(source);
    }
  }
  return count;
}

namespace {

// State i + 1: the last i bytes are the longest beginning of `stop` that the text ends with.
ByteDfa SearchDfa(std::string_view stop) {
  ByteDfa dfa = LiteralDfa(stop, 0);
  const auto length = static_cast<uint32_t>(stop.size());
  uint32_t fallback = 1;  // where the text without its first byte would stand
  for (uint32_t state = 1; state <= length; ++state) {
    const uint32_t matched = dfa.byte_class[static_cast<uint8_t>(stop[state - 1])];
    for (uint32_t c = 0; c < dfa.num_classes; ++c) {
      uint32_t& next = dfa.next[size_t{state} * dfa.num_classes + c];
      if (c != matched) next = state == 1 ? 1 : dfa.next[size_t{fallback} * dfa.num_classes + c];
    }
    if (state > 1) fallback = dfa.next[size_t{fallback} * dfa.num_classes + matched];
  }
  return dfa;
}

}  // namespace

uint32_t NextByLetters(const ByteDfa& dfa, uint32_t state) {
  uint32_t found = dfa.Next(state, 'a');
  int surplus = 0;
  for (uint8_t letter = 'a'; letter <= 'z'; ++letter) {
    const uint32_t to = dfa.Next(state, letter);
    surplus += to == found ? 1 : -1;
    if (surplus < 0) found = to, surplus = 1;
  }
  return found;
}

ByteDfa UntilDfa(std::string_view stop) {
  ByteDfa dfa = SearchDfa(stop);
  dfa.label[stop.size() + 1] = 1;
  return TrimDfa(dfa);
}

ByteDfa WithoutDfa(std::string_view stop) {
  ByteDfa dfa = SearchDfa(stop);
  for (size_t state = 1; state <= stop.size(); ++state) dfa.label[state] = 1;
  return TrimDfa(dfa);
}

}  // namespace mimo

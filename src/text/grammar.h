#pragma once
// Structured output: which tokens may come next so that the text obeys a grammar.
//
//   schema, regex, choices, GBNF, tools -> Grammar (shared, immutable)
//   Grammar + GrammarVocabulary -> GrammarMatcher (one per sequence) -> TokenBitmask -> Sampler
//
// A Grammar is a byte-level pushdown automaton whose terminals are deterministic automata (grammar_dfa.h) and
// whose frames carry counters and the keys an object already has, so that properties may come in any order
// and never twice. Compilation removes whatever cannot be completed: a matcher never runs into a dead end.
// Design and measurements: docs/decisions/0015-structured-output.md.
//
// The compilers: json_schema.h, regex_grammar.h, gbnf.h, tool_grammar.h.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "text/tokenizer.h"

namespace mimo {

// What a request may cost. A source beyond a limit is kInvalidArgument by name.
struct GrammarLimits {
  size_t source_bytes_max = 1 << 20;
  size_t nesting_max = 128;                  // of schemas, groups and rules in the source
  size_t dfa_states_max = 1 << 16;           // of one terminal; counted repetitions multiply
  size_t nodes_max = 1 << 16;                // of the grammar, and shapes of a schema
  uint64_t work_max = 20'000'000;            // elementary steps of compilation; bounds its memory
  std::chrono::milliseconds time_max{1000};  // of compilation; 0: no limit
  uint32_t depth_max = 96;                   // open brackets, calls and rules of the text at once
};

struct GrammarProgram;  // grammar_program.h

// Immutable; any thread may use it.
class Grammar {
 public:
  explicit Grammar(std::unique_ptr<const GrammarProgram> program);
  ~Grammar();
  Grammar(const Grammar&) = delete;
  Grammar& operator=(const Grammar&) = delete;

  const GrammarProgram& program() const { return *program_; }

 private:
  std::unique_ptr<const GrammarProgram> program_;
};
using GrammarPtr = std::shared_ptr<const Grammar>;

// One of these texts, whole. kInvalidArgument for none.
Result<GrammarPtr> GrammarFromChoices(std::span<const std::string> choices, const GrammarLimits& limits = {});

// Where a reply stands before its answer.
enum class ReasoningStart {
  kOpen,         // inside a reasoning block: free text up to </think>, then the answer
  kModelDecides  // the model may open one: [space] <think> free text </think>, or the answer at once
};
// `answer` with the reasoning before it.
Result<GrammarPtr> GrammarAfterReasoning(const GrammarPtr& answer, ReasoningStart start);

// One bit per token id, set where the token is allowed.
class TokenBitmask {
 public:
  explicit TokenBitmask(uint32_t vocab_size = 0) : words_((size_t{vocab_size} + 63) / 64) {}

  void Clear() { words_.assign(words_.size(), 0); }
  void Set(TokenId token) { words_[token / 64] |= uint64_t{1} << (token % 64); }
  void Reset(TokenId token) { words_[token / 64] &= ~(uint64_t{1} << (token % 64)); }
  bool Test(TokenId token) const { return (words_[token / 64] >> (token % 64) & 1) != 0; }
  bool IsEmpty() const;
  std::span<uint64_t> words() { return words_; }
  std::span<const uint64_t> words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// The tokens of a tokenizer as a trie, and masks that grammars have in common. Built once per tokenizer (tens
// of milliseconds). Special tokens are no text: a grammar never allows them. Any thread may use it.
class GrammarVocabulary {
 public:
  // Copies the bytes; keeps no reference.
  explicit GrammarVocabulary(const Tokenizer& tokenizer);
  ~GrammarVocabulary();
  GrammarVocabulary(const GrammarVocabulary&) = delete;
  GrammarVocabulary& operator=(const GrammarVocabulary&) = delete;

  uint32_t vocab_size() const;
  std::string_view TokenBytes(TokenId token) const;  // empty for a special token

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Where a text stands in a grammar. Copyable: a draft is tried on a copy. Not thread-safe.
class GrammarMatcher {
 public:
  // `vocabulary` must outlive this; it may be null where no mask is wanted.
  GrammarMatcher(GrammarPtr grammar, const GrammarVocabulary* vocabulary);
  ~GrammarMatcher();
  GrammarMatcher(const GrammarMatcher& other);
  GrammarMatcher(GrammarMatcher&&) noexcept;
  GrammarMatcher& operator=(GrammarMatcher&&) noexcept;

  // False, and nothing changes, when the text cannot continue so.
  bool AcceptBytes(std::string_view bytes);
  bool AcceptToken(TokenId token);
  // The text so far is complete.
  bool CanEnd() const;
  // No byte can follow.
  bool MustEnd() const;
  // Overwrites `mask` (of at least the vocabulary's size) with the tokens that may come next. A token is
  // allowed exactly if AcceptToken would take it. Stop tokens are the caller's business: CanEnd.
  // kInvalidArgument when the grammar is so ambiguous that its alternatives exceed a limit.
  Status FillMask(TokenBitmask* mask);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimo

#pragma once
// Internal to grammars: the automaton that a GrammarMatcher runs.
//
// Nodes form a graph that may have cycles. Terminals are read byte by byte; every other node is a frame on
// the stack while its parts are read.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/grammar_dfa.h"

namespace mimo {

using GrammarNodeId = uint32_t;
constexpr GrammarNodeId kNoGrammarNode = 0xFFFFFFFF;
constexpr uint32_t kUnbounded = 0xFFFFFFFF;

// A language that is read as one piece. Shared between grammars, and so are the token masks of its states.
struct GrammarTerminal {
  explicit GrammarTerminal(ByteDfa automaton);
  // For a kString. `boundaries`: the states between two code points.
  GrammarTerminal(ByteDfa automaton, std::vector<bool> boundaries);

  const ByteDfa dfa;
  // Of a kString, otherwise empty. A byte read between two code points counts one, unless it is the last byte
  // of all; `needed` is how many are counted at least on the way from a state to the end.
  const std::vector<bool> is_boundary;
  const std::vector<uint16_t> needed;
  const uint32_t needed_max = 0;
  const uint64_t id;  // unique in the process
};
using GrammarTerminalPtr = std::shared_ptr<const GrammarTerminal>;

// An object in any notation: open [key value {separator key value}] close, no key twice. An array without
// equal items is one too, whose keys are the items and whose values are nothing.
struct GrammarObject {
  struct Entry {
    GrammarNodeId value = kNoGrammarNode;  // what follows the key
    bool required = false;                 // then the entry is one key
  };
  GrammarNodeId open = kNoGrammarNode;
  GrammarNodeId separator = kNoGrammarNode;  // may be missing
  GrammarNodeId close = kNoGrammarNode;
  GrammarNodeId close_empty = kNoGrammarNode;  // the close of an object without keys
  std::vector<Entry> entries;
  // Label i + 1 accepts a key of entry i.
  GrammarTerminalPtr keys;
  GrammarTerminalPtr required_keys;
  std::vector<uint64_t> keys_words;           // CountWords of the automata above
  std::vector<uint64_t> required_keys_words;  //
  uint32_t required_count = 0;
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  uint32_t value_height_max = 0;  // of the entries
};

// open [item {separator item}] close.
struct GrammarArray {
  GrammarNodeId open = kNoGrammarNode;
  GrammarNodeId separator = kNoGrammarNode;
  GrammarNodeId close = kNoGrammarNode;
  GrammarNodeId close_empty = kNoGrammarNode;
  std::vector<GrammarNodeId> prefix = {};  // the first items
  GrammarNodeId rest = kNoGrammarNode;     // all others
  uint32_t min = 0;
  uint32_t max = kUnbounded;

  GrammarNodeId ItemAt(uint32_t index) const { return index < prefix.size() ? prefix[index] : rest; }
};

struct GrammarNode {
  enum class Kind : uint8_t {
    kTerminal,  // terminals[index]
    kString,    // terminals[index], `min` to `max` code points in front of the closing byte
    kSequence,  // children
    kChoice,    // one of the children
    kRepeat,    // children[0], `min` to `max` times
    kObject,    // objects[index]
    kArray,     // arrays[index]
  };
  Kind kind = Kind::kChoice;
  uint32_t index = 0;
  uint32_t min = 0;
  uint32_t max = kUnbounded;
  // The frames that its shortest text needs; kUnbounded when it has no finite text.
  uint32_t height = kUnbounded;
  std::vector<GrammarNodeId> children = {};
};

struct GrammarProgram {
  std::vector<GrammarNode> nodes;
  std::vector<GrammarTerminalPtr> terminals;
  std::vector<GrammarObject> objects;
  std::vector<GrammarArray> arrays;
  GrammarNodeId root = kNoGrammarNode;
  uint32_t depth_max = 0;
};

}  // namespace mimo

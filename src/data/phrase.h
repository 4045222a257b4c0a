#pragma once
// The phrase language of the packs (docs/formats/language-pack.md): text with (a|b|c), [x] and {slot}.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/random.h"
#include "text/text_range.h"

namespace mimo {

// Where slots get their words from. Appends the words of `slot` to `out`.
using SlotFiller = std::function<void(std::string_view slot, std::string& out)>;

// One phrase, parsed once. Immutable; any thread.
class Phrase {
 public:
  // kInvalidArgument names the byte where a bracket does not fit.
  static Result<Phrase> Parse(std::string_view text);

  // One of the phrase's texts, each alternative of a group equally likely. `slot_ranges`, if given, gets
  // where the slots' words stand in the result.
  std::string Expand(Random& random, const SlotFiller& filler,
                     std::vector<TextRange>* slot_ranges = nullptr) const;
  // For a phrase without slots.
  std::string Expand(Random& random) const;

  // How many texts the phrase has, a slot counting as one.
  double Count() const { return CountOf(root_); }
  // Every slot's name, as often as it occurs.
  std::vector<std::string> Slots() const;

 private:
  struct Part {
    enum class Kind : uint8_t { kText, kSlot, kGroup };
    Kind kind;
    std::string text;                             // kText: the text; kSlot: its name
    std::vector<std::vector<Part>> alternatives;  // kGroup
  };
  using Sequence = std::vector<Part>;

  class Parser;
  struct Writer;

  static void ExpandSequence(const Sequence& sequence, Writer& writer);
  static double CountOf(const Sequence& sequence);
  static void CollectSlots(const Sequence& sequence, std::vector<std::string>& slots);

  Sequence root_;
};

}  // namespace mimo

#include "data/phrase.h"

#include "base/check.h"

namespace mimo {

class Phrase::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Sequence> Parse() {
    MIMO_ASSIGN_OR_RETURN(std::vector<Sequence> alternatives, Alternatives('\0', 0));
    if (alternatives.size() != 1) return InvalidArgument("phrase '{}': '|' outside a group", text_);
    return std::move(alternatives.front());
  }

 private:
  // Deeper nesting is a mistake of the writer, and would recurse too far.
  static constexpr int kDepthMax = 20;

  // Reads up to `closing` (consumed), or to the end where it is '\0'.
  Result<std::vector<Sequence>> Alternatives(char closing, int depth) {
    if (depth > kDepthMax) return InvalidArgument("phrase '{}': groups nest too deeply", text_);
    std::vector<Sequence> alternatives(1);
    while (position_ < text_.size()) {
      const char c = text_[position_++];
      if (c == closing && closing != '\0') return alternatives;
      if (c == '|') {
        alternatives.emplace_back();
      } else if (c == '(' || c == '[') {
        MIMO_ASSIGN_OR_RETURN(std::vector<Sequence> inner, Alternatives(c == '(' ? ')' : ']', depth + 1));
        // [x] is a group that half of the time is not there, however many alternatives x has.
        if (c == '[') {
          Part group{Part::Kind::kGroup, {}, std::move(inner)};
          inner = {Sequence{}, Sequence{std::move(group)}};
        }
        alternatives.back().push_back(Part{Part::Kind::kGroup, {}, std::move(inner)});
      } else if (c == '{') {
        const size_t end = text_.find('}', position_);
        if (end == std::string_view::npos || end == position_) return Unfit();
        alternatives.back().push_back(
            Part{Part::Kind::kSlot, std::string(text_.substr(position_, end - position_)), {}});
        position_ = end + 1;
      } else if (c == ')' || c == ']' || c == '}') {
        return Unfit();
      } else {
        if (c == '\\' && position_ == text_.size()) return Unfit();
        AddLiteral(alternatives.back(), c == '\\' ? text_[position_++] : c);
      }
    }
    if (closing != '\0') return Unfit();
    return alternatives;
  }

  static void AddLiteral(Sequence& sequence, char c) {
    if (sequence.empty() || sequence.back().kind != Part::Kind::kText) {
      sequence.push_back(Part{Part::Kind::kText, {}, {}});
    }
    sequence.back().text += c;
  }

  tl::unexpected<Error> Unfit() const {
    return InvalidArgument("phrase '{}': a bracket does not fit at byte {}", text_, position_);
  }

  std::string_view text_;
  size_t position_ = 0;
};

// Squeezes blanks while it writes.
struct Phrase::Writer {
  Random& random;
  const SlotFiller& filler;
  std::vector<TextRange>* slot_ranges;
  std::string out;

  void Literal(std::string_view text) {
    for (const char c : text) {
      const bool after_blank = out.empty() || out.back() == ' ';
      if (c == ' ' && after_blank) continue;
      // An optional word before a mark leaves its blank behind.
      if ((c == '?' || c == ',' || c == '.' || c == '!') && after_blank && !out.empty()) out.pop_back();
      out += c;
    }
  }

  void Slot(std::string_view name) {
    const size_t begin = out.size();
    filler(name, out);
    if (slot_ranges != nullptr && out.size() > begin) slot_ranges->push_back({begin, out.size()});
  }
};

Result<Phrase> Phrase::Parse(std::string_view text) {
  Phrase phrase;
  MIMO_ASSIGN_OR_RETURN(phrase.root_, Parser(text).Parse());
  return phrase;
}

std::string Phrase::Expand(Random& random, const SlotFiller& filler,
                           std::vector<TextRange>* slot_ranges) const {
  Writer writer{random, filler, slot_ranges, {}};
  ExpandSequence(root_, writer);
  while (!writer.out.empty() && writer.out.back() == ' ') writer.out.pop_back();
  return std::move(writer.out);
}

std::string Phrase::Expand(Random& random) const {
  static const SlotFiller kNoSlots = [](std::string_view, std::string&) { MIMO_CHECK(false); };
  return Expand(random, kNoSlots);
}

std::vector<std::string> Phrase::Slots() const {
  std::vector<std::string> slots;
  CollectSlots(root_, slots);
  return slots;
}

void Phrase::ExpandSequence(const Sequence& sequence, Writer& writer) {
  for (const Part& part : sequence) {
    switch (part.kind) {
      case Part::Kind::kText:
        writer.Literal(part.text);
        break;
      case Part::Kind::kSlot:
        writer.Slot(part.text);
        break;
      case Part::Kind::kGroup:
        ExpandSequence(writer.random.Pick(part.alternatives), writer);
        break;
    }
  }
}

double Phrase::CountOf(const Sequence& sequence) {
  double count = 1;
  for (const Part& part : sequence) {
    if (part.kind != Part::Kind::kGroup) continue;
    double sum = 0;
    for (const Sequence& alternative : part.alternatives) sum += CountOf(alternative);
    count *= sum;
  }
  return count;
}

void Phrase::CollectSlots(const Sequence& sequence, std::vector<std::string>& slots) {
  for (const Part& part : sequence) {
    if (part.kind == Part::Kind::kSlot) slots.push_back(part.text);
    for (const Sequence& alternative : part.alternatives) CollectSlots(alternative, slots);
  }
}

}  // namespace mimo

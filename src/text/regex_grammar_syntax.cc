#include "text/regex_grammar_syntax.h"

#include <algorithm>
#include <optional>
#include <string>

#include "text/hex_digit.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr uint32_t kLastCodePoint = 0x10FFFF;
constexpr uint32_t kRepeatMax = 100'000;

const CodePointRanges kDigits = {{'0', '9'}};
const CodePointRanges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePointRanges kSpaces = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                                 {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                 {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodePointRanges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

CodePointRanges Normalized(CodePointRanges ranges) {
  std::sort(ranges.begin(), ranges.end());
  CodePointRanges merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

CodePointRanges Negated(const CodePointRanges& ranges) {
  CodePointRanges negated;
  uint32_t next = 0;
  for (const auto& [low, high] : ranges) {
    if (low > next) negated.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLastCodePoint) negated.emplace_back(next, kLastCodePoint);
  return negated;
}

CodePointRanges WithFlag(uint8_t flag) {
  const uint8_t* flags = CodePointFlagTable();
  CodePointRanges ranges;
  for (uint32_t c = 0; c <= kLastCodePoint; ++c) {
    if ((flags[c] & flag) == 0) continue;
    if (!ranges.empty() && ranges.back().second + 1 == c) {
      ++ranges.back().second;
    } else {
      ranges.emplace_back(c, c);
    }
  }
  return ranges;
}

RegexNode ClassNode(CodePointRanges ranges) {
  return {.kind = RegexNode::Kind::kClass, .ranges = std::move(ranges)};
}

class Parser {
 public:
  Parser(std::string_view pattern, size_t nesting_max) : text_(pattern), nesting_left_(nesting_max) {}

  Result<RegexNode> Parse() {
    if (!IsValidUtf8(text_)) return InvalidArgument("the pattern is not UTF-8");
    MIMO_ASSIGN_OR_RETURN(RegexNode node, Alternation());
    if (!AtEnd()) return Wrong("a ')' without its '('");
    return node;
  }

 private:
  bool AtEnd() const { return position_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  bool Take(std::string_view token) {
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }
  tl::unexpected<Error> Wrong(std::string_view what) const {
    return InvalidArgument("pattern '{}', byte {}: {}", text_.substr(0, 200), position_, what);
  }
  uint32_t TakeCodePoint() {
    const CodePoint c = DecodeUtf8(text_, position_);
    position_ += c.length;
    return c.value;
  }

  Result<RegexNode> Alternation() {
    if (nesting_left_ == 0) return Wrong("groups are nested too deeply");
    --nesting_left_;
    RegexNode node = {.kind = RegexNode::Kind::kAlternation};
    do {
      MIMO_ASSIGN_OR_RETURN(RegexNode branch, Concat());
      node.children.push_back(std::move(branch));
    } while (Take("|"));
    ++nesting_left_;
    if (node.children.size() > 1) return node;
    RegexNode only = std::move(node.children[0]);
    return only;
  }

  Result<RegexNode> Concat() {
    RegexNode node = {.kind = RegexNode::Kind::kConcat};
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      MIMO_ASSIGN_OR_RETURN(RegexNode atom, Atom());
      MIMO_RETURN_IF_ERROR(Quantifiers(&atom));
      if (atom.kind == RegexNode::Kind::kConcat) {  // a group: its look-ahead then stands at this level
        for (RegexNode& child : atom.children) node.children.push_back(std::move(child));
      } else {
        node.children.push_back(std::move(atom));
      }
    }
    return node;
  }

  Status Quantifiers(RegexNode* atom) {
    uint32_t min = 0;
    uint32_t max = RegexNode::kNoMax;
    if (Take("*")) {
    } else if (Take("+")) {
      min = 1;
    } else if (Take("?")) {
      max = 1;
    } else if (Peek() == '{') {
      const size_t begin = position_;
      if (!TakeCounts(&min, &max)) {
        position_ = begin;
        return {};
      }
      if (min > max) return Wrong("a repetition with its maximum below its minimum");
      if (min > kRepeatMax || (max > kRepeatMax && max != RegexNode::kNoMax)) {
        return Wrong("a repetition of more than 100000");
      }
    } else {
      return {};
    }
    if (atom->kind == RegexNode::Kind::kBegin || atom->kind == RegexNode::Kind::kEnd ||
        atom->kind == RegexNode::Kind::kLookahead) {
      return Wrong("a repeated assertion");
    }
    Take("?");  // lazy
    RegexNode repeat = {.kind = RegexNode::Kind::kRepeat, .repeat_min = min, .repeat_max = max};
    repeat.children.push_back(std::move(*atom));
    *atom = std::move(repeat);
    if (Peek() == '*' || Peek() == '+' || Peek() == '?') return Wrong("nothing to repeat");
    return {};
  }

  std::optional<uint32_t> TakeNumber() {
    uint64_t value = 0;
    const size_t begin = position_;
    while (Peek() >= '0' && Peek() <= '9' && position_ - begin < 10) {
      value = value * 10 + static_cast<uint64_t>(text_[position_++] - '0');
    }
    if (position_ == begin) return std::nullopt;
    return static_cast<uint32_t>(std::min<uint64_t>(value, RegexNode::kNoMax - 1));
  }

  bool TakeCounts(uint32_t* min, uint32_t* max) {
    if (!Take("{")) return false;
    const std::optional<uint32_t> first = TakeNumber();
    if (!first) return false;
    *min = *max = *first;
    if (Take(",")) *max = TakeNumber().value_or(RegexNode::kNoMax);
    return Take("}");
  }

  Result<RegexNode> Atom() {
    if (Take("^")) return RegexNode{.kind = RegexNode::Kind::kBegin};
    if (Take("$")) return RegexNode{.kind = RegexNode::Kind::kEnd};
    if (Take(".")) return ClassNode(Negated(kLineEnds));
    if (Take("[")) return Class();
    if (Take("(")) return Group();
    if (Take("\\")) {
      MIMO_ASSIGN_OR_RETURN(CodePointRanges ranges, Escape(false));
      return ClassNode(std::move(ranges));
    }
    if (Peek() == '*' || Peek() == '+' || Peek() == '?') return Wrong("nothing to repeat");
    const uint32_t c = TakeCodePoint();
    return ClassNode({{c, c}});
  }

  Result<RegexNode> Group() {
    std::optional<bool> negated;
    if (Take("?:")) {
    } else if (Take("?=")) {
      negated = false;
    } else if (Take("?!")) {
      negated = true;
    } else if (Take("?<=") || Take("?<!")) {
      return Wrong("look-behind is not supported");
    } else if (Take("?<") || Take("?P<")) {
      while (!AtEnd() && Peek() != '>') ++position_;
      if (!Take(">")) return Wrong("a group name without its '>'");
    } else if (Peek() == '?') {
      return Wrong("a group of this kind is not supported");
    }
    MIMO_ASSIGN_OR_RETURN(RegexNode inner, Alternation());
    if (!Take(")")) return Wrong("a '(' without its ')'");
    if (!negated) return inner;
    RegexNode lookahead = {.kind = RegexNode::Kind::kLookahead, .negated = *negated};
    lookahead.children.push_back(std::move(inner));
    return lookahead;
  }

  Result<RegexNode> Class() {
    const bool is_negated = Take("^");
    CodePointRanges ranges;
    while (!Take("]")) {
      if (AtEnd()) return Wrong("a '[' without its ']'");
      MIMO_ASSIGN_OR_RETURN(const CodePointRanges low, ClassAtom());
      const bool is_range = Peek() == '-' && text_.substr(position_, 2) != "-]";
      if (!is_range) {
        ranges.insert(ranges.end(), low.begin(), low.end());
        continue;
      }
      Take("-");
      if (AtEnd()) return Wrong("a '[' without its ']'");
      MIMO_ASSIGN_OR_RETURN(const CodePointRanges high, ClassAtom());
      const bool are_points = low.size() == 1 && low[0].first == low[0].second && high.size() == 1 &&
                              high[0].first == high[0].second;
      if (!are_points || low[0].first > high[0].first) return Wrong("a range that is none");
      ranges.emplace_back(low[0].first, high[0].first);
    }
    ranges = Normalized(std::move(ranges));
    return ClassNode(is_negated ? Negated(ranges) : ranges);
  }

  Result<CodePointRanges> ClassAtom() {
    if (Take("\\")) return Escape(true);
    const uint32_t c = TakeCodePoint();
    return CodePointRanges{{c, c}};
  }

  // After the backslash.
  Result<CodePointRanges> Escape(bool in_class) {
    if (AtEnd()) return Wrong("a backslash at the end");
    const uint32_t c = TakeCodePoint();
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return Negated(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return Negated(kWord);
      case 's':
        return kSpaces;
      case 'S':
        return Negated(kSpaces);
      case 'p':
      case 'P':
        return Property(c == 'P');
      default:
        break;
    }
    if (c == 'b' && in_class) return CodePointRanges{{'\b', '\b'}};
    MIMO_ASSIGN_OR_RETURN(const uint32_t point, EscapedCodePoint(c));
    return CodePointRanges{{point, point}};
  }

  Result<uint32_t> EscapedCodePoint(uint32_t c) {
    switch (c) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case '0':
        return '\0';
      case 'c':
        if (!((Peek() >= 'a' && Peek() <= 'z') || (Peek() >= 'A' && Peek() <= 'Z'))) {
          return Wrong("\\c without a letter");
        }
        return static_cast<uint32_t>(text_[position_++]) % 32;
      case 'x':
        return Hex(2);
      case 'u':
        return Unicode();
      case 'b':
      case 'B':
        return Wrong("\\b and \\B are not supported");
      case 'k':
        return Wrong("back references are not supported");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return Wrong("back references are not supported");
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (is_letter) return Wrong("an unknown escape");
    return c;
  }

  Result<uint32_t> Hex(size_t num_digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < num_digits; ++i) {
      const int digit = HexDigit(Peek());
      if (AtEnd() || digit < 0) return Wrong("too few hexadecimal digits");
      value = value * 16 + static_cast<uint32_t>(digit);
      ++position_;
    }
    return value;
  }

  Result<uint32_t> Unicode() {
    if (Take("{")) {
      uint32_t value = 0;
      while (HexDigit(Peek()) >= 0 && !AtEnd() && value <= kLastCodePoint) {
        value = value * 16 + static_cast<uint32_t>(HexDigit(text_[position_++]));
      }
      if (!Take("}") || value > kLastCodePoint) return Wrong("a code point that is none");
      return value;
    }
    MIMO_ASSIGN_OR_RETURN(const uint32_t first, Hex(4));
    const bool is_pair = first >= 0xD800 && first < 0xDC00 && Take("\\u");
    if (!is_pair) return first;
    MIMO_ASSIGN_OR_RETURN(const uint32_t second, Hex(4));
    if (second < 0xDC00 || second > 0xDFFF) return Wrong("a surrogate without its other half");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  Result<CodePointRanges> Property(bool is_negated) {
    if (!Take("{")) return Wrong("\\p without a name in braces");
    const size_t end = text_.find('}', position_);
    if (end == std::string_view::npos) return Wrong("\\p without a name in braces");
    const std::string_view name = text_.substr(position_, end - position_);
    CodePointRanges ranges;
    if (name == "L" || name == "Letter") {
      ranges = WithFlag(kLetter);
    } else if (name == "N" || name == "Number") {
      ranges = WithFlag(kNumber);
    } else if (name == "ASCII") {
      ranges = {{0, 0x7F}};
    } else {
      return Wrong("of the Unicode properties only L, N and ASCII are supported");
    }
    position_ = end + 1;
    return is_negated ? Negated(ranges) : ranges;
  }

  std::string_view text_;
  size_t position_ = 0;
  size_t nesting_left_;
};

}  // namespace

Result<RegexNode> ParseRegex(std::string_view pattern, size_t nesting_max) {
  return Parser(pattern, nesting_max).Parse();
}

}  // namespace mimo

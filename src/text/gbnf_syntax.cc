#include "text/gbnf_syntax.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "text/hex_digit.h"
#include "text/unicode.h"

namespace mimo {
namespace {

using Kind = RegexNode::Kind;

constexpr uint32_t kRepeatMax = 100'000;
constexpr uint32_t kLastCodePoint = 0x10FFFF;

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class Parser {
 public:
  Parser(std::string_view source, size_t nesting_max) : text_(source), nesting_left_(nesting_max) {}

  Result<std::vector<GbnfRule>> Parse() {
    if (!IsValidUtf8(text_)) return InvalidArgument("the grammar is not UTF-8");
    for (SkipSpace(true); !AtEnd(); SkipSpace(true)) {
      const std::string name = TakeName();
      if (name.empty()) return Wrong("a rule name is missing");
      SkipSpace(false);
      if (!Take("::=")) return Wrong("'::=' is missing after '" + name + "'");
      SkipSpace(true);
      const uint32_t rule = RuleOf(name);
      if (rules_[rule].defined) return Wrong("the rule '" + name + "' is defined twice");
      rules_[rule].defined = true;
      rules_[rule].line = Line();
      MIMO_ASSIGN_OR_RETURN(RegexNode body, Alternation(false));
      rules_[rule].body = std::move(body);
      if (!AtEnd() && Peek() != '\n' && Peek() != '\r') return Wrong("something that is no part of a rule");
    }
    for (const GbnfRule& rule : rules_) {
      if (rule.defined) continue;
      return InvalidArgument("grammar, line {}: the rule '{}' is not defined", rule.line, rule.name);
    }
    return std::move(rules_);
  }

 private:
  bool AtEnd() const { return position_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[position_]; }
  bool Take(std::string_view token) {
    if (!text_.substr(position_).starts_with(token)) return false;
    position_ += token.size();
    return true;
  }
  size_t Line() const {
    return 1 + static_cast<size_t>(
                   std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(position_), '\n'));
  }
  tl::unexpected<Error> Wrong(std::string_view what) const {
    return InvalidArgument("grammar, line {}: {}", Line(), what);
  }

  void SkipSpace(bool lines_too) {
    while (!AtEnd()) {
      if (Peek() == '#') {
        while (!AtEnd() && Peek() != '\n') ++position_;
      } else if (Peek() == ' ' || Peek() == '\t' || (lines_too && (Peek() == '\n' || Peek() == '\r'))) {
        ++position_;
      } else {
        return;
      }
    }
  }

  std::string TakeName() {
    const size_t begin = position_;
    while (IsNameByte(Peek())) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
  }

  uint32_t RuleOf(const std::string& name) {
    const auto [it, is_new] = numbers_.emplace(name, static_cast<uint32_t>(rules_.size()));
    if (is_new) rules_.push_back({.name = name, .line = Line()});
    return it->second;
  }

  Result<RegexNode> Alternation(bool in_group) {
    if (nesting_left_ == 0) return Wrong("groups are nested too deeply");
    --nesting_left_;
    RegexNode node = {.kind = Kind::kAlternation};
    for (;;) {
      MIMO_ASSIGN_OR_RETURN(RegexNode branch, Concat(in_group));
      node.children.push_back(std::move(branch));
      if (!Take("|")) break;
      SkipSpace(true);
    }
    ++nesting_left_;
    if (node.children.size() > 1) return node;
    RegexNode only = std::move(node.children[0]);
    return only;
  }

  Result<RegexNode> Concat(bool in_group) {
    RegexNode node = {.kind = Kind::kConcat};
    for (SkipSpace(in_group); !AtEnd(); SkipSpace(in_group)) {
      const char c = Peek();
      if (c == '|' || c == ')' || c == '\n' || c == '\r') break;
      MIMO_ASSIGN_OR_RETURN(RegexNode atom, Atom());
      MIMO_RETURN_IF_ERROR(Quantifier(&atom));
      node.children.push_back(std::move(atom));
    }
    return node;
  }

  Result<RegexNode> Atom() {
    if (Take("\"")) return Literal();
    if (Take("[")) return Class();
    if (Take(".")) return RegexNode{.kind = Kind::kClass, .ranges = {{0, kLastCodePoint}}};
    if (Take("(")) {
      MIMO_ASSIGN_OR_RETURN(RegexNode inner, Alternation(true));
      if (!Take(")")) return Wrong("a '(' without its ')'");
      return inner;
    }
    const std::string name = TakeName();
    if (name.empty()) return Wrong("something that is no part of a rule");
    return RegexNode{.kind = Kind::kRule, .rule = RuleOf(name)};
  }

  Result<RegexNode> Literal() {
    RegexNode node = {.kind = Kind::kConcat};
    while (!Take("\"")) {
      if (AtEnd() || Peek() == '\n') return Wrong("a '\"' without its other");
      MIMO_ASSIGN_OR_RETURN(const uint32_t c, Character());
      node.children.push_back({.kind = Kind::kClass, .ranges = {{c, c}}});
    }
    return node;
  }

  Result<RegexNode> Class() {
    const bool is_negated = Take("^");
    CodePointRanges ranges;
    while (!Take("]")) {
      if (AtEnd() || Peek() == '\n') return Wrong("a '[' without its ']'");
      MIMO_ASSIGN_OR_RETURN(const uint32_t low, Character());
      uint32_t high = low;
      if (Peek() == '-' && text_.substr(position_, 2) != "-]") {
        Take("-");
        if (AtEnd()) return Wrong("a '[' without its ']'");
        MIMO_ASSIGN_OR_RETURN(high, Character());
        if (low > high) return Wrong("a range that is none");
      }
      ranges.emplace_back(low, high);
    }
    std::sort(ranges.begin(), ranges.end());
    if (!is_negated) return RegexNode{.kind = Kind::kClass, .ranges = std::move(ranges)};
    CodePointRanges others;
    uint32_t next = 0;
    for (const auto& [low, high] : ranges) {
      if (low > next) others.emplace_back(next, low - 1);
      next = std::max(next, high + 1);
    }
    if (next <= kLastCodePoint) others.emplace_back(next, kLastCodePoint);
    return RegexNode{.kind = Kind::kClass, .ranges = std::move(others)};
  }

  Result<uint32_t> Character() {
    if (!Take("\\")) {
      const CodePoint c = DecodeUtf8(text_, position_);
      position_ += c.length;
      return c.value;
    }
    const char c = Peek();
    if (AtEnd()) return Wrong("a backslash at the end");
    ++position_;
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return Hex(2);
      case 'u':
        return Hex(4);
      case 'U':
        return Hex(8);
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
        return static_cast<uint32_t>(c);
      default:
        return Wrong("an unknown escape");
    }
  }

  Result<uint32_t> Hex(size_t num_digits) {
    uint32_t value = 0;
    for (size_t i = 0; i < num_digits; ++i) {
      const int digit = HexDigit(Peek());
      if (AtEnd() || digit < 0) return Wrong("too few hexadecimal digits");
      value = value * 16 + static_cast<uint32_t>(digit);
      ++position_;
    }
    if (value > kLastCodePoint) return Wrong("a code point that is none");
    return value;
  }

  std::optional<uint32_t> TakeNumber() {
    uint32_t value = 0;
    const size_t begin = position_;
    while (Peek() >= '0' && Peek() <= '9' && value <= kRepeatMax) {
      value = value * 10 + static_cast<uint32_t>(text_[position_++] - '0');
    }
    if (position_ == begin) return std::nullopt;
    return value;
  }

  Status Quantifier(RegexNode* atom) {
    uint32_t min = 0;
    uint32_t max = RegexNode::kNoMax;
    if (Take("*")) {
    } else if (Take("+")) {
      min = 1;
    } else if (Take("?")) {
      max = 1;
    } else if (Take("{")) {
      const std::optional<uint32_t> first = TakeNumber();
      if (!first) return Wrong("a repetition without a number");
      min = max = *first;
      if (Take(",")) max = TakeNumber().value_or(RegexNode::kNoMax);
      if (!Take("}")) return Wrong("a '{' without its '}'");
      if (min > max) return Wrong("a repetition with its maximum below its minimum");
      if (min > kRepeatMax || (max > kRepeatMax && max != RegexNode::kNoMax)) {
        return Wrong("a repetition of more than 100000");
      }
    } else {
      return {};
    }
    RegexNode repeat = {.kind = Kind::kRepeat, .repeat_min = min, .repeat_max = max};
    repeat.children.push_back(std::move(*atom));
    *atom = std::move(repeat);
    return {};
  }

  std::string_view text_;
  size_t position_ = 0;
  size_t nesting_left_;
  std::vector<GbnfRule> rules_;
  std::map<std::string, uint32_t> numbers_;
};

}  // namespace

Result<std::vector<GbnfRule>> ParseGbnf(std::string_view source, size_t nesting_max) {
  return Parser(source, nesting_max).Parse();
}

}  // namespace mimo

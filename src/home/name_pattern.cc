#include "home/name_pattern.h"

#include <algorithm>
#include <optional>

namespace mimo {
namespace {

constexpr size_t kSpellingsMax = 1024;
constexpr size_t kDepthMax = 16;  // nesting of brackets; a deeper pattern is taken as plain text

using Spellings = std::vector<std::string>;

Spellings Product(const Spellings& heads, const Spellings& tails) {
  Spellings product;
  for (const std::string& head : heads) {
    for (const std::string& tail : tails) {
      if (product.size() == kSpellingsMax) return product;
      product.push_back(head + tail);
    }
  }
  return product;
}

void Append(Spellings& spellings, const Spellings& more) {
  const size_t count = std::min(more.size(), kSpellingsMax - std::min(spellings.size(), kSpellingsMax));
  spellings.insert(spellings.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(count));
}

// Recursive descent: alternatives = sequence { "|" sequence }; a sequence is text, (...) and [...].
class PatternParser {
 public:
  explicit PatternParser(std::string_view pattern) : rest_(pattern) {}

  std::optional<Spellings> Parse() {
    std::optional<Spellings> spellings = ParseAlternatives(0);
    if (!spellings || !rest_.empty()) return std::nullopt;
    return spellings;
  }

 private:
  std::optional<Spellings> ParseAlternatives(size_t depth) {
    if (depth > kDepthMax) return std::nullopt;
    Spellings all;
    while (true) {
      const std::optional<Spellings> sequence = ParseSequence(depth);
      if (!sequence) return std::nullopt;
      Append(all, *sequence);
      if (rest_.empty() || rest_.front() != '|') return all;
      rest_.remove_prefix(1);
    }
  }

  std::optional<Spellings> ParseSequence(size_t depth) {
    Spellings spellings = {""};
    while (!rest_.empty() && std::string_view("|)]").find(rest_.front()) == std::string_view::npos) {
      const char open = rest_.front();
      if (open != '(' && open != '[') {
        const std::string text(rest_.substr(0, rest_.find_first_of("|()[]")));
        for (std::string& spelling : spellings) spelling += text;
        rest_.remove_prefix(text.size());
        continue;
      }
      rest_.remove_prefix(1);
      const std::optional<Spellings> inner = ParseAlternatives(depth + 1);
      if (!inner || rest_.empty() || rest_.front() != (open == '(' ? ')' : ']')) return std::nullopt;
      rest_.remove_prefix(1);
      Spellings group;
      if (open == '[') group.emplace_back();
      Append(group, *inner);
      spellings = Product(spellings, group);
    }
    return spellings;
  }

  std::string_view rest_;
};

std::string WithSingleBlanks(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == ' ' && (result.empty() || result.back() == ' ')) continue;
    result += c;
  }
  while (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

}  // namespace

std::vector<std::string> NameSpellings(std::string_view pattern) {
  std::optional<Spellings> spellings = PatternParser(pattern).Parse();
  if (!spellings) spellings = Spellings{std::string(pattern)};
  for (std::string& spelling : *spellings) spelling = WithSingleBlanks(spelling);
  return *std::move(spellings);
}

std::string FirstSpelling(std::string_view pattern) { return NameSpellings(pattern).front(); }

}  // namespace mimo

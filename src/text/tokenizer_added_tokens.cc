#include "text/tokenizer_added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace mimo {
namespace {

bool HasFlag(const CodePoint& code_point, CodePointFlags flag) {
  return code_point.value != CodePoint::kInvalid && (CodePointFlagTable()[code_point.value] & flag) != 0;
}

// Start of the code point that ends at `end`. Requires: end > 0.
size_t PreviousCodePoint(std::string_view text, size_t end) {
  for (size_t length = 1; length <= std::min<size_t>(4, end); ++length) {
    if (DecodeUtf8(text.substr(0, end), end - length).length == length && length > 1) return end - length;
  }
  return end - 1;
}

bool TouchesWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && HasFlag(DecodeUtf8(text, PreviousCodePoint(text, begin)), kWordCharacter)) return true;
  return end < text.size() && HasFlag(DecodeUtf8(text, end), kWordCharacter);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<TokenizerData::AddedToken> tokens)
    : tokens_(std::move(tokens)) {
  nodes_.emplace_back();
  for (uint32_t i = 0; i < tokens_.size(); ++i) Insert(i);
}

uint32_t AddedTokenMatcher::Child(uint32_t node, uint8_t byte) const {
  uint32_t child = nodes_[node].first_child;
  while (child != kNone && nodes_[child].byte != byte) child = nodes_[child].next_sibling;
  return child;
}

void AddedTokenMatcher::Insert(uint32_t token_index) {
  const std::string& content = tokens_[token_index].content;
  begins_token_[static_cast<uint8_t>(content.front())] = true;
  uint32_t node = 0;
  for (const char c : content) {
    const auto byte = static_cast<uint8_t>(c);
    uint32_t child = Child(node, byte);
    if (child == kNone) {
      child = static_cast<uint32_t>(nodes_.size());
      nodes_.push_back({byte, kNone, nodes_[node].first_child, kNone});
      nodes_[node].first_child = child;
    }
    node = child;
  }
  nodes_[node].token = token_index;
}

AddedTokenMatcher::Match AddedTokenMatcher::LongestAt(std::string_view text, size_t position) const {
  Match longest;
  uint32_t node = 0;
  for (size_t i = position; i < text.size(); ++i) {
    node = Child(node, static_cast<uint8_t>(text[i]));
    if (node == kNone) break;
    if (nodes_[node].token != kNone) longest = {nodes_[node].token, i + 1 - position};
  }
  return longest;
}

std::vector<TextPart> AddedTokenMatcher::Split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;  // everything before is in `parts`
  size_t position = 0;
  while (position < text.size()) {
    if (!begins_token_[static_cast<uint8_t>(text[position])]) {
      ++position;
      continue;
    }
    const Match match = LongestAt(text, position);
    if (match.token == kNone) {
      ++position;
      continue;
    }
    const TokenizerData::AddedToken& token = tokens_[match.token];
    size_t begin = position;
    size_t end = position + match.length;
    position = end;
    // The text of a refused match is not searched again: a shorter token inside it is not found either.
    if (token.single_word && TouchesWord(text, begin, end)) continue;
    while (token.lstrip && begin > done) {
      const size_t previous = PreviousCodePoint(text, begin);
      if (!HasFlag(DecodeUtf8(text, previous), kWhiteSpace)) break;
      begin = previous;
    }
    while (token.rstrip && end < text.size()) {
      const CodePoint next = DecodeUtf8(text, end);
      if (!HasFlag(next, kWhiteSpace)) break;
      end += next.length;
    }
    position = end;
    if (done < begin) parts.push_back({text.substr(done, begin - done), std::nullopt});
    parts.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), std::nullopt});
  return parts;
}

}  // namespace mimo

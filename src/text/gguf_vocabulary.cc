#include "text/gguf_vocabulary.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "text/tokenizer_limits.h"

namespace mimo {
namespace {

// On-disk values of tokenizer.ggml.token_type: never renumber.
constexpr int32_t kNormal = 1;
constexpr int32_t kControl = 3;
constexpr int32_t kUserDefined = 4;
constexpr int32_t kUnused = 5;

bool IsAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

Status CheckAddedToken(const TokenizerData::AddedToken& token) {
  if (token.id >= kVocabularySizeMax) {
    return InvalidArgument("added token '{}': id {} is above {}", token.content, token.id,
                           kVocabularySizeMax - 1);
  }
  // NFC leaves ASCII as it is, so that such a token is found in either text.
  const bool is_plain =
      !token.lstrip && !token.rstrip && !token.single_word && (!token.normalized || IsAscii(token.content));
  if (is_plain) return {};
  return Unimplemented(
      "added token '{}': lstrip, rstrip, single_word or normalized cannot be written in a GGUF file",
      token.content);
}

Status CheckMerges(const TokenizerData& data) {
  std::unordered_set<std::string_view> added;
  for (const TokenizerData::AddedToken& token : data.added_tokens) added.insert(token.content);
  for (const auto& [left, right] : data.merges) {
    if (added.contains(left) || added.contains(right) || added.contains(left + right)) {
      return Unimplemented("added token of the merge '{} {}' cannot be written in a GGUF file", left, right);
    }
  }
  return {};
}

}  // namespace

Result<OwnedGgufVocabulary> GgufVocabularyFrom(const TokenizerData& data) {
  if (!data.normalize_nfc) {
    return Unimplemented("a tokenizer without NFC normalisation cannot be written in a GGUF file");
  }
  MIMO_RETURN_IF_ERROR(CheckMerges(data));
  OwnedGgufVocabulary vocabulary;
  vocabulary.pre_tokenizer = "qwen2";
  vocabulary.tokens = data.tokens;
  vocabulary.token_types.assign(data.tokens.size(), kNormal);
  for (const TokenizerData::AddedToken& token : data.added_tokens) {
    MIMO_RETURN_IF_ERROR(CheckAddedToken(token));
    if (vocabulary.tokens.size() <= token.id) {
      vocabulary.tokens.resize(size_t{token.id} + 1);
      vocabulary.token_types.resize(size_t{token.id} + 1, kNormal);
    }
    vocabulary.tokens[token.id] = token.content;
    vocabulary.token_types[token.id] = token.special ? kControl : kUserDefined;
  }
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (!vocabulary.tokens[id].empty()) continue;
    vocabulary.tokens[id] = fmt::format("[PAD{}]", id);
    vocabulary.token_types[id] = kUnused;
  }
  vocabulary.merges.reserve(data.merges.size());
  for (const auto& [left, right] : data.merges)
    vocabulary.merges.push_back(fmt::format("{} {}", left, right));
  return vocabulary;
}

}  // namespace mimo

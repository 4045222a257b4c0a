// The asset (assets/README.md) holds only the merges, as pairs of ids. In Qwen2's vocabulary the first 256
// tokens are the bytes in the order of their symbols, and token 256 + i is what merge i makes; so the merges
// say it all.

#include "text/builtin_vocabulary.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <unordered_set>

#include "text/bpe_byte_alphabet.h"
#include "text/builtin_vocabulary_asset.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr size_t kNumMerges = 151387;
constexpr size_t kNumPlanes = 6;  // bytes 0, 1, 2 of the left id, then of the right id
constexpr uint32_t kNumBytes = 256;

struct AddedTokenRow {
  TokenId id;
  const char* content;
  bool special;
};

// Ids and texts as published with Qwen2.5-Coder and MiMo-V2. What a reply is parsed for (tool calls,
// reasoning) is not special: it belongs to the text. The marks of MiMo's audio and video are, like those of
// Qwen2's images.
constexpr AddedTokenRow kAddedTokens[] = {
    {151643, "<|endoftext|>", true},
    {151644, "<|im_start|>", true},
    {151645, "<|im_end|>", true},
    {151646, "<|object_ref_start|>", true},
    {151647, "<|object_ref_end|>", true},
    {151648, "<|box_start|>", true},
    {151649, "<|box_end|>", true},
    {151650, "<|quad_start|>", true},
    {151651, "<|quad_end|>", true},
    {151652, "<|vision_start|>", true},
    {151653, "<|vision_end|>", true},
    {151654, "<|vision_pad|>", true},
    {151655, "<|image_pad|>", true},
    {151656, "<|video_pad|>", true},
    {151657, "<tool_call>", false},
    {151658, "</tool_call>", false},
    {151659, "<|fim_prefix|>", false},
    {151660, "<|fim_middle|>", false},
    {151661, "<|fim_suffix|>", false},
    {151662, "<|fim_pad|>", false},
    {151663, "<|repo_name|>", false},
    {151664, "<|file_sep|>", false},
    {151665, "<tool_response>", false},
    {151666, "</tool_response>", false},
    {151667, "<think>", false},
    {151668, "</think>", false},
    {151669, "<|audio_pad|>", true},
    {151670, "<|mimo_video_start|>", true},
    {151671, "<|mimo_video_end|>", true},
    {151672, "<|mimo_audio_eod|>", true},
    {151673, "<|mimo_audio_start|>", true},
    {151674, "<|mimo_audio_end|>", true},
};

std::vector<std::string> ByteTokens() {
  std::vector<uint32_t> symbols;
  for (uint32_t byte = 0; byte < kNumBytes; ++byte) symbols.push_back(ByteSymbol(static_cast<uint8_t>(byte)));
  std::sort(symbols.begin(), symbols.end());
  std::vector<std::string> tokens(kNumBytes);
  for (size_t i = 0; i < symbols.size(); ++i) AppendUtf8(symbols[i], tokens[i]);
  return tokens;
}

}  // namespace

Result<TokenizerData> BuiltinMimoVocabulary() {
  const std::span<const uint8_t> asset = Qwen2VocabularyAsset();
  std::vector<uint8_t> planes(kNumMerges * kNumPlanes);
  const size_t size = ZSTD_decompress(planes.data(), planes.size(), asset.data(), asset.size());
  if (size != planes.size()) return DataLoss("built-in vocabulary: damaged; install the program again");

  TokenizerData data;
  data.tokens = ByteTokens();
  data.tokens.reserve(kNumBytes + kNumMerges);
  data.merges.reserve(kNumMerges);
  const auto id_at = [&](size_t plane, size_t merge) {
    uint32_t id = 0;
    for (size_t i = 0; i < 3; ++i) id |= uint32_t{planes[(plane + i) * kNumMerges + merge]} << (8 * i);
    return id;
  };
  for (size_t i = 0; i < kNumMerges; ++i) {
    const uint32_t left = id_at(0, i);
    const uint32_t right = id_at(3, i);
    if (left >= data.tokens.size() || right >= data.tokens.size()) {
      return DataLoss("built-in vocabulary: merge {} is damaged; install the program again", i);
    }
    data.merges.emplace_back(data.tokens[left], data.tokens[right]);
    data.tokens.push_back(data.tokens[left] + data.tokens[right]);
  }
  for (const AddedTokenRow& row : kAddedTokens) {
    data.added_tokens.push_back({.id = row.id, .content = row.content, .special = row.special});
  }
  return data;
}

Result<TokenizerData> TruncateVocabulary(const TokenizerData& data, uint32_t vocab_size) {
  size_t end = data.tokens.size();
  for (const TokenizerData::AddedToken& token : data.added_tokens)
    end = std::max<size_t>(end, size_t{token.id} + 1);
  if (end <= vocab_size) return data;
  const size_t num_added = data.added_tokens.size();
  if (vocab_size < kNumBytes + num_added) {
    return InvalidArgument("vocabulary size {}: must be at least {}, for the bytes and {} added tokens",
                           vocab_size, kNumBytes + num_added, num_added);
  }
  TokenizerData truncated;
  truncated.normalize_nfc = data.normalize_nfc;
  const size_t num_kept = std::min<size_t>(vocab_size - num_added, data.tokens.size());
  truncated.tokens.assign(data.tokens.begin(), data.tokens.begin() + static_cast<std::ptrdiff_t>(num_kept));
  truncated.added_tokens = data.added_tokens;
  for (size_t i = 0; i < num_added; ++i) {
    const TokenId old_id = data.added_tokens[i].id;
    if (old_id < num_kept) truncated.tokens[old_id].clear();
    truncated.added_tokens[i].id = static_cast<TokenId>(vocab_size - num_added + i);
  }
  const std::unordered_set<std::string_view> kept(truncated.tokens.begin(), truncated.tokens.end());
  for (const auto& merge : data.merges) {
    if (kept.contains(merge.first) && kept.contains(merge.second) &&
        kept.contains(merge.first + merge.second)) {
      truncated.merges.push_back(merge);
    }
  }
  return truncated;
}

}  // namespace mimo

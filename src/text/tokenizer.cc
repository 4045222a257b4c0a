#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/check.h"
#include "text/bpe.h"
#include "text/bpe_byte_alphabet.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_added_tokens.h"
#include "text/tokenizer_limits.h"
#include "text/unicode.h"

namespace mimo {

struct Tokenizer::Impl {
  BpeEncoder encoder;
  AddedTokenMatcher original_tokens;    // looked for in the text as it came
  AddedTokenMatcher normalized_tokens;  // looked for after normalisation
  bool normalize_nfc;
  std::vector<std::string> bytes;  // [vocabulary size], added tokens included
  std::vector<bool> special;       // [vocabulary size]
  std::unordered_map<std::string, TokenId> added_ids;

  void EncodePieces(std::string_view text, BpeEncoder::Scratch& scratch, std::vector<TokenId>& out) const {
    PreTokenizer pieces(text);
    for (std::string_view piece = pieces.Next(); !piece.empty(); piece = pieces.Next()) {
      encoder.Encode(piece, scratch, out);
    }
  }
};

namespace {

Status CheckAddedTokens(const TokenizerData& data) {
  std::unordered_set<TokenId> ids;
  std::unordered_map<std::string_view, TokenId> contents;
  for (const TokenizerData::AddedToken& token : data.added_tokens) {
    if (token.content.empty() || token.content.size() > kAddedTokenBytesMax || !IsValidUtf8(token.content)) {
      return InvalidArgument("added token {}: its content must be 1 to {} bytes of UTF-8", token.id,
                             kAddedTokenBytesMax);
    }
    if (token.id >= kVocabularySizeMax) {
      return InvalidArgument("added token '{}': id {} is above {}", token.content, token.id,
                             kVocabularySizeMax - 1);
    }
    if (!ids.insert(token.id).second) return InvalidArgument("added tokens: id {} is there twice", token.id);
    if (!contents.emplace(token.content, token.id).second) {
      return InvalidArgument("added tokens: '{}' is there twice", token.content);
    }
    if (token.id < data.tokens.size() && !data.tokens[token.id].empty() &&
        data.tokens[token.id] != token.content) {
      return InvalidArgument("added token '{}': id {} is already '{}' in the vocabulary", token.content,
                             token.id, data.tokens[token.id]);
    }
  }
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    const auto added = contents.find(data.tokens[id]);
    if (added == contents.end() || added->second == id) continue;
    return InvalidArgument("added token '{}' (id {}): the vocabulary has it as id {}", added->first,
                           added->second, id);
  }
  return {};
}

// The bytes of the tokens that merges can produce. A vocabulary may list an added token too; its text needs
// no byte alphabet, and where it is not in it no merge can produce it.
Result<std::vector<std::string>> DecodeTokens(const TokenizerData& data) {
  std::unordered_set<TokenId> added_ids;
  for (const TokenizerData::AddedToken& token : data.added_tokens) added_ids.insert(token.id);
  std::vector<std::string> bytes(data.tokens.size());
  for (TokenId id = 0; id < data.tokens.size(); ++id) {
    if (data.tokens[id].empty()) continue;
    std::optional<std::string> decoded = DecodeByteAlphabet(data.tokens[id]);
    const bool added = added_ids.contains(id);
    if (!decoded && added) continue;
    if (!decoded) return InvalidArgument("vocabulary: token {} is not written in the byte alphabet", id);
    if (added && *decoded != data.tokens[id]) {
      return InvalidArgument("added token '{}' (id {}): the vocabulary gives this id other bytes",
                             data.tokens[id], id);
    }
    bytes[id] = *std::move(decoded);
  }
  return bytes;
}

Result<std::vector<BpeMerge>> ResolveMerges(const TokenizerData& data) {
  std::unordered_map<std::string_view, TokenId> ids;
  ids.reserve(data.tokens.size());
  for (TokenId id = 0; id < data.tokens.size(); ++id) ids.emplace(data.tokens[id], id);
  std::vector<BpeMerge> merges;
  merges.reserve(data.merges.size());
  for (const auto& [left, right] : data.merges) {
    const auto left_id = ids.find(left);
    const auto right_id = ids.find(right);
    const auto joined_id = ids.find(left + right);
    if (left.empty() || right.empty() || left_id == ids.end() || right_id == ids.end() ||
        joined_id == ids.end()) {
      return InvalidArgument("merge {}: '{}' and '{}' must be tokens and join to one", merges.size(), left,
                             right);
    }
    merges.push_back({left_id->second, right_id->second, joined_id->second});
  }
  return merges;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Result<Tokenizer> Tokenizer::Create(TokenizerData data) {
  if (data.tokens.size() > kVocabularySizeMax || data.merges.size() > kVocabularySizeMax) {
    return InvalidArgument("vocabulary: {} tokens and {} merges, of which this program takes {} each",
                           data.tokens.size(), data.merges.size(), kVocabularySizeMax);
  }
  MIMO_RETURN_IF_ERROR(CheckAddedTokens(data));
  MIMO_ASSIGN_OR_RETURN(std::vector<std::string> bytes, DecodeTokens(data));
  MIMO_ASSIGN_OR_RETURN(const std::vector<BpeMerge> merges, ResolveMerges(data));
  MIMO_ASSIGN_OR_RETURN(BpeEncoder encoder, BpeEncoder::Create(bytes, merges));

  std::vector<TokenizerData::AddedToken> original;
  std::vector<TokenizerData::AddedToken> normalized;
  std::unordered_map<std::string, TokenId> added_ids;
  std::unordered_set<std::string> normalized_contents;
  std::vector<bool> special(bytes.size());
  for (TokenizerData::AddedToken& token : data.added_tokens) {
    if (token.id >= bytes.size()) {
      bytes.resize(token.id + 1);
      special.resize(token.id + 1);
    }
    bytes[token.id] = token.content;
    special[token.id] = token.special;
    added_ids.emplace(token.content, token.id);
    if (token.normalized && data.normalize_nfc) {
      std::string buffer;
      token.content = std::string(NormalizeNfc(token.content, buffer));
    }
    if (token.normalized && !normalized_contents.insert(token.content).second) {
      return InvalidArgument("added token {}: '{}' is another's too, once normalised", token.id,
                             token.content);
    }
    (token.normalized ? normalized : original).push_back(std::move(token));
  }
  return Tokenizer(std::make_unique<Impl>(Impl{std::move(encoder), AddedTokenMatcher(std::move(original)),
                                               AddedTokenMatcher(std::move(normalized)), data.normalize_nfc,
                                               std::move(bytes), std::move(special), std::move(added_ids)}));
}

std::vector<TokenId> Tokenizer::Encode(std::string_view text, AddedTokens added_tokens) const {
  const bool parse = added_tokens == AddedTokens::kParse;
  std::vector<TokenId> out;
  out.reserve(text.size() / 4 + 1);
  BpeEncoder::Scratch scratch;
  std::string buffer;
  const auto encode_normalized = [&](std::string_view part) {
    if (!parse || impl_->normalized_tokens.empty()) return impl_->EncodePieces(part, scratch, out);
    for (const TextPart& inner : impl_->normalized_tokens.Split(part)) {
      if (inner.id) {
        out.push_back(*inner.id);
      } else {
        impl_->EncodePieces(inner.text, scratch, out);
      }
    }
  };
  const auto encode_original = [&](std::string_view part) {
    encode_normalized(impl_->normalize_nfc ? NormalizeNfc(part, buffer) : part);
  };
  if (!parse || impl_->original_tokens.empty()) {
    encode_original(text);
    return out;
  }
  for (const TextPart& part : impl_->original_tokens.Split(text)) {
    if (part.id) {
      out.push_back(*part.id);
    } else {
      encode_original(part.text);
    }
  }
  return out;
}

std::string Tokenizer::Decode(std::span<const TokenId> tokens) const {
  std::string text;
  for (const TokenId token : tokens) text.append(TokenBytes(token));
  return text;
}

std::string_view Tokenizer::TokenBytes(TokenId token) const {
  return token < impl_->bytes.size() ? std::string_view(impl_->bytes[token]) : std::string_view();
}

bool Tokenizer::IsSpecial(TokenId token) const {
  return token < impl_->special.size() && impl_->special[token];
}

std::optional<TokenId> Tokenizer::Find(std::string_view content) const {
  if (const auto added = impl_->added_ids.find(std::string(content)); added != impl_->added_ids.end()) {
    return added->second;
  }
  const TokenId token = impl_->encoder.Find(content);
  if (token == BpeEncoder::kNone) return std::nullopt;
  return token;
}

uint32_t Tokenizer::vocab_size() const { return static_cast<uint32_t>(impl_->bytes.size()); }

}  // namespace mimo

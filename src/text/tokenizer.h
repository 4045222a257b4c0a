#pragma once
// text/: bytes <-> tokens, messages <-> prompt.
//
//   request -> ChatTemplate -> Tokenizer::Encode -> engine -> Detokenizer -> OutputParser -> reply
//
// Byte-level BPE as Qwen2 and MiMo use it: NFC, the Qwen2 split pattern, byte alphabet, ranked merges, added
// tokens.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

// The contents of a tokenizer.json or of GGUF's tokenizer.ggml.* keys, not yet checked.
struct TokenizerData {
  struct AddedToken {
    TokenId id = 0;
    std::string content;
    bool special = false;  // dropped from decoded text by default
    bool lstrip = false;   // takes the white space before it along
    bool rstrip = false;
    bool single_word = false;
    bool normalized = false;  // is looked for in the normalised text instead of the original
  };
  std::vector<std::string> tokens;  // [vocabulary size], in the byte-level alphabet; empty = no such id
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  std::vector<AddedToken> added_tokens;
  bool normalize_nfc = true;
};

// Reads Hugging Face's tokenizer.json (model.type "BPE", byte-level; merges as strings or pairs). A
// pre-tokenizer or normaliser that this program does not implement is kUnimplemented by name, never ignored.
Result<TokenizerData> ParseTokenizerJson(std::string_view json);

struct GgufVocabulary {
  std::span<const std::string> tokens;
  std::span<const int32_t> token_types;
  std::span<const std::string> merges;  // "left right"
  std::string_view pre_tokenizer;       // must be "qwen2"
};
Result<TokenizerData> TokenizerDataFromGguf(const GgufVocabulary& vocabulary);

enum class AddedTokens {
  kParse,      // "<|im_end|>" in the text becomes its id: for rendered templates
  kPlainText,  // the text is only text: for what users typed
};

// Immutable after Create; any thread may use it.
class Tokenizer {
 public:
  static Result<Tokenizer> Create(TokenizerData data);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Linear in the length of `text`, times a logarithm where it has no spaces. Invalid UTF-8 is encoded byte
  // by byte. Decode(Encode(s)) == NFC(s), unless an added token with lstrip or rstrip took white space.
  std::vector<TokenId> Encode(std::string_view text, AddedTokens added_tokens) const;

  // Concatenated bytes of the tokens; unknown ids give nothing. Special tokens are included.
  std::string Decode(std::span<const TokenId> tokens) const;

  // The raw bytes of one token; empty for ids outside the vocabulary. Valid for the tokenizer's life.
  std::string_view TokenBytes(TokenId token) const;
  bool IsSpecial(TokenId token) const;
  // The id of an added token or of a whole vocabulary entry given as bytes.
  std::optional<TokenId> Find(std::string_view content) const;
  uint32_t vocab_size() const;  // largest id + 1

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Turns a stream of tokens into text that never ends inside a code point. One per sequence.
class Detokenizer {
 public:
  // `tokenizer` must outlive this. Special tokens give no text when `skip_special`.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special);

  // The text that became complete with this token; may be empty.
  std::string Push(TokenId token);
  // What is left at the end; an unfinished code point becomes U+FFFD.
  std::string Finish();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_;
  std::string pending_;  // at most 3 bytes of an unfinished code point
};

}  // namespace mimo

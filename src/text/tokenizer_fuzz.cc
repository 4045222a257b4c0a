// The input is the text of a tokenizer.json. If it makes a tokenizer, the same bytes are encoded with it.

#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<TokenizerData> parsed = ParseTokenizerJson(text);
  if (!parsed) return 0;
  bool strips = false;  // an added token that swallows white space loses it for good
  for (const TokenizerData::AddedToken& token : parsed->added_tokens) strips |= token.lstrip || token.rstrip;
  const bool normalizes = parsed->normalize_nfc;
  const Result<Tokenizer> tokenizer = Tokenizer::Create(*std::move(parsed));
  if (!tokenizer) return 0;

  for (const std::string_view part : {text, text.substr(size / 2), text.substr(0, size / 3)}) {
    for (const AddedTokens added_tokens : {AddedTokens::kParse, AddedTokens::kPlainText}) {
      const std::vector<TokenId> ids = tokenizer->Encode(part, added_tokens);
      for (const TokenId id : ids) MIMO_CHECK(id < tokenizer->vocab_size());
      const bool lossless = !normalizes && (added_tokens == AddedTokens::kPlainText || !strips);
      if (lossless) MIMO_CHECK(tokenizer->Decode(ids) == part);
      Detokenizer detokenizer(*tokenizer, true);
      for (const TokenId id : ids) detokenizer.Push(id);
      detokenizer.Finish();
    }
  }
  return 0;
}

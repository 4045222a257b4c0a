// A mask allows exactly the tokens that a matcher takes, along a random text of a grammar, and the text never
// comes to a place from where it has no end. The first byte says what the rest is, the second how the text
// goes.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/gbnf.h"
#include "text/json_schema.h"
#include "text/regex_grammar.h"
#include "text/tokenizer_testutil.h"

namespace mimo {
namespace {

// Bytes, what JSON and patterns are made of, and pieces of the source, which its grammar is likely to take.
GrammarVocabulary MakeVocabulary(std::string_view source) {
  TokenizerData data = ByteVocabulary();
  std::vector<std::string> texts = {"{\"",      "\":",      "\",",
                                    "\", \"",   "\"}",      "}}",
                                    "[[",       "]]",       "],",
                                    ", ",       "\n\n",     "\n ",
                                    "  ",       "    ",     "10",
                                    "123",      "0.",       "-1",
                                    "1e",       "the",      " the",
                                    "a b",      "ab",       "ba",
                                    "Ab",       "_a",       "\\n",
                                    "\\u00",    "\xC3\xA4", "\xE4\xB8\xAD",
                                    "\xE4\xB8", "\xAD\xE6", "\xF0\x9F\x98\x80",
                                    "true",     "null"};
  for (size_t size = 2; size <= 32; size += 1 + size / 4) {
    for (const char c : {'a', 'z', 'A', ' ', '7'}) texts.emplace_back(size, c);
  }
  for (size_t begin = 0; begin < std::min<size_t>(source.size(), 64); begin += 2) {
    texts.emplace_back(source.substr(begin, 2 + begin % 5));
    texts.push_back(" " + texts.back());
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  for (const std::string& text : texts) {
    if (text.size() > 1) data.tokens.push_back(EncodeByteAlphabet(text));
  }
  return GrammarVocabulary(MakeTokenizer(std::move(data)));
}

Result<GrammarPtr> Compile(uint8_t kind, std::string_view source) {
  const GrammarLimits limits = {.work_max = 300'000};
  if (kind % 3 == 0) return GrammarFromRegex(source, limits);
  if (kind % 3 == 1) return GrammarFromGbnf(source, limits);
  MIMO_ASSIGN_OR_RETURN(const Json schema, ParseJson(source));
  return GrammarFromJsonSchema(schema, limits);
}

void CheckMask(const TokenBitmask& mask, const GrammarMatcher& matcher, uint32_t vocab_size) {
  GrammarMatcher tried = matcher;
  for (TokenId token = 0; token < vocab_size; ++token) {
    const bool is_taken = tried.AcceptToken(token);
    if (is_taken != mask.Test(token)) std::abort();
    if (is_taken) tried = GrammarMatcher(matcher);
  }
}

}  // namespace
}  // namespace mimo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  if (size < 2) return 0;
  const std::string_view source(reinterpret_cast<const char*>(data + 2), size - 2);
  const Result<GrammarPtr> grammar = Compile(data[0], source);
  if (!grammar) return 0;
  const GrammarVocabulary vocabulary = MakeVocabulary(source);
  GrammarMatcher matcher(*grammar, &vocabulary);
  TokenBitmask mask(vocabulary.vocab_size());
  uint32_t random = data[1];
  for (int step = 0; step < 12; ++step) {
    if (!matcher.FillMask(&mask)) return 0;  // too many alternatives
    CheckMask(mask, matcher, vocabulary.vocab_size());
    if (mask.IsEmpty() != matcher.MustEnd()) std::abort();
    if (mask.IsEmpty()) {
      if (!matcher.CanEnd()) std::abort();
      return 0;
    }
    random = random * 1664525 + 1013904223;
    TokenId token = (random >> 8) % vocabulary.vocab_size();
    while (!mask.Test(token)) token = (token + 1) % vocabulary.vocab_size();
    if (!matcher.AcceptToken(token)) std::abort();
  }
  return 0;
}

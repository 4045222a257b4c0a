#include "text/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Pieces(std::string_view text) {
  PreTokenizer pre_tokenizer(text);
  std::vector<std::string> pieces;
  for (std::string_view piece = pre_tokenizer.Next(); !piece.empty(); piece = pre_tokenizer.Next()) {
    pieces.emplace_back(piece);
  }
  return pieces;
}

TEST(PreTokenizer, CutsWordsWithTheSpaceBefore) {
  EXPECT_THAT(Pieces("Hello wide world"), ElementsAre("Hello", " wide", " world"));
  EXPECT_THAT(Pieces(""), IsEmpty());
}

TEST(PreTokenizer, CutsContractionsInAnyCase) {
  EXPECT_THAT(Pieces("it's WE'LL I'm he'D"), ElementsAre("it", "'s", " WE", "'LL", " I", "'m", " he", "'D"));
  EXPECT_THAT(Pieces("a'\u017fb"), ElementsAre("a", "'\u017f", "b"));
  EXPECT_THAT(Pieces("'la 're 'r"), ElementsAre("'la", " '", "re", " '", "r"));
  EXPECT_THAT(Pieces("'"), ElementsAre("'"));
}

TEST(PreTokenizer, CutsNumbersIntoSingleCharacters) {
  EXPECT_THAT(Pieces("x42 ²Ⅳ"), ElementsAre("x", "4", "2", " ", "²", "Ⅳ"));
}

TEST(PreTokenizer, KeepsLineBreaksBehindPunctuation) {
  EXPECT_THAT(Pieces("a;\r\n\n b"), ElementsAre("a", ";\r\n\n", " b"));
  EXPECT_THAT(Pieces("x !==\ty"), ElementsAre("x", " !==", "\ty"));
}

TEST(PreTokenizer, CutsWhiteSpaceAtTheLastLineBreakOrBeforeTheLastCharacter) {
  EXPECT_THAT(Pieces("a \n \n  b"), ElementsAre("a", " \n \n", " ", " b"));
  EXPECT_THAT(Pieces("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Pieces("a  1"), ElementsAre("a", " ", " ", "1"));
  EXPECT_THAT(Pieces("a  "), ElementsAre("a", "  "));
  EXPECT_THAT(Pieces("\u3000\u00a0x"), ElementsAre("\u3000", "\u00a0x"));
}

TEST(PreTokenizer, MakesEachInvalidByteAPiece) {
  EXPECT_THAT(Pieces("a\xFF\xC3 b"), ElementsAre("a", "\xFF", "\xC3", " b"));
  EXPECT_THAT(Pieces(" \xFF"), ElementsAre(" ", "\xFF"));
}

}  // namespace
}  // namespace mimo

#include "text/grammar_block_trie.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "text/grammar_testutil.h"
#include "text/grammar_vocabulary.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

// What a mask of `state` has to be, by a plain walk over all nodes.
void ExpectPlainMask(const GrammarTerminal& terminal, uint32_t state, GrammarVocabulary::Impl* vocabulary,
                     const std::string& name) {
  const TokenTrie& trie = vocabulary->trie;
  const auto mask = vocabulary->MaskOf(terminal, state, 0, true);
  TokenBitmask bits(vocabulary->vocab_size);
  for (const TokenId token : mask->tokens) bits.Set(token);
  if (!mask->words.empty()) std::copy(mask->words.begin(), mask->words.end(), bits.words().begin());
  TokenBitmask expected(vocabulary->vocab_size);
  std::vector<uint32_t> exits;
  std::vector<uint32_t> path(size_t{trie.depth_max} + 1, state);
  for (uint32_t node = 1; node < trie.num_nodes(); ++node) {
    const uint32_t at = path[trie.depth[node]] =
        terminal.dfa.Next(path[trie.depth[node] - 1U], trie.byte[node]);
    if (at == ByteDfa::kDead) continue;
    for (uint32_t i = trie.first_token[node]; i < trie.first_token[node + 1]; ++i)
      expected.Set(trie.tokens[i]);
    if (terminal.dfa.label[at] != 0 && trie.end[node] > node + 1) exits.push_back(node);
  }
  ASSERT_TRUE(std::equal(bits.words().begin(), bits.words().end(), expected.words().begin())) << name;
  ASSERT_EQ(mask->exits, exits) << name;
}

uint32_t Below(uint32_t bound, std::mt19937* random) { return static_cast<uint32_t>((*random)() % bound); }

std::string RandomPattern(std::mt19937* random) {
  const std::vector<std::string> parts = {
      "[^\\n]", "[a-z ]", "\\w", ".",         "(ab|c)", "[A-Za-z_\\u00e4-\\uffff]",
      "\\n",    ": ",     "-",   "[^\"\\\\]", "the"};
  std::string pattern;
  for (uint32_t i = 0, size = 1 + Below(3, random); i < size; ++i) {
    const uint32_t min = Below(12, random);
    pattern += fmt::format("{}({}){{{},{}}}", Below(2, random) == 0 ? parts[6 + Below(5, random)] : "",
                           parts[Below(6, random)], min, min + Below(40, random));
  }
  return pattern;
}

TEST(BlockTrie, MasksAreThoseOfAPlainWalk) {
  const GrammarVocabulary& vocabulary = BuiltinGrammarVocabulary();
  std::mt19937 random(7);
  for (int i = 0; i < 12; ++i) {
    const std::string pattern = RandomPattern(&random);
    GrammarBudget budget(LimitsOfConstants());
    const Result<ByteDfa> dfa = RegexDfa(pattern, RegexMatch::kWhole, &budget);
    if (!dfa) continue;  // needs too many states
    const GrammarTerminal terminal(*dfa);
    for (int j = 0; j < 3; ++j) {
      const uint32_t state = 1 + Below(dfa->num_states() - 1, &random);
      ASSERT_NO_FATAL_FAILURE(ExpectPlainMask(terminal, state, &vocabulary.impl(),
                                              fmt::format("{} in state {}", pattern, state)));
    }
  }
}

TEST(BlockTrie, ServesCountedRepetitionsAndNotLoops) {
  const auto finds = [](std::string_view pattern) {
    const ByteDfa dfa = ConstantRegexDfa(pattern);
    ByteBlocks blocks;
    return FindByteBlocks(dfa, dfa.start, &blocks);
  };
  EXPECT_TRUE(finds("[^\\n]{10,200}\\nDate: [0-9]{4}"));
  EXPECT_TRUE(finds("\\w{3}"));
  EXPECT_FALSE(finds("[^\\n]*\\n"));
  EXPECT_FALSE(finds("[0-9]{1,9}"));
}

// The blocks of a repetition of [^\n]: a few thousand texts in place of all.
TEST(BlockTrie, IsMuchSmallerThanTheTrie) {
  const TokenTrie& trie = BuiltinGrammarVocabulary().impl().trie;
  const ByteDfa dfa = ConstantRegexDfa("[^\\n]{10,200}");
  ByteBlocks blocks;
  ASSERT_TRUE(FindByteBlocks(dfa, dfa.start, &blocks));
  const auto merged = BlockTrie::Create(trie, blocks, BuiltinGrammarVocabulary().vocab_size());
  ASSERT_NE(merged, nullptr);
  EXPECT_LT(merged->num_nodes() * 40, trie.num_nodes());
  EXPECT_EQ(merged->tokens.size(), trie.tokens.size());
  EXPECT_EQ(merged->members.size(), trie.num_nodes());
}

TEST(BlockTrie, IsNotMadeOfBytesThatAllDiffer) {
  ByteBlocks blocks;
  for (size_t byte = 0; byte < 256; ++byte) blocks[byte] = static_cast<uint8_t>(byte);
  EXPECT_EQ(BlockTrie::Create(BuiltinGrammarVocabulary().impl().trie, blocks, 1), nullptr);
}

}  // namespace
}  // namespace mimo

#include "weights/importance_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "weights/checkpoint_testutil.h"

namespace mimo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ImportanceMatrix SmallMatrix() {
  ImportanceMatrix matrix;
  matrix.entries["blk.0.attn_q.weight"] = {{1, 2, 3, 4}, {8}};
  matrix.entries["blk.1.ffn_up_exps.weight"] = {{1, 2, 0, 0, 5, 6}, {4, 0, 2}};
  matrix.datasets = {"text.txt"};
  matrix.chunk_count = 3;
  matrix.chunk_size = 512;
  return matrix;
}

template <typename T>
void Append(std::string& bytes, T value) {
  char buffer[sizeof(T)];
  std::memcpy(buffer, &value, sizeof(T));
  bytes.append(buffer, sizeof(T));
}

// The older format: two matrices of two columns, all with 5 calls.
std::string LegacyFile() {
  std::string bytes;
  Append<int32_t>(bytes, 1);
  Append<int32_t>(bytes, 3);
  bytes += "abc";
  Append<int32_t>(bytes, 5);
  Append<int32_t>(bytes, 4);
  for (const float value : {1.0F, 2.0F, 3.0F, 4.0F}) Append(bytes, value);
  Append<int32_t>(bytes, 7);  // chunks, then the text's name: not needed
  return bytes;
}

Result<ImportanceMatrix> Parse(const std::string& bytes) {
  return ParseImportanceMatrix(std::as_bytes(std::span(bytes)), "m.dat");
}

TEST(ImportanceMatrix, ReadsWhatItWrote) {
  const TempFolder folder;
  const std::string path = folder.File("m.gguf");
  ASSERT_TRUE(WriteImportanceMatrix(SmallMatrix(), path).has_value());
  EXPECT_EQ(std::filesystem::file_size(path) % 32, 0U);  // llama.cpp reads the padding of the last tensor
  const auto read = ReadImportanceMatrix(path);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->entries.size(), 2U);
  const ImportanceEntry* const experts = read->Find("blk.1.ffn_up_exps.weight");
  ASSERT_NE(experts, nullptr);
  EXPECT_THAT(experts->sums, ElementsAre(1, 2, 0, 0, 5, 6));
  EXPECT_THAT(experts->counts, ElementsAre(4, 0, 2));
  EXPECT_THAT(read->Find("blk.0.attn_q.weight")->counts, ElementsAre(8));
  EXPECT_EQ(read->Find("blk.0.attn_k.weight"), nullptr);
  EXPECT_THAT(read->datasets, ElementsAre("text.txt"));
  EXPECT_EQ(read->chunk_count, 3U);
  EXPECT_EQ(read->chunk_size, 512U);
}

TEST(ImportanceMatrix, ReadsTheOlderFormat) {
  const auto read = Parse(LegacyFile());
  ASSERT_TRUE(read.has_value()) << read.error().message;
  const ImportanceEntry* const entry = read->Find("abc");
  ASSERT_NE(entry, nullptr);
  EXPECT_THAT(entry->sums, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(entry->counts, ElementsAre(5));
  const auto importance = ColumnImportance::Create("abc", *entry, 2, 2);
  ASSERT_TRUE(importance.has_value());
  EXPECT_THAT(importance->Of(1), ElementsAre(3, 4));
}

TEST(ImportanceMatrix, RefusesEveryTruncationOfTheOlderFormat) {
  const std::string whole = LegacyFile();
  const size_t needed = whole.size() - sizeof(int32_t);
  for (size_t size = 0; size < needed; ++size) EXPECT_FALSE(Parse(whole.substr(0, size)).has_value()) << size;
  EXPECT_TRUE(Parse(whole.substr(0, needed)).has_value());
}

TEST(ImportanceMatrix, RefusesSumsThatCannotBe) {
  const TempFolder folder;
  const std::string path = folder.File("m.gguf");
  for (const float bad :
       {-1.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    ImportanceMatrix matrix = SmallMatrix();
    matrix.entries["blk.0.attn_q.weight"].sums[2] = bad;
    ASSERT_TRUE(WriteImportanceMatrix(matrix, path).has_value());
    const auto read = ReadImportanceMatrix(path);
    ASSERT_FALSE(read.has_value());
    EXPECT_THAT(read.error().message, HasSubstr("'blk.0.attn_q.weight'"));
  }
  ASSERT_TRUE(WriteImportanceMatrix(ImportanceMatrix(), path).has_value());
  EXPECT_THAT(ReadImportanceMatrix(path).error().message, HasSubstr("no importance matrix"));
}

TEST(ColumnImportance, GivesAnExpertThatNoTokenReachedTheSumsOfTheOthers) {
  const ImportanceMatrix matrix = SmallMatrix();
  const ImportanceEntry& entry = *matrix.Find("blk.1.ffn_up_exps.weight");
  const auto importance = ColumnImportance::Create("x", entry, 3, 2);
  ASSERT_TRUE(importance.has_value());
  EXPECT_THAT(importance->Of(0), ElementsAre(1, 2));
  EXPECT_THAT(importance->Of(1), ElementsAre(6, 8));
  EXPECT_THAT(importance->Of(2), ElementsAre(5, 6));
  EXPECT_TRUE(ColumnImportance().Of(2).empty());
  EXPECT_FALSE(ColumnImportance::Create("x", entry, 2, 3).has_value());
  EXPECT_FALSE(ColumnImportance::Create("x", entry, 3, 4).has_value());
}

}  // namespace
}  // namespace mimo

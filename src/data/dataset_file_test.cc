#include "data/dataset_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "data/random.h"

namespace mimo {
namespace {

class DatasetFile : public testing::Test {
 protected:
  DatasetFile() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "mimo_dataset_" + test->name();
  }
  ~DatasetFile() override { std::filesystem::remove(path_); }

  DatasetInfo Write(const std::vector<RenderedConversation>& conversations, uint32_t vocab_size) {
    Result<DatasetWriter> writer = DatasetWriter::Create(path_, vocab_size);
    MIMO_CHECK(writer);
    for (const RenderedConversation& conversation : conversations) MIMO_CHECK(writer->Add(conversation));
    Result<DatasetInfo> info = writer->Finish();
    MIMO_CHECK(info);
    return *std::move(info);
  }

  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void SetBytes(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  std::string path_;
};

std::vector<RenderedConversation> RandomConversations(uint64_t seed, uint32_t vocab_size) {
  Random random(seed);
  std::vector<RenderedConversation> conversations(random.Between(1, 20));
  for (RenderedConversation& conversation : conversations) {
    const uint32_t length = random.Below(50);  // sometimes none
    for (uint32_t i = 0; i < length; ++i) {
      conversation.tokens.push_back(random.Below(vocab_size));
      conversation.is_target.push_back(random.Chance(0.3) ? 1 : 0);
    }
  }
  return conversations;
}

TEST_F(DatasetFile, GivesBackWhatWasWritten) {
  for (const uint32_t vocab_size : {300u, 65536u, 65537u, 152576u}) {
    const std::vector<RenderedConversation> conversations = RandomConversations(vocab_size, vocab_size);
    const DatasetInfo written = Write(conversations, vocab_size);
    const Result<Dataset> dataset = Dataset::Open(path_);
    ASSERT_TRUE(dataset) << dataset.error().message;
    EXPECT_EQ(dataset->info().content_hash, written.content_hash);
    EXPECT_EQ(dataset->info().vocab_size, vocab_size);
    ASSERT_EQ(dataset->info().num_conversations, conversations.size());
    uint64_t num_tokens = 0;
    uint64_t num_targets = 0;
    for (size_t i = 0; i < conversations.size(); ++i) {
      const RenderedConversation read = dataset->Read(i);
      EXPECT_EQ(read.tokens, conversations[i].tokens);
      EXPECT_EQ(read.is_target, conversations[i].is_target);
      num_tokens += read.tokens.size();
      for (const uint8_t is_target : read.is_target) num_targets += is_target;
    }
    EXPECT_EQ(dataset->info().num_tokens, num_tokens);
    EXPECT_EQ(dataset->info().num_targets, num_targets);
  }
}

// The example of docs/formats/dataset.md.
TEST_F(DatasetFile, HasTheDocumentedBytes) {
  const DatasetInfo info = Write({{.tokens = {1, 2, 3}, .is_target = {0, 0, 1}}}, 4);
  const std::string bytes = Bytes();
  ASSERT_EQ(bytes.size(), 0x58u);
  EXPECT_EQ(bytes.substr(0, 0x28), std::string("MIMODATA\1\0\0\0\4\0\0\0"
                                               "\1\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0",
                                               0x28));
  EXPECT_EQ(bytes.substr(0x38), std::string("\1\0\2\0\3\0\0\0\4\0\0\0\0\0\0\0"
                                            "\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0",
                                            0x20));
  EXPECT_EQ(info.content_hash, "38d71306f935c400b7540b11dd9e8dc1");
}

TEST_F(DatasetFile, HashesTheContentAndNothingElse) {
  const std::vector<RenderedConversation> conversations = RandomConversations(7, 500);
  const std::string hash = Write(conversations, 500).content_hash;
  EXPECT_EQ(Write(conversations, 100'000).content_hash, hash);

  std::vector<RenderedConversation> changed = conversations;
  changed.back().tokens.push_back(1);
  changed.back().is_target.push_back(0);
  const std::string longer_hash = Write(changed, 500).content_hash;
  EXPECT_NE(longer_hash, hash);
  changed.back().is_target.back() = 1;
  EXPECT_NE(Write(changed, 500).content_hash, longer_hash);

  // The same tokens cut elsewhere.
  EXPECT_NE(Write({{.tokens = {1, 2}, .is_target = {0, 0}}}, 500).content_hash,
            Write({{.tokens = {1}, .is_target = {0}}, {.tokens = {2}, .is_target = {0}}}, 500).content_hash);
}

TEST_F(DatasetFile, MayBeEmpty) {
  Write({}, 10);
  const Result<Dataset> dataset = Dataset::Open(path_);
  ASSERT_TRUE(dataset);
  EXPECT_EQ(dataset->info().num_conversations, 0u);
}

TEST_F(DatasetFile, AppearsOnlyWhenFinished) {
  {
    Result<DatasetWriter> writer = DatasetWriter::Create(path_, 10);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->Add({.tokens = {1}, .is_target = {1}}));
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

TEST_F(DatasetFile, RefusesTokensOutsideTheVocabulary) {
  Result<DatasetWriter> writer = DatasetWriter::Create(path_, 10);
  ASSERT_TRUE(writer);
  const Status status = writer->Add({.tokens = {10}, .is_target = {0}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(DatasetFile, RefusesAnUnwritableFolder) {
  const Result<DatasetWriter> writer = DatasetWriter::Create("/nonexistent/folder/dataset", 10);
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().message.find("/nonexistent/folder/dataset"), std::string::npos);
}

TEST_F(DatasetFile, RefusesEveryCutAndEveryChangedByte) {
  Write({{.tokens = {1, 2, 3}, .is_target = {0, 0, 1}}, {.tokens = {4, 5}, .is_target = {1, 1}}}, 6);
  const std::string bytes = Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    SetBytes(bytes.substr(0, size));
    EXPECT_FALSE(Dataset::Open(path_)) << size << " bytes";
  }
  SetBytes(bytes + '\0');
  EXPECT_FALSE(Dataset::Open(path_));
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i >= 12 && i < 16) continue;  // a larger vocabulary is no damage that could be seen
    // The unused bits of the tokens' and the mask's last bytes mean nothing.
    if ((i >= 0x42 && i < 0x48) || (i >= 0x49 && i < 0x50)) continue;
    for (const int flip : {0x01, 0x80}) {
      if (i == 0x48 && flip == 0x80) continue;
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      SetBytes(damaged);
      EXPECT_FALSE(Dataset::Open(path_)) << "byte " << i << " flip " << flip;
    }
  }
}

TEST_F(DatasetFile, RefusesHostileCounts) {
  Write({{.tokens = {1, 2, 3}, .is_target = {0, 0, 1}}}, 6);
  const std::string bytes = Bytes();
  for (const size_t field : {16u, 24u}) {
    for (const uint64_t count : {~uint64_t{0}, uint64_t{1} << 63, uint64_t{1} << 32, uint64_t{88}}) {
      std::string hostile = bytes;
      std::memcpy(hostile.data() + field, &count, sizeof(count));
      SetBytes(hostile);
      const Result<Dataset> dataset = Dataset::Open(path_);
      ASSERT_FALSE(dataset);
      EXPECT_EQ(dataset.error().code, ErrorCode::kDataLoss);
    }
  }
}

}  // namespace
}  // namespace mimo

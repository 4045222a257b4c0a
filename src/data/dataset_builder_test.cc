#include "data/dataset_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "data/conversation_testutil.h"
#include "data/render.h"

namespace mimo {
namespace {

class BuildDatasetTest : public testing::Test {
 protected:
  BuildDatasetTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "mimo_dataset_builder_" + test->name();
  }
  ~BuildDatasetTest() override { std::filesystem::remove(path_); }

  std::string path_;
};

TEST_F(BuildDatasetTest, StopsAtTheNumberOfConversations) {
  std::vector<uint64_t> reported;
  const auto report = [&](uint64_t done) -> Status {
    reported.push_back(done);
    return {};
  };
  const Result<DatasetInfo> info =
      BuildDataset(SmallConversation, {.num_conversations = 3}, SmallTokenizer(), path_, report);
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->num_conversations, 3u);
  EXPECT_THAT(reported, testing::ElementsAre(1, 2, 3));
  const Result<Dataset> dataset = Dataset::Open(path_);
  ASSERT_TRUE(dataset);
  EXPECT_EQ(dataset->Read(0).tokens, dataset->Read(2).tokens);
  EXPECT_EQ(dataset->info().content_hash, info->content_hash);
}

TEST_F(BuildDatasetTest, StopsAtTheNumberOfTokens) {
  const Result<DatasetInfo> one =
      BuildDataset(SmallConversation, {.num_conversations = 1}, SmallTokenizer(), path_, nullptr);
  ASSERT_TRUE(one);
  const Result<DatasetInfo> two =
      BuildDataset(SmallConversation, {.num_tokens = one->num_tokens + 1}, SmallTokenizer(), path_, nullptr);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->num_conversations, 2u);
}

TEST_F(BuildDatasetTest, RefusesToRunForever) {
  EXPECT_FALSE(BuildDataset(SmallConversation, {}, SmallTokenizer(), path_, nullptr));
}

TEST_F(BuildDatasetTest, LeavesNoFileWhenStopped) {
  const auto cancel = [](uint64_t) -> Status { return MakeError(ErrorCode::kCancelled, "stopped"); };
  EXPECT_FALSE(BuildDataset(SmallConversation, {.num_conversations = 5}, SmallTokenizer(), path_, cancel));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_ + ".partial"));
}

TEST(ConversationText, ShowsEveryMessage) {
  const std::string text = ConversationText(SmallConversation());
  for (const char* part : {"language: en\n", "user: turn on the ceiling light\n",
                           "call: HassTurnOn {\"name\":\"Ceiling\",\"domain\":\"light\"}\n",
                           "tool: done: Ceiling\n", "assistant: The ceiling light is on.\n"}) {
    EXPECT_THAT(text, testing::HasSubstr(part));
  }
}

TEST(ConversationPrompt, HasTheTokensOfTheDataset) {
  const Tokenizer& tokenizer = SmallTokenizer();
  Conversation conversation = SmallConversation();
  // Text alone cannot say that a message only spells a control token, as this turn's does.
  conversation.turns.erase(conversation.turns.begin() + 2);
  const Result<std::string> text = ConversationPrompt(conversation);
  const Result<RenderedConversation> rendered =
      RenderConversation(conversation, ChatTemplate(ChatTemplateKind::kMimoV26), tokenizer);
  ASSERT_TRUE(text && rendered);
  EXPECT_EQ(tokenizer.Encode(*text, AddedTokens::kParse), rendered->tokens);
}

}  // namespace
}  // namespace mimo

#include "server/api_keys.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace mimo {
namespace {

std::string KeyFileError(std::string_view text) {
  const auto keys = ParseKeyFile(text);
  return keys ? "" : keys.error().message;
}

ApiKey MakeKey(const std::string& name, std::string_view secret) {
  ApiKey key;
  key.name = name;
  key.hash = HashOfKey(secret);
  return key;
}

class ApiKeysTest : public testing::Test {
 protected:
  ApiKeysTest() : path_(testing::TempDir() + fmt::format("keys-{}", getpid())) {
    std::filesystem::remove(path_);
  }
  ~ApiKeysTest() override { std::filesystem::remove(path_); }
  void Write(std::string_view text) { std::ofstream(path_) << text; }

  const std::string path_;
};

TEST(KeyFile, HashIsThePublishedSha256) {
  EXPECT_NE(FormatKeyLine(MakeKey("a", "abc"))
                .find("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            std::string::npos);
}

TEST(KeyFile, ReadsBackWhatItWrites) {
  ApiKey key = MakeKey("alice@home", "secret");
  key.limits = {.requests_per_minute = 100, .tokens_per_minute = 0, .concurrent = 3};
  key.is_admin = true;
  key.priority = -2;

  const auto keys = ParseKeyFile("# the family\n\n  " + FormatKeyLine(key) + "  # hers\r\n" +
                                 FormatKeyLine(MakeKey("bob", "other")));

  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_EQ((*keys)[0], key);
  EXPECT_EQ((*keys)[1], MakeKey("bob", "other"));
}

TEST(KeyFile, NamesTheLineAndWhatIsWrong) {
  const std::string good = FormatKeyLine(MakeKey("bob", "x"));
  EXPECT_NE(KeyFileError("\nbob").find("line 2"), std::string::npos);
  EXPECT_NE(KeyFileError("bob 12").find("SHA-256"), std::string::npos);
  EXPECT_NE(KeyFileError("b;b " + good.substr(4)).find("name"), std::string::npos);
  EXPECT_NE(KeyFileError(good + " speed=1").find("speed"), std::string::npos);
  EXPECT_NE(KeyFileError(good + " concurrent=-1").find("concurrent"), std::string::npos);
  EXPECT_NE(KeyFileError(good + " priority=9999").find("priority"), std::string::npos);
  EXPECT_NE(KeyFileError(good + "\n" + good).find("twice"), std::string::npos);
  EXPECT_NE(KeyFileError(good + "\neve" + good.substr(3)).find("same key"), std::string::npos);
}

TEST(KeyFile, NewKeysDiffer) {
  const auto first = NewKey();
  const auto second = NewKey();

  ASSERT_TRUE(first && second);
  EXPECT_TRUE(first->starts_with("sk-mimo-"));
  EXPECT_EQ(first->size(), 51U);
  EXPECT_NE(*first, *second);
}

TEST_F(ApiKeysTest, AddsAndRemovesLinesAndKeepsTheRest) {
  ASSERT_TRUE(AddKeyToFile(path_, MakeKey("alice", "a")).has_value());
  EXPECT_EQ(std::filesystem::status(path_).permissions() & std::filesystem::perms::mask,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::ofstream(path_, std::ios::app) << "# a comment\n";
  ASSERT_TRUE(AddKeyToFile(path_, MakeKey("bob", "b")).has_value());

  EXPECT_EQ(AddKeyToFile(path_, MakeKey("bob", "c")).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(RemoveKeyFromFile(path_, "alice").has_value());
  EXPECT_EQ(RemoveKeyFromFile(path_, "alice").error().code, ErrorCode::kNotFound);

  std::ifstream file(path_);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, "# a comment\n" + FormatKeyLine(MakeKey("bob", "b")) + "\n");
}

TEST_F(ApiKeysTest, FindsAKeyAndNothingElse) {
  Write(FormatKeyLine(MakeKey("alice", "a")) + "\n" + FormatKeyLine(MakeKey("bob", "b")));

  const auto keys = ApiKeys::Open(path_);

  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  EXPECT_EQ((*keys)->Find("b")->name, "bob");
  EXPECT_FALSE((*keys)->Find("").has_value());
  EXPECT_FALSE((*keys)->Find("alice").has_value());
  EXPECT_FALSE((*keys)->Find(std::string(100'000, 'b')).has_value());
}

TEST_F(ApiKeysTest, MissingEmptyAndBrokenFilesAreErrors) {
  EXPECT_EQ(ApiKeys::Open(path_).error().code, ErrorCode::kNotFound);
  Write("# nobody\n");
  EXPECT_FALSE(ApiKeys::Open(path_).has_value());
  Write("nonsense");
  EXPECT_NE(ApiKeys::Open(path_).error().message.find(path_), std::string::npos);
}

TEST_F(ApiKeysTest, ReadsAChangedFileAndKeepsTheKeysWhenItIsBroken) {
  Write(FormatKeyLine(MakeKey("alice", "a")));
  const auto keys = ApiKeys::Open(path_);
  ASSERT_TRUE(keys.has_value());

  Write(FormatKeyLine(MakeKey("bob", "b")));
  (*keys)->Reload();
  EXPECT_FALSE((*keys)->Find("a").has_value());
  EXPECT_TRUE((*keys)->Find("b").has_value());

  Write("broken");
  (*keys)->Reload();
  EXPECT_TRUE((*keys)->Find("b").has_value());
}

TEST_F(ApiKeysTest, NoticesAChangeByItself) {
  Write(FormatKeyLine(MakeKey("alice", "a")));
  const auto keys = ApiKeys::Open(path_, std::chrono::milliseconds(5));
  ASSERT_TRUE(keys.has_value());
  ASSERT_TRUE(AddKeyToFile(path_, MakeKey("bob", "b")).has_value());

  bool found = false;
  for (int i = 0; i < 1000 && !found; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    found = (*keys)->Find("b").has_value();
  }
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace mimo

#include "server/usage_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace mimo {
namespace {

using std::chrono::milliseconds;

class UsageStoreTest : public testing::Test {
 protected:
  UsageStoreTest() : path_(testing::TempDir() + fmt::format("usage-{}.sqlite", getpid())) { Remove(); }
  ~UsageStoreTest() override { Remove(); }
  void Remove() {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  }
  std::unique_ptr<UsageStore> OpenStore(milliseconds flush_interval = milliseconds(3'600'000)) {
    auto store = UsageStore::Open({.path = path_, .flush_interval = flush_interval});
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }

  const std::string path_;
};

UsageKey KeyOf(const std::string& day, const std::string& key, const std::string& model = "m") {
  return {.day = day,
          .key = key,
          .model = model,
          .price = {.currency = "CNY", .cached_input = 1, .input = 2, .output = 3}};
}

constexpr UsageCounts kOne{.requests = 1,
                           .tokens = {.prompt = 10, .cached = 4, .completion = 5, .reasoning = 2}};

uint64_t RequestsIn(UsageStore& store, const UsageFilter& filter = {}) {
  const auto rows = store.Query(filter);
  EXPECT_TRUE(rows.has_value()) << (rows ? "" : rows.error().message);
  uint64_t requests = 0;
  for (const UsageRow& row : *rows) requests += row.counts.requests;
  return requests;
}

TEST_F(UsageStoreTest, SumsAndSurvivesARestart) {
  {
    const auto store = OpenStore();
    store->Add(KeyOf("2026-11-29", "alice"), kOne);
    store->Add(KeyOf("2026-11-29", "alice"), kOne);
    store->Add(KeyOf("2026-11-30", "bob"), kOne);
  }
  const auto store = OpenStore();
  store->Add(KeyOf("2026-11-29", "alice"), kOne);

  const auto rows = store->Query({});

  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].key, KeyOf("2026-11-29", "alice"));
  EXPECT_EQ((*rows)[0].counts.requests, 3U);
  EXPECT_EQ((*rows)[0].counts.tokens,
            (TokenCounts{.prompt = 30, .cached = 12, .completion = 15, .reasoning = 6}));
  EXPECT_EQ((*rows)[1].key.key, "bob");
}

TEST_F(UsageStoreTest, FiltersByKeyModelAndDay) {
  const auto store = OpenStore();
  store->Add(KeyOf("2026-11-28", "alice"), kOne);
  store->Add(KeyOf("2026-11-29", "alice", "other"), kOne);
  store->Add(KeyOf("2026-11-30", "bob'; DROP TABLE usage_1; --"), kOne);

  EXPECT_EQ(RequestsIn(*store), 3U);
  EXPECT_EQ(RequestsIn(*store, {.key = "alice", .model = {}, .first_day = {}, .last_day = {}}), 2U);
  EXPECT_EQ(RequestsIn(*store, {.key = {}, .model = "other", .first_day = {}, .last_day = {}}), 1U);
  EXPECT_EQ(RequestsIn(*store, {.key = {}, .model = {}, .first_day = "2026-11-29", .last_day = {}}), 2U);
  EXPECT_EQ(RequestsIn(*store, {.key = {}, .model = {}, .first_day = {}, .last_day = "2026-11-28"}), 1U);
  EXPECT_EQ(RequestsIn(*store, {.key = "nobody", .model = {}, .first_day = {}, .last_day = {}}), 0U);
}

TEST_F(UsageStoreTest, APriceThatChangesMakesARowOfItsOwn) {
  const auto store = OpenStore();
  UsageKey key = KeyOf("2026-11-30", "alice");
  store->Add(key, kOne);
  key.price.output = 99;
  store->Add(key, kOne);

  EXPECT_EQ(store->Query({})->size(), 2U);
}

TEST_F(UsageStoreTest, WritesBehind) {
  const auto store = OpenStore(milliseconds(10));
  store->Add(KeyOf("2026-11-30", "alice"), kOne);

  // Another store on the same file sees only what was written.
  const auto other = OpenStore();
  uint64_t seen = 0;
  for (int i = 0; i < 500 && seen == 0; ++i) {
    usleep(10'000);
    seen = RequestsIn(*other);
  }
  EXPECT_EQ(seen, 1U);
}

// A process that adds and is killed loses at most the last interval, and counts nothing twice.
TEST_F(UsageStoreTest, AKilledProcessLosesOnlyTheNewest) {
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto store = UsageStore::Open({.path = path_, .flush_interval = milliseconds(5)});
    for (uint64_t added = 1; store.has_value(); ++added) {
      (*store)->Add(KeyOf("2026-11-30", "alice"), kOne);
      if (write(pipe_ends[1], &added, sizeof(added)) != sizeof(added)) break;
      usleep(1000);
    }
    _exit(1);
  }
  uint64_t added_early = 0;
  uint64_t added = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(read(pipe_ends[0], &added, sizeof(added)), static_cast<ssize_t>(sizeof(added)));
    if (i == 20) added_early = added;  // several intervals before the end
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  close(pipe_ends[1]);
  while (read(pipe_ends[0], &added, sizeof(added)) == static_cast<ssize_t>(sizeof(added))) {
  }
  close(pipe_ends[0]);

  const auto store = OpenStore();
  const auto rows = store->Query({});
  ASSERT_TRUE(rows.has_value() && rows->size() == 1);
  EXPECT_GE((*rows)[0].counts.requests, added_early);
  EXPECT_LE((*rows)[0].counts.requests, added + 1);
  EXPECT_EQ((*rows)[0].counts.tokens.prompt, 10 * (*rows)[0].counts.requests);  // whole requests only
}

TEST_F(UsageStoreTest, AFileThatIsNoDatabaseIsAnError) {
  std::ofstream(path_) << std::string(5000, 'x');

  const auto store = UsageStore::Open({.path = path_});

  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(store.error().message.find(path_), std::string::npos);
}

TEST_F(UsageStoreTest, AFolderThatDoesNotExistIsAnError) {
  EXPECT_EQ(UsageStore::Open({.path = path_ + "/nowhere/u"}).error().code, ErrorCode::kUnavailable);
}

TEST(UsageStore, InMemoryItWorksToo) {
  const auto store = UsageStore::Open({.path = {}});
  ASSERT_TRUE(store.has_value());
  (*store)->Add(KeyOf("2026-11-30", ""), kOne);

  EXPECT_EQ(RequestsIn(**store), 1U);
}

TEST(UsageStore, DaysAreUtc) {
  EXPECT_EQ(UsageDay(std::chrono::system_clock::from_time_t(0)), "1970-01-01");
  EXPECT_EQ(UsageDay(std::chrono::system_clock::from_time_t(86'399)), "1970-01-01");
  EXPECT_EQ(UsageDay(std::chrono::system_clock::from_time_t(86'400)), "1970-01-02");
}

TEST_F(UsageStoreTest, TodayIsKnownWithoutTheFile) {
  constexpr auto kNoon = std::chrono::system_clock::time_point(std::chrono::hours(24 * 365 * 60 + 12));
  const std::string day = UsageDay(kNoon);
  const auto store = OpenStore();
  store->Add(KeyOf(UsageDay(kNoon - std::chrono::hours(24)), "alice"), kOne);
  store->Add(KeyOf(day, "alice"), kOne);
  store->Add(KeyOf(day, "alice", "another"), kOne);
  store->Add(KeyOf(day, "bob"), kOne);
  store->Add(KeyOf(UsageDay(kNoon - std::chrono::hours(24)), "bob"), kOne);  // late

  const std::vector<UsageRow> rows = store->Today(kNoon);

  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].key, KeyOf(day, "alice", ""));
  EXPECT_EQ(rows[0].counts.requests, 2U);
  EXPECT_EQ(rows[0].counts.tokens.prompt, 20U);
  EXPECT_EQ(rows[1].counts, kOne);
  EXPECT_TRUE(store->Today(kNoon + std::chrono::hours(24)).empty());
}

TEST_F(UsageStoreTest, TodayGoesOnAfterARestart) {
  const auto now = std::chrono::system_clock::now();
  { OpenStore()->Add(KeyOf(UsageDay(now), "alice"), kOne); }
  const auto store = OpenStore();
  store->Add(KeyOf(UsageDay(now), "alice"), kOne);

  const std::vector<UsageRow> rows = store->Today(now);

  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].counts.requests, 2U);
}

}  // namespace
}  // namespace mimo

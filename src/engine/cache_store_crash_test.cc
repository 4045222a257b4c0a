// Processes that die, share a folder, or find the disk full.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <thread>

#include "engine/cache_store_directory.h"
#include "engine/cache_store_testutil.h"

namespace mimo {
namespace {

constexpr uint32_t kBlocksPerBranch = 12;

// Runs `body` in a process of its own and returns its id. What it finds wrong is its exit code.
template <typename Body>
pid_t InChild(const Body& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  _exit(body() ? 0 : 1);
}

int ExitCodeOf(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<CachePlace> Branch(uint64_t branch) {
  return BlocksOf(branch, kBlocksPerBranch, branch / 4 * 4, static_cast<uint32_t>(branch % 4) * 3);
}

// Writes branch after branch, and a byte into `pipe` when one is complete.
bool WriteBranches(const std::string& directory, const CacheStoreOptions& options, uint64_t first, int pipe) {
  const auto store = OpenStore(directory, options);
  std::mt19937_64 random(first);
  for (uint64_t branch = first; branch < first + 100'000; ++branch) {
    for (const CachePlace& place : Branch(branch)) {
      store->Put(EntryAt(place, 1 + random() % 20'000));
      if (random() % 4 == 0) store->Put(EntryAt(place, 30'000, CacheEntryKind::kWindowSnapshot));
    }
    store->Touch(IdOf(Branch(first)[0]));
    store->Flush();
    const char byte = 1;
    if (write(pipe, &byte, 1) != 1) return false;
  }
  return true;
}

// Starts such a process, kills it after `time`, and says how many branches it had completed.
size_t KillWriterAfter(std::chrono::microseconds time, const std::string& directory,
                       const CacheStoreOptions& options, uint64_t first) {
  std::array<int, 2> pipe_ends;
  EXPECT_EQ(pipe(pipe_ends.data()), 0);
  const pid_t child = InChild([&] { return WriteBranches(directory, options, first, pipe_ends[1]); });
  close(pipe_ends[1]);
  char byte = 0;
  EXPECT_EQ(read(pipe_ends[0], &byte, 1), 1);  // it is at work
  std::this_thread::sleep_for(time);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  size_t completed = 1;
  while (read(pipe_ends[0], &byte, 1) == 1) ++completed;
  close(pipe_ends[0]);
  return completed;
}

TEST(CacheStoreCrash, LosesNothingThatWasCompleteAndNeverGivesAWrongByte) {
  const CacheTestFolder folder;
  std::mt19937_64 random(11);
  for (uint64_t round = 0; round < 25; ++round) {
    const uint64_t first = 1'000 * (round + 1);
    const size_t completed =
        KillWriterAfter(std::chrono::microseconds(random() % 15'000), folder.path(), {}, first);
    const auto store = OpenStore(folder.path());
    for (uint64_t branch = first; branch < first + completed; ++branch) {
      for (const CachePlace& place : Branch(branch)) ASSERT_TRUE(Holds(*store, place)) << "round " << round;
    }
    EXPECT_EQ(store->stats().entries_damaged, 0U);
  }
  const auto verification = VerifyCacheDirectory(folder.path());
  ASSERT_TRUE(verification.has_value());
  EXPECT_EQ(verification->num_damaged, 0U) << verification->problems[0];
  EXPECT_EQ(verification->num_unreachable, 0U);
}

TEST(CacheStoreCrash, SurvivesBeingKilledWhileItEvicts) {
  const CacheTestFolder folder;
  const CacheStoreOptions options{.bytes_max = 1 << 20, .segment_bytes_max = 128 << 10};
  std::mt19937_64 random(12);
  for (uint64_t round = 0; round < 25; ++round) {
    KillWriterAfter(std::chrono::microseconds(random() % 30'000), folder.path(), options,
                    1'000 * (round + 1));
    const auto verification = VerifyCacheDirectory(folder.path());
    ASSERT_TRUE(verification.has_value());
    ASSERT_EQ(verification->num_damaged, 0U) << verification->problems[0];
  }
  ASSERT_TRUE(PruneCacheDirectory(folder.path(), {.bytes_max = 0}).has_value());
  EXPECT_EQ(CacheDirectoryBytes(folder.path()), 0U) << "nothing is left that nobody can remove";
}

// Two processes that write, read and evict in one folder: each sees only right bytes.
TEST(CacheStoreCrash, IsSharedByProcesses) {
  const CacheTestFolder folder;
  const auto work = [&](uint64_t seed) {
    const auto store =
        OpenStore(folder.path(), {.bytes_max = 2 << 20, .rescan_interval = std::chrono::milliseconds(2)});
    std::mt19937_64 random(seed);
    for (int round = 0; round < 60; ++round) {
      const auto places = Branch(4 * (random() % 12));
      for (const CachePlace& place : places) {
        const CacheEntryId id = IdOf(place);
        const auto info = store->Find(id);
        std::vector<std::byte> payload(info ? info->payload_bytes : 0);
        if (info && store->Read(id, place, payload)) {
          if (payload != PayloadOf(id.key, id.kind, payload.size())) return false;
        } else {
          store->Put(EntryAt(place, 5'000 + seed));
        }
      }
      if (random() % 8 == 0) store->Rescan();
    }
    store->Flush();
    return store->stats().entries_damaged == 0 && !store->stats().read_only;
  };
  std::vector<pid_t> children;
  for (uint64_t seed = 1; seed <= 3; ++seed) children.push_back(InChild([&] { return work(seed); }));
  for (const pid_t child : children) EXPECT_EQ(ExitCodeOf(child), 0);
  const auto verification = VerifyCacheDirectory(folder.path());
  ASSERT_TRUE(verification.has_value());
  EXPECT_EQ(verification->num_damaged, 0U) << verification->problems[0];
  EXPECT_GT(verification->num_entries, 10U);
}

// A limit on the size of files stands for a full disk: write() fails in the same way.
TEST(CacheStoreCrash, IsReadOnlyAfterAFailedWriteAndKeepsWhatItHad) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 100);
  const pid_t child = InChild([&] {
    const rlimit limit{300'000, 300'000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    const auto store = OpenStore(folder.path());
    for (const CachePlace& place : places) store->Put(EntryAt(place, 9'000));
    store->Flush();
    const CacheStoreStats stats = store->stats();
    return stats.read_only && stats.entries_written > 10 && stats.entries_dropped > 10 &&
           Holds(*store, places[0]) && !store->Put(EntryAt(places[99]));
  });
  EXPECT_EQ(ExitCodeOf(child), 0);
  const auto verification = VerifyCacheDirectory(folder.path());
  ASSERT_TRUE(verification.has_value());
  EXPECT_EQ(verification->num_damaged, 0U) << verification->problems[0];
  EXPECT_GT(verification->num_entries, 10U);
  EXPECT_TRUE(Holds(*OpenStore(folder.path()), places[10]));
}

}  // namespace
}  // namespace mimo

#include "engine/cache_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "engine/cache_store_directory.h"
#include "engine/cache_store_testutil.h"

namespace mimo {
namespace {

void PutAll(CacheStore& store, const std::vector<CachePlace>& places, size_t payload_bytes = 5000) {
  for (const CachePlace& place : places) EXPECT_TRUE(store.Put(EntryAt(place, payload_bytes)));
  store.Flush();
}

size_t CountHeld(CacheStore& store, const std::vector<CachePlace>& places) {
  size_t count = 0;
  for (const CachePlace& place : places) count += Holds(store, place) ? 1 : 0;
  return count;
}

void FlipByte(const std::string& path, off_t offset) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  char byte = 0;
  ASSERT_EQ(pread(file, &byte, 1, offset), 1);
  byte = static_cast<char>(byte ^ 0x40);
  ASSERT_EQ(pwrite(file, &byte, 1, offset), 1);
  close(file);
}

TEST(CacheStore, GivesBackWhatWasPut) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path());
  const auto places = BlocksOf(1, 20);
  PutAll(*store, places);
  EXPECT_EQ(CountHeld(*store, places), places.size());
  const auto info = store->Find(IdOf(places[7]));
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->position, 7U * 64);
  EXPECT_EQ(info->parent, places[7].parent);
  EXPECT_EQ(info->payload_bytes, 5000U);
  EXPECT_FALSE(store->Find(IdOf(BlocksOf(2, 1)[0])).has_value());
  EXPECT_EQ(store->stats().entries_written, 20U);
  EXPECT_EQ(store->stats().entries_read, 20U);
}

TEST(CacheStore, KeepsBlocksAndSnapshotsOfOnePlaceApart) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path());
  const CachePlace place = BlocksOf(1, 1)[0];
  store->Put(EntryAt(place, 100));
  store->Put(EntryAt(place, 70'000, CacheEntryKind::kWindowSnapshot));
  store->Flush();
  EXPECT_TRUE(Holds(*store, place));
  EXPECT_TRUE(Holds(*store, place, CacheEntryKind::kWindowSnapshot));
}

TEST(CacheStore, WritesAnEntryOnce) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path());
  const auto places = BlocksOf(1, 3);
  for (int i = 0; i < 3; ++i) PutAll(*store, places);
  EXPECT_EQ(store->stats().entries_written, 3U);
}

TEST(CacheStore, OutlivesTheProcess) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 10);
  PutAll(*OpenStore(folder.path()), places);
  const auto again = OpenStore(folder.path());
  EXPECT_EQ(CountHeld(*again, places), places.size());
  // Its next entries go into the segment that is there.
  PutAll(*again, BlocksOf(2, 1));
  folder.Only(".data");
}

TEST(CacheStore, HasAStoreForEachFingerprint) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 3);
  PutAll(*OpenStore(folder.path(), {}, "kv_type: bf16\n"), places);
  const auto other = OpenStore(folder.path(), {}, "kv_type: q8_0\n");
  EXPECT_FALSE(other->Find(IdOf(places[0])).has_value());
}

TEST(CacheStore, RefusesAnEntryOfOtherTokensOrAnotherSize) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path());
  const CachePlace place = BlocksOf(1, 1)[0];
  PutAll(*store, {place});
  std::vector<std::byte> payload(5000);
  CachePlace other = place;
  other.tokens[63] += 1;
  EXPECT_EQ(store->Read(IdOf(place), other, payload).error().code, ErrorCode::kNotFound);
  payload.resize(4999);
  EXPECT_EQ(store->Read(IdOf(place), place, payload).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(Holds(*store, place)) << "asking wrongly loses nothing";
}

TEST(CacheStore, NeverGivesDamagedBytesAndForgetsThem) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 3);
  PutAll(*OpenStore(folder.path()), places);
  FlipByte(folder.Only(".data"), 4096 + 8192 + 17);  // in the second payload
  {
    const auto store = OpenStore(folder.path());
    std::vector<std::byte> payload(5000);
    EXPECT_EQ(store->Read(IdOf(places[1]), places[1], payload).error().code, ErrorCode::kDataLoss);
    EXPECT_FALSE(store->Find(IdOf(places[1])).has_value());
    EXPECT_EQ(CountHeld(*store, places), 2U);
    EXPECT_EQ(store->stats().entries_damaged, 1U);
    PutAll(*store, {places[1]});
  }
  EXPECT_EQ(CountHeld(*OpenStore(folder.path()), places), 3U)
      << "put again, it is found, not the damaged one";
}

TEST(CacheStore, CutsAnEndThatIsTorn) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 4);
  PutAll(*OpenStore(folder.path()), {places[0], places[1]});
  std::filesystem::resize_file(folder.Only(".index"), 512 * 3 - 1);
  const auto store = OpenStore(folder.path());
  EXPECT_EQ(CountHeld(*store, places), 1U);
  PutAll(*store, {places[1], places[2], places[3]});
  EXPECT_EQ(CountHeld(*store, places), 4U);
  const auto verification = VerifyCacheDirectory(folder.path());
  ASSERT_TRUE(verification.has_value());
  EXPECT_EQ(verification->num_entries, 4U);
  EXPECT_EQ(verification->num_damaged, 0U) << verification->problems[0];
}

TEST(CacheStore, SkipsForeignFiles) {
  const CacheTestFolder folder;
  const auto places = BlocksOf(1, 2);
  PutAll(*OpenStore(folder.path()), places);
  const std::string store_folder = std::filesystem::path(folder.Only(".index")).parent_path();
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(store_folder + "/" + name) << text;
  };
  const std::string a(32, 'a');
  const std::string b(32, 'b');
  write(a + ".index", std::string(5000, 'x'));
  write(a + ".data", std::string(5000, 'x'));
  write(b + ".index", "");
  write("notes.txt", "mine");
  std::filesystem::copy_file(folder.path() + "/lock", folder.path() + "/0123");
  ASSERT_EQ(mkfifo((store_folder + "/" + std::string(32, 'c') + ".index").c_str(), 0600), 0);
  const auto store = OpenStore(folder.path());
  EXPECT_EQ(CountHeld(*store, places), 2U);
  EXPECT_TRUE(ListCacheDirectory(folder.path()).has_value());
  EXPECT_TRUE(VerifyCacheDirectory(folder.path()).has_value());
  EXPECT_TRUE(PruneCacheDirectory(folder.path(), {.bytes_max = 0}).has_value());
  EXPECT_TRUE(std::filesystem::exists(store_folder + "/notes.txt"));
  EXPECT_TRUE(std::filesystem::exists(store_folder + "/" + a + ".index"));
}

TEST(CacheStore, StaysWithinItsSize) {
  const CacheTestFolder folder;
  CacheStoreOptions options{.bytes_max = 2 << 20, .segment_bytes_max = 256 << 10};
  const auto store = OpenStore(folder.path(), options);
  for (uint64_t branch = 1; branch <= 20; ++branch) {
    PutAll(*store, BlocksOf(branch, 30), 8000);
    EXPECT_LE(CacheDirectoryBytes(folder.path()), options.bytes_max);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // branches of different ages
  }
  EXPECT_GT(store->stats().entries_evicted, 300U);
  EXPECT_EQ(CountHeld(*store, BlocksOf(20, 30)), 30U) << "the newest branch is whole";
  EXPECT_EQ(CountHeld(*store, BlocksOf(1, 30)), 0U);
  const auto listings = ListCacheDirectory(folder.path());
  ASSERT_EQ(listings->size(), 1U);
  EXPECT_EQ(listings->front().num_unreachable, 0U);
  EXPECT_GT(listings->front().payload_bytes, options.bytes_max / 2);
}

TEST(CacheStore, DoesNotEvictWhatANewEntryContinues) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path(), {.bytes_max = 1 << 20});
  const auto places = BlocksOf(1, 300);
  for (const CachePlace& place : places) store->Put(EntryAt(place, 8000));
  store->Flush();
  const size_t held = CountHeld(*store, places);
  EXPECT_GT(held, 80U);
  for (size_t i = 0; i < held; ++i) EXPECT_TRUE(Holds(*store, places[i])) << "a hole at " << i;
  EXPECT_GT(store->stats().entries_dropped, 0U);
}

TEST(CacheStore, KeepsABranchThatIsTouched) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path(), {.bytes_max = 1 << 20});
  const auto old = BlocksOf(1, 20);
  PutAll(*store, old, 8000);
  for (uint64_t branch = 2; branch < 8; ++branch) {
    std::this_thread::sleep_for(std::chrono::milliseconds(120));  // a touch soon after another is left out
    store->Touch(IdOf(old.back()));
    PutAll(*store, BlocksOf(branch, 60), 8000);
  }
  EXPECT_GT(store->stats().entries_evicted, 100U);
  EXPECT_EQ(CountHeld(*store, old), 20U);
}

TEST(CacheStore, DropsAndCountsWhatTheQueueCannotHold) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path(), {.queue_bytes_max = 1 << 20});
  EXPECT_FALSE(store->Put(EntryAt(BlocksOf(1, 1)[0], 2 << 20)));
  EXPECT_EQ(store->stats().entries_dropped, 1U);
  PutAll(*store, {BlocksOf(1, 1)[0]});
  EXPECT_EQ(store->stats().entries_written, 1U);
}

TEST(CacheStore, SeesAnotherStoresEntriesAfterARescan) {
  const CacheTestFolder folder;
  const auto first = OpenStore(folder.path(), {.rescan_interval = std::chrono::hours(1)});
  const auto second = OpenStore(folder.path());
  const auto mine = BlocksOf(1, 5);
  const auto theirs = BlocksOf(2, 5);
  PutAll(*first, mine);
  PutAll(*second, theirs);
  EXPECT_EQ(CountHeld(*first, theirs), 0U);
  first->Rescan();
  EXPECT_EQ(CountHeld(*first, theirs), 5U);
  EXPECT_EQ(CountHeld(*first, mine), 5U);
  PutAll(*second, BlocksOf(3, 5));  // into a segment of which the beginning is known
  first->Rescan();
  EXPECT_EQ(CountHeld(*first, BlocksOf(3, 5)), 5U);
}

TEST(CacheStore, NoticesWhatAnotherProcessEvicted) {
  const CacheTestFolder folder;
  const auto store = OpenStore(folder.path(), {.rescan_interval = std::chrono::hours(1)});
  const auto places = BlocksOf(1, 5);
  PutAll(*store, places);
  ASSERT_TRUE(PruneCacheDirectory(folder.path(), {.bytes_max = 0}).has_value());
  std::vector<std::byte> payload(5000);
  EXPECT_EQ(store->Read(IdOf(places[4]), places[4], payload).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store->stats().entries_damaged, 0U);
  store->Rescan();
  EXPECT_FALSE(store->Find(IdOf(places[0])).has_value());
  PutAll(*store, places);
  EXPECT_EQ(CountHeld(*store, places), 5U);
}

TEST(CacheStore, IsReadOnlyInAFolderThatCannotBeWritten) {
  if (geteuid() == 0) GTEST_SKIP() << "root can write everywhere";
  const CacheTestFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0500), 0);
  const auto store = OpenStore(folder.path());
  EXPECT_TRUE(store->stats().read_only);
  EXPECT_FALSE(store->Put(EntryAt(BlocksOf(1, 1)[0])));
  ASSERT_EQ(chmod(folder.path().c_str(), 0700), 0);
}

TEST(CacheStore, IsForTheOwnersEyesOnly) {
  const CacheTestFolder folder;
  const std::string directory = folder.path() + "/a/b";
  PutAll(*OpenStore(directory), BlocksOf(1, 1));
  for (const std::string& path : {directory, folder.Only(".index"), folder.Only(".data")}) {
    struct stat status = {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077U, 0U) << path;
  }
}

TEST(CacheStore, RefusesAFileForAFolder) {
  const CacheTestFolder folder;
  std::ofstream(folder.path() + "/file") << "text";
  EXPECT_EQ(CacheStore::Open(folder.path() + "/file", "model: test\n", {}).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(CacheStore, ServesManyThreadsAtOnce) {
  const CacheTestFolder folder;
  const auto store =
      OpenStore(folder.path(), {.bytes_max = 1 << 20, .rescan_interval = std::chrono::milliseconds(1)});
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([&store, seed] {
      const auto places = BlocksOf(seed, 40, 1, 10);
      for (int round = 0; round < 3; ++round) {
        for (const CachePlace& place : places) store->Put(EntryAt(place, 6000));
        for (const CachePlace& place : places) {
          const auto info = store->Find(IdOf(place));
          if (!info) continue;
          std::vector<std::byte> payload(info->payload_bytes);
          if (!store->Read(IdOf(place), place, payload)) continue;
          EXPECT_EQ(payload, PayloadOf(IdOf(place).key, CacheEntryKind::kKvBlock, payload.size()));
        }
        store->Rescan();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  store->Flush();
  EXPECT_EQ(store->stats().entries_damaged, 0U);
}

}  // namespace
}  // namespace mimo

#include "engine/sampled_turns_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/cache_store_directory.h"
#include "engine/cache_store_testutil.h"

namespace mimo {
namespace {

SampledTurn TurnNumber(uint64_t number, size_t text_bytes = 20) {
  SampledTurn turn{.before = MixBits(number), .text = std::string(text_bytes, 'x'), .tokens = {}};
  for (TokenId i = 0; i < 5; ++i) turn.tokens.push_back(static_cast<TokenId>(number) * 10 + i);
  return turn;
}

// A process with this folder.
struct Process {
  explicit Process(const CacheTestFolder& folder, uint64_t bytes_max = 1 << 20)
      : turns(size_t{1} << 20), file(folder.path() + "/store", bytes_max, turns) {}

  bool Knows(uint64_t number, size_t text_bytes = 20) {
    const SampledTurn turn = TurnNumber(number, text_bytes);
    return turns.Find(turn.before, turn.text) == turn.tokens;
  }

  SampledTurns turns;
  SampledTurnsFile file;
};

std::string PathIn(const CacheTestFolder& folder) { return folder.Only("/sampled_turns"); }

std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFileBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST(SampledTurnsFile, TurnsOutliveTheProcess) {
  const CacheTestFolder folder;
  {
    Process first(folder);
    for (uint64_t i = 0; i < 20; ++i) first.file.Keep(TurnNumber(i));
    EXPECT_TRUE(first.Knows(3));
  }
  Process second(folder);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(second.Knows(i)) << i;
  EXPECT_FALSE(second.Knows(20));
  // The last answer to a question is the one that counts, also after a restart.
  SampledTurn changed = TurnNumber(7);
  changed.tokens = {1, 2, 3};
  second.file.Keep(changed);
  Process third(folder);
  EXPECT_EQ(third.turns.Find(changed.before, changed.text), changed.tokens);
}

TEST(SampledTurnsFile, IsSharedByProcesses) {
  const CacheTestFolder folder;
  Process first(folder);
  Process second(folder);
  first.file.Keep(TurnNumber(1));
  second.file.Keep(TurnNumber(2));
  first.file.Keep(TurnNumber(3));
  first.file.ReadNew();
  second.file.ReadNew();
  Process third(folder);
  for (Process* process : {&first, &second, &third}) {
    for (uint64_t i = 1; i <= 3; ++i) EXPECT_TRUE(process->Knows(i)) << i;
  }
}

TEST(SampledTurnsFile, IsCutAndContinuedAfterAKillAtAnyByte) {
  const CacheTestFolder folder;
  {
    Process process(folder);
    for (uint64_t i = 0; i < 3; ++i) process.file.Keep(TurnNumber(i));
  }
  const std::string path = PathIn(folder);
  const std::string whole = FileBytes(path);
  const size_t record_bytes = EncodeSampledTurn(TurnNumber(0)).size();
  const size_t header_bytes = whole.size() - 3 * record_bytes;
  for (size_t size = 0; size < whole.size(); ++size) {
    WriteFileBytes(path, whole.substr(0, size));
    const uint64_t num_whole = size < header_bytes ? 0 : (size - header_bytes) / record_bytes;
    Process reader(folder);
    for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(reader.Knows(i), i < num_whole) << size;
    reader.file.Keep(TurnNumber(9));
    Process next(folder);
    for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(next.Knows(i), i < num_whole) << size;
    EXPECT_TRUE(next.Knows(9)) << size;
  }
}

TEST(SampledTurnsFile, AnyChangedBitIsNoticed) {
  std::vector<std::byte> bytes = EncodeSampledTurn(TurnNumber(1));
  const std::vector<std::byte> second = EncodeSampledTurn(TurnNumber(2));
  const size_t first_bytes = bytes.size();
  bytes.insert(bytes.end(), second.begin(), second.end());
  ASSERT_EQ(ScanSampledTurns(bytes).turns.size(), 2U);
  EXPECT_EQ(ScanSampledTurns(bytes).end, bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1U << (bit % 8));
    bytes[bit / 8] ^= mask;
    const SampledTurnsScan scan = ScanSampledTurns(bytes);
    EXPECT_EQ(scan.end, bit / 8 < first_bytes ? 0 : first_bytes) << bit;
    bytes[bit / 8] ^= mask;
  }
}

TEST(SampledTurnsFile, IsBoundedAndKeepsWhatWasUsedLast) {
  constexpr uint64_t kBytesMax = 20'000;
  const CacheTestFolder folder;
  Process first(folder, kBytesMax);
  Process second(folder, kBytesMax);
  for (uint64_t i = 0; i < 200; ++i) {
    Process& process = i % 2 == 0 ? first : second;
    process.file.Keep(TurnNumber(i, 400));
    EXPECT_TRUE(process.Knows(0, 400)) << i;  // used every time
    EXPECT_LE(std::filesystem::file_size(PathIn(folder)), kBytesMax);
  }
  first.file.ReadNew();
  EXPECT_TRUE(first.Knows(199, 400));
  Process third(folder, kBytesMax);
  EXPECT_TRUE(third.Knows(199, 400));
  EXPECT_TRUE(third.Knows(0, 400));
  EXPECT_FALSE(third.Knows(50, 400));
  // More than half of it at once is not for the file.
  third.file.Keep(TurnNumber(500, kBytesMax));
  EXPECT_FALSE(Process(folder, kBytesMax).Knows(500, kBytesMax));
}

TEST(SampledTurnsFile, AFileOfSomebodyElseIsLeftAlone) {
  const CacheTestFolder folder;
  std::filesystem::create_directory(folder.path() + "/store");
  const std::string path = folder.path() + "/store/sampled_turns";
  const std::string text = "a file of a version that is not known here";
  WriteFileBytes(path, text);
  Process process(folder);
  process.file.Keep(TurnNumber(1));
  EXPECT_TRUE(process.Knows(1)) << "in memory";
  EXPECT_EQ(FileBytes(path), text);
}

TEST(SampledTurnsFile, GoesWithTheLastKeysOfItsStore) {
  const CacheTestFolder folder;
  std::unique_ptr<CacheStore> store = OpenStore(folder.path());
  store->Put(EntryAt(BlocksOf(1, 1)[0]));
  store->Flush();
  SampledTurns turns(1 << 20);
  SampledTurnsFile file(store->folder(), 1 << 20, turns);
  file.Keep(TurnNumber(1));
  ASSERT_TRUE(PruneCacheDirectory(folder.path(), {}));
  EXPECT_FALSE(PathIn(folder).empty());
  store.reset();
  ASSERT_TRUE(PruneCacheDirectory(folder.path(), {.bytes_max = 0}));
  EXPECT_EQ(CacheDirectoryBytes(folder.path()), 0U);
  EXPECT_FALSE(std::filesystem::exists(folder.path() + "/sampled_turns"));
  file.Keep(TurnNumber(2));  // a process that still runs begins a new one
  EXPECT_FALSE(PathIn(folder).empty());
}

}  // namespace
}  // namespace mimo

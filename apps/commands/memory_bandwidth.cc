#include "apps/commands/memory_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <vector>

#include "base/thread_pool.h"

namespace mimo {
namespace {

constexpr size_t kBufferBytes = size_t{512} << 20;
constexpr int kPasses = 5;
// Streams that one thread reads at once, as products read rows: more than one, or the wait for each line
// shows.
constexpr size_t kStreams = 8;
constexpr size_t kWordsPerLine = 64 / sizeof(uint64_t);

// Sum of `count` words, a multiple of kStreams cache lines.
uint64_t ReadWords(const uint64_t* words, size_t count) {
  const size_t stream = count / kStreams;
  uint64_t sums[kStreams] = {};
  for (size_t line = 0; line + kWordsPerLine <= stream; line += kWordsPerLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      const uint64_t* const at = words + s * stream + line;
      __builtin_prefetch(at + 16 * kWordsPerLine);
      uint64_t sum = 0;
      for (size_t i = 0; i < kWordsPerLine; ++i) sum += at[i];
      sums[s] += sum;
    }
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

double MeasureReadBandwidth(uint32_t num_threads) {
  ThreadPool pool(num_threads);
  const std::vector<uint64_t> words(kBufferBytes / sizeof(uint64_t), 1);
  const size_t share =
      words.size() / pool.num_threads() / (kStreams * kWordsPerLine) * (kStreams * kWordsPerLine);
  std::atomic<uint64_t> sum{0};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    pool.ParallelFor(pool.num_threads(),
                     [&](uint32_t part, uint32_t) { sum += ReadWords(words.data() + part * share, share); });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best =
        std::max(best, static_cast<double>(share * pool.num_threads() * sizeof(uint64_t)) / seconds.count());
  }
  // Every word is 1, so a compiler that left the reading out would be found out.
  return sum == uint64_t{kPasses} * share * pool.num_threads() ? best : 0;
}

}  // namespace mimo

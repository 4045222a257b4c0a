// The fixed cost of one loop, which a decode step pays about ten times per layer. Two threads on a two-core
// Xeon at 2 GHz, per loop (figures swing with what else the machine does):
//
//   version                                             captures of one word   of six words
//   std::function, mutex and notify on every loop
//   reference to the task, mutex only for sleepers
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>

#include "base/thread_pool.h"

namespace mimo {
namespace {

void EmptyLoop(benchmark::State& state) {
  ThreadPool pool(static_cast<uint32_t>(state.range(0)));
  const auto num_tasks = static_cast<uint32_t>(state.range(1));
  for (auto _ : state) {
    pool.ParallelFor(num_tasks, [&](uint32_t index, uint32_t) { benchmark::DoNotOptimize(index); });
  }
}
BENCHMARK(EmptyLoop)->ArgNames({"threads", "tasks"})->ArgsProduct({{1, 2}, {2, 16, 128}})->UseRealTime();

// What a matrix product captures: more than two words.
void LoopWithSixCaptures(benchmark::State& state) {
  ThreadPool pool(2);
  std::array<uint64_t, 6> words{};
  auto& [a, b, c, d, e, f] = words;
  for (auto _ : state) {
    pool.ParallelFor(2, [&a, &b, &c, &d, &e, &f](uint32_t index, uint32_t) {
      benchmark::DoNotOptimize(a + b + c + d + e + f + index);
    });
  }
}
BENCHMARK(LoopWithSixCaptures)->UseRealTime();

}  // namespace
}  // namespace mimo

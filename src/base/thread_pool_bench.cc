// The fixed cost of one loop, which a decode step pays about ten times per layer. Run it on an idle machine:
// a worker that has lost its core costs a scheduler's time slice, a thousand times what is measured here.
#include <benchmark/benchmark.h>

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
  uint64_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
  for (auto _ : state) {
    pool.ParallelFor(2, [&a, &b, &c, &d, &e, &f](uint32_t index, uint32_t) {
      benchmark::DoNotOptimize(a + b + c + d + e + f + index);
    });
  }
}
BENCHMARK(LoopWithSixCaptures)->UseRealTime();

}  // namespace
}  // namespace mimo

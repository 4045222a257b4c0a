// y = W x on one thread: bytes of weights per second at decode (1 row of x), multiply-adds per second at
// prefill.
//
// Matrices are 128 MiB so that they come from memory, not from a cache; compare GB/s with BM_ReadMemory.

#include <benchmark/benchmark.h>

#include <optional>

#include "kernels/kernels.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

constexpr uint32_t kCols = 4096;
constexpr size_t kWeightBytes = size_t{128} << 20;

void BM_ReadMemory(benchmark::State& state) {
  const std::vector<uint64_t> data(kWeightBytes / sizeof(uint64_t), 1);
  for (auto _ : state) {
    uint64_t sum[8] = {};
    for (size_t i = 0; i < data.size(); i += 8) {
      for (size_t j = 0; j < 8; ++j) sum[j] += data[i + j];
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kWeightBytes));
}

void BM_MatMul(benchmark::State& state, const Kernels* kernels, WeightType type) {
  const auto num_tokens = static_cast<uint32_t>(state.range(0));
  std::mt19937_64 random(1);
  const auto rows = static_cast<uint32_t>(kWeightBytes / RowBytes(type, kCols));
  const RandomMatrix matrix(type, rows, kCols, random);
  const std::vector<float> x = RandomFloats(size_t{num_tokens} * kCols, random);
  std::vector<const float*> x_rows;
  for (uint32_t t = 0; t < num_tokens; ++t) x_rows.push_back(x.data() + size_t{t} * kCols);
  std::optional<Panels> panels;
  if (kernels->reads_panels && HasPanels(type)) panels.emplace(matrix.view());
  const MatrixView& weights = panels ? panels->view() : matrix.view();
  const RowForm form = kernels->row_form(weights);
  std::optional<QuantizedRows> quantized;
  if (form != RowForm::kFloat32) quantized.emplace(x, num_tokens, form, kernels);
  AlignedBytes panel(PanelScratchBytes(kCols));
  std::vector<float> out(size_t{num_tokens} * rows);
  for (auto _ : state) {
    kernels->matmul({.weights = &weights,
                     .x_rows = x_rows.data(),
                     .quantized_rows = quantized ? quantized->rows().data() : nullptr,
                     .panel_scratch = panel.data(),
                     .num_tokens = num_tokens,
                     .row_begin = 0,
                     .row_end = rows,
                     .out = out.data(),
                     .out_stride = rows});
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kWeightBytes));
  const double operations = 2.0 * rows * kCols * num_tokens * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}

const int kMatMulsRegistered = [] {
  benchmark::RegisterBenchmark("ReadMemory", BM_ReadMemory);
  for (const Kernels* kernels : SupportedKernels().subspan(1)) {
    for (const WeightType type : {WeightType::kF32, WeightType::kBf16, WeightType::kF16, WeightType::kFp8E4M3,
                                  WeightType::kMxFp4, WeightType::kQ80, WeightType::kQ6K, WeightType::kQ5K,
                                  WeightType::kQ4K, WeightType::kQ3K, WeightType::kQ2K, WeightType::kIq4Xs}) {
      const std::string name = std::string("MatMul/") + kernels->name + "/" + WeightTypeName(type);
      benchmark::RegisterBenchmark(name.c_str(), BM_MatMul, kernels, type)->Arg(1)->Arg(4)->Arg(64);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace mimo

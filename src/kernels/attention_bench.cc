// Attention on one thread: bytes of keys and values per second for one token over 8,192 keys, multiply-adds
// per second for a chunk of 256 tokens at depth 4,096.
//
// Head sizes and groups of the released models: 192 and 128 elements; 16 query heads a KV head in full
// layers, 8 in sliding ones.
//
// One core of an EPYC 9004, AVX-512, bf16, 16 heads, GFLOP/s of one token and of a chunk: four heads at a
// time, summed lane by lane, a call a token 79 and 73; eight rows by two keys, sums folded sixteen at a time
// 90 and 89.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/attention_testutil.h"
#include "kernels/kernels.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

constexpr uint32_t kHeadDim = 192;
constexpr uint32_t kVHeadDim = 128;
constexpr uint32_t kBlockRows = 64;  // of a prefill task

struct Workload {
  Workload(KvElement element_type, uint32_t keys)
      : element(element_type), num_keys(keys), k(Rows(kHeadDim)), v(Rows(kVHeadDim)) {}

  AlignedFloats Rows(uint32_t dim) const {
    std::mt19937_64 random(1);
    const RandomMatrix matrix(WeightTypeOf(element), num_keys, dim, random);
    const size_t bytes = num_keys * matrix.view().row_bytes;
    AlignedFloats rows(bytes / sizeof(float) + 1);
    std::memcpy(rows.get(), matrix.view().data, bytes);
    return rows;
  }
  size_t Bytes() const { return num_keys * (KvRowBytes(element, kHeadDim) + KvRowBytes(element, kVHeadDim)); }

  KvElement element;
  uint32_t num_keys;
  AlignedFloats k;
  AlignedFloats v;
};

// The last `num_tokens` of the keys attend them all, piece by piece.
void AttendTokens(const Kernels& kernels, const Workload& work, AttentionArgs args) {
  const uint32_t rows = args.num_tokens * args.num_heads;
  const AlignedFloats scratch(AttentionScratchFloats(rows, kHeadDim, kVHeadDim));
  const AlignedFloats all(AttentionPartialFloats(rows, kVHeadDim));
  const AlignedFloats one(AttentionPartialFloats(rows, kVHeadDim));
  const AttentionPartial merged = AttentionPartialAt(all.get(), rows, kVHeadDim);
  args.element = work.element;
  args.scratch = scratch.get();
  const uint32_t end = args.position + args.num_tokens;
  for (uint32_t at = 0; at < end; at += kAttentionPieceKeys) {
    const KeySpan span = {
        reinterpret_cast<const std::byte*>(work.k.get()) + at * KvRowBytes(work.element, kHeadDim),
        reinterpret_cast<const std::byte*>(work.v.get()) + at * KvRowBytes(work.element, kVHeadDim),
        std::min(kAttentionPieceKeys, end - at)};
    args.spans = {&span, 1};
    args.first_key = at;
    args.partial = at == 0 ? merged : AttentionPartialAt(one.get(), rows, kVHeadDim);
    kernels.attention(args);
    if (at != 0) MergeAttention(args.partial, rows, kVHeadDim, merged);
  }
  benchmark::DoNotOptimize(merged.values[0]);
}

void BM_Attention(benchmark::State& state, const Kernels* kernels, KvElement element, uint32_t num_tokens) {
  const auto num_heads = static_cast<uint32_t>(state.range(0));
  const uint32_t num_keys = num_tokens == 1 ? 8192 : 4096 + num_tokens;
  const Workload work(element, num_keys);
  std::mt19937_64 random(2);
  const size_t token_floats = size_t{num_heads} * kHeadDim;
  const std::vector<float> q = RandomFloats(num_tokens * token_floats, random);
  const uint32_t block = std::min(num_tokens, kBlockRows / num_heads);
  for (auto _ : state) {
    for (uint32_t t = 0; t < num_tokens; t += block) {
      AttendTokens(*kernels, work,
                   {.q = q.data() + t * token_floats,
                    .q_stride = token_floats,
                    .num_tokens = block,
                    .num_heads = num_heads,
                    .head_dim = kHeadDim,
                    .v_head_dim = kVHeadDim,
                    .scale = 1.0F / std::sqrt(static_cast<float>(kHeadDim)),
                    .position = num_keys - num_tokens + t,
                    .spans = {},
                    .partial = {}});
    }
  }
  const auto iterations = static_cast<double>(state.iterations());
  double keys_seen = 0;
  for (uint32_t t = 0; t < num_tokens; ++t) keys_seen += num_keys - num_tokens + t + 1;
  if (num_tokens == 1) state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(work.Bytes()));
  state.counters["FLOP/s"] = benchmark::Counter(
      2.0 * (kHeadDim + kVHeadDim) * num_heads * keys_seen * iterations, benchmark::Counter::kIsRate);
}

const int kAttentionRegistered = [] {
  for (const Kernels* kernels : SupportedKernels().subspan(1)) {
    for (const KvElement element : {KvElement::kF32, KvElement::kBf16, KvElement::kQ80, KvElement::kQ40}) {
      const std::string name =
          std::string("/") + kernels->name + "/" + WeightTypeName(WeightTypeOf(element)) + "/heads";
      benchmark::RegisterBenchmark(("AttentionDecode" + name).c_str(), BM_Attention, kernels, element, 1)
          ->Arg(16)
          ->Arg(8);
      benchmark::RegisterBenchmark(("AttentionPrefill256" + name).c_str(), BM_Attention, kernels, element,
                                   256)
          ->Arg(16)
          ->Arg(8);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace mimo

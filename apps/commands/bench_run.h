#pragma once
// Speed of the forward pass: prompt processing and decode, in the manner of llama-bench.

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "model/kv_storage.h"
#include "weights/checkpoint.h"

namespace mimo {

struct BenchTest {
  bool is_decode = false;  // "tg": `tokens` one by one; else "pp": together, in chunks
  uint32_t tokens = 0;     // at least 1
  uint32_t depth = 0;      // tokens that stand in the KV cache before
};

struct BenchOptions {
  uint32_t repetitions = 3;  // after one that does not count
  uint32_t num_threads = 0;  // 0 = one per core
  KvType kv_type = KvType::kBf16;
  uint32_t chunk = 512;  // tokens per step of a prompt
};

struct BenchResult {
  BenchTest test;
  std::vector<double> tokens_per_second;  // [repetitions]
  double first_token_seconds = 0;         // prompts: until its last token's logits are there; mean
  uint64_t bytes_per_token = 0;           // decode: weights and keys and values that one token reads
  double read_bandwidth = 0;              // bytes a second, measured right before and after; the better

  double Mean() const;
  double StandardDeviation() const;  // of the repetitions; 0 for one
  // Decode: of read_bandwidth.
  double BandwidthShare() const;
};

// Runs one test. kResourceExhausted when the KV cache does not fit; kCancelled after an interrupt.
Result<BenchResult> RunBench(const Checkpoint& checkpoint, const BenchTest& test,
                             const BenchOptions& options);

}  // namespace mimo

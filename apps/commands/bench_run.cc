#include "apps/commands/bench_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "apps/commands/interrupt.h"
#include "apps/commands/machine_memory.h"
#include "apps/commands/memory_bandwidth.h"
#include "model/model.h"
#include "weights/inspect.h"

namespace mimo {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// One sequence whose tokens do not matter.
class BenchSequence {
 public:
  static Result<BenchSequence> Create(const Checkpoint& checkpoint, const BenchTest& test,
                                      const BenchOptions& options) {
    ModelOptions model_options;
    model_options.num_threads = options.num_threads;
    model_options.tokens_per_step_max = options.chunk;
    model_options.packed_bytes_max = PackedBytesMax();
    MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(checkpoint, model_options));
    KvStorageOptions kv_options;
    kv_options.type = options.kv_type;
    kv_options.num_blocks = KvBlocksFor(test.depth + test.tokens);
    MIMO_ASSIGN_OR_RETURN(KvStorage kv, KvStorage::Create(checkpoint.config(), kv_options));
    return BenchSequence(std::move(model), std::move(kv), options.chunk);
  }

  // Computes positions [begin, end), `step` at a time, with the logits of each step's last token.
  Status Run(uint32_t begin, uint32_t end, uint32_t step) {
    for (uint32_t first = begin; first < end; first += step) {
      if (Interrupted()) return MakeError(ErrorCode::kCancelled, "interrupted");
      const uint32_t count = std::min(step, end - first);
      for (uint32_t i = 0; i < count; ++i) tokens_[i] = static_cast<TokenId>(random_() % vocab_size_);
      SequenceChunk chunk;
      chunk.tokens = std::span(tokens_).first(count);
      chunk.first_position = first;
      chunk.blocks = blocks_;
      MIMO_RETURN_IF_ERROR(model_.Forward({&chunk, 1}, kv_));
    }
    return {};
  }

 private:
  BenchSequence(Model model, KvStorage kv, uint32_t chunk)
      : model_(std::move(model)),
        kv_(std::move(kv)),
        vocab_size_(model_.config().vocab_size),
        tokens_(chunk) {
    for (uint32_t block = 0; block < kv_.options().num_blocks; ++block) blocks_.push_back({block});
  }

  Model model_;
  KvStorage kv_;
  uint32_t vocab_size_;
  std::mt19937 random_{1};
  std::vector<TokenId> tokens_;
  std::vector<KvBlockId> blocks_;
};

// Of one token that sees `depth` others.
uint64_t KvBytesRead(const ModelConfig& config, uint32_t depth, KvType type) {
  uint64_t bytes = 0;
  for (uint32_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const AttentionGeometry& geometry = config.Attention(layer);
    const uint64_t keys = geometry.window == 0 ? depth : std::min(depth, geometry.window);
    bytes += keys * geometry.num_key_value_heads *
             (KvRowBytes(type, geometry.head_dim) + KvRowBytes(type, geometry.v_head_dim));
  }
  return bytes;
}

}  // namespace

double BenchResult::Mean() const {
  const auto count = static_cast<double>(tokens_per_second.size());
  return std::accumulate(tokens_per_second.begin(), tokens_per_second.end(), 0.0) / count;
}

double BenchResult::StandardDeviation() const {
  if (tokens_per_second.size() < 2) return 0;
  double squares = 0;
  for (const double value : tokens_per_second) squares += (value - Mean()) * (value - Mean());
  return std::sqrt(squares / static_cast<double>(tokens_per_second.size() - 1));
}

double BenchResult::BandwidthShare() const {
  return read_bandwidth > 0 ? static_cast<double>(bytes_per_token) * Mean() / read_bandwidth : 0;
}

Result<BenchResult> RunBench(const Checkpoint& checkpoint, const BenchTest& test,
                             const BenchOptions& options) {
  MIMO_ASSIGN_OR_RETURN(BenchSequence sequence, BenchSequence::Create(checkpoint, test, options));
  const uint32_t end = test.depth + test.tokens;
  const uint32_t step = test.is_decode ? 1 : options.chunk;
  BenchResult result;
  result.test = test;
  MIMO_RETURN_IF_ERROR(sequence.Run(0, test.depth, options.chunk));
  MIMO_RETURN_IF_ERROR(sequence.Run(test.depth, std::min(end, test.depth + options.chunk), step));  // warm up
  if (test.is_decode) result.read_bandwidth = MeasureReadBandwidth(options.num_threads);
  double seconds_sum = 0;
  for (uint32_t i = 0; i < options.repetitions; ++i) {
    const Clock::time_point start = Clock::now();
    MIMO_RETURN_IF_ERROR(sequence.Run(test.depth, end, step));
    const double seconds = SecondsSince(start);
    seconds_sum += seconds;
    result.tokens_per_second.push_back(test.tokens / seconds);
  }
  if (test.is_decode) {
    result.read_bandwidth = std::max(result.read_bandwidth, MeasureReadBandwidth(options.num_threads));
    result.bytes_per_token = SummarizeCheckpoint(checkpoint).decode_bytes_per_token +
                             KvBytesRead(checkpoint.config(), test.depth + test.tokens / 2, options.kv_type);
  } else {
    result.first_token_seconds = seconds_sum / options.repetitions;
  }
  return result;
}

}  // namespace mimo

#pragma once
// model/: one family's forward pass.
//
//   tokens -> embedding -> layers (attention over KvStorage, MLP or experts) -> norm -> head -> logits
//
// Knows nothing of requests. A step takes several new tokens of several sequences at once; the result of a
// token does not depend on what else is in the step, on how a prompt is cut into steps, or on the number of
// threads, to the bit.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "model/kv_storage.h"
#include "model/matmul_observer.h"
#include "weights/checkpoint.h"
#include "weights/model_config.h"

namespace mimo {

enum class LogitsWanted : uint8_t { kNone, kLast, kAll };

// The part of one sequence that a step computes: `tokens` stand at positions first_position, first_position +
// 1, ...
//
// A sequence that continues from blocks somebody else filled says so with the last two fields, which stay the
// same for all its chunks. Below cached_end full layers read the keys that the blocks hold and write none. So
// tokens there are computed for the windows of the sliding layers alone: after a window was imported, to
// bring it forward; or from an empty window (window_begin = first_position), after WindowReplayTokens of
// which the window is exact, and all that follows has the bits of a sequence computed from its beginning
// (docs/decisions/0017-prefix-cache.md).
struct SequenceChunk {
  std::span<const TokenId> tokens;    // at least one; each < vocab_size
  uint32_t first_position = 0;        // = number of tokens already in the KV cache, or being replayed
  std::span<const KvBlockId> blocks;  // block table, covers first_position + tokens.size() tokens
  KvRingId ring{0};
  LogitsWanted logits = LogitsWanted::kLast;
  uint32_t cached_end = 0;    // positions before it are in the blocks already
  uint32_t window_begin = 0;  // at most first_position; sliding layers see no key before it
};

// Non-owning. Chunks of one step belong to different sequences. At most tokens_per_step_max tokens together.
using Batch = std::span<const SequenceChunk>;

enum class ComputePath {
  kFast,   // the best kernels of this machine, KV in the chosen type
  kExact,  // plain loops in float32, KV in float32: the oracle
};

struct ModelOptions {
  ComputePath path = ComputePath::kFast;
  uint32_t num_threads = 0;            // 0 = one per core
  uint32_t tokens_per_step_max = 512;  // sizes the scratch memory
  MatMulObserver* observer = nullptr;  // or null; must outlive the model
  // Weights are rearranged for the kernels at load if that takes no more memory than this; else, and where an
  // observer looks at them, they are read where the checkpoint has them, which is slower.
  uint64_t packed_bytes_max = UINT64_MAX;
  std::string kernel_variant;  // kFast: a name of kernels/kernels.h; empty = the best of this machine
};

// Not thread-safe: one caller at a time, the engine thread.
class Model {
 public:
  // `checkpoint` must outlive the model. kDataLoss, kInvalidArgument and so on name the tensor at fault.
  static Result<Model> Create(const Checkpoint& checkpoint, const ModelOptions& options);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const ModelConfig& config() const;
  const ModelOptions& options() const;
  const char* kernel_variant() const;  // a name of kernels/kernels.h
  bool is_packed() const;              // whether weights were rearranged, which sums them in another order

  // Runs one step and leaves keys and values of the new tokens in `kv`.
  // logits: float32 [rows wanted, vocab_size], in the order of chunks and tokens; overwritten, valid until
  // the next call. Errors (a token out of the vocabulary, a table too short, too many tokens) leave `kv`
  // unchanged.
  Result<std::span<const float>> Forward(Batch batch, KvStorage& kv);

  // Output of the trunk after its last norm for every token of the last Forward: float32 [tokens,
  // hidden_size].
  std::span<const float> hidden_states() const;

  // One MTP head over the rows of the last Forward or of `hidden`: position p of a chunk combines `hidden`
  // row (the trunk's hidden state at p) with the embedding of the chunk's token, which for head k is the
  // token at p + 1 + k. hidden: [tokens, hidden_size]. logits as in Forward, predicting the token at p + 2 +
  // k.
  Result<std::span<const float>> ForwardMtp(uint32_t head, Batch batch, std::span<const float> hidden,
                                            KvStorage& kv);

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimo

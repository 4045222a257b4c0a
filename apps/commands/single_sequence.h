#pragma once
// One sequence through the model, without the engine: for commands that want logits instead of text.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "model/kv_storage.h"
#include "model/model.h"
#include "weights/checkpoint.h"

namespace mimo {

struct SingleSequenceOptions {
  ComputePath path = ComputePath::kFast;
  KvType kv_type = KvType::kBf16;  // kExact always uses float32
  uint32_t num_threads = 0;
  uint32_t tokens_max = 0;             // longest sequence; at least 1
  uint32_t chunk = 512;                // tokens per forward step
  MatMulObserver* observer = nullptr;  // or null; must outlive the sequence
};

// Not thread-safe.
class SingleSequence {
 public:
  // `checkpoint` must outlive the result.
  static Result<SingleSequence> Create(const Checkpoint& checkpoint, const SingleSequenceOptions& options);

  // Runs `tokens` from position 0 in chunks. `receive(first_position, logits)` gets float32 [tokens of the
  // chunk, vocab_size], valid during the call; Model::hidden_states() belongs to the same chunk then.
  using Receiver = std::function<Status(uint32_t first_position, std::span<const float> logits)>;
  Status Run(std::span<const TokenId> tokens, const Receiver& receive);

  // One chunk of a sequence whose tokens before `first_position` were computed by the calls before. Logits as
  // of Model::Forward. Requires: at most chunk() tokens. kCancelled after an interrupt.
  Result<std::span<const float>> RunChunk(std::span<const TokenId> tokens, uint32_t first_position,
                                          LogitsWanted wanted);

  // Every MTP head over the chunk that the trunk has just computed; to be called by Run's receiver. Head k
  // gets `receive_head(k, logits)` with float32 [count, vocab_size] for the chunk's first `count` positions:
  // those whose token at position + 1 + k is in `tokens`, which are Run's. Not called where there is none.
  using HeadReceiver = std::function<Status(uint32_t head, std::span<const float> logits)>;
  Status RunMtpHeads(std::span<const TokenId> tokens, uint32_t first_position,
                     const HeadReceiver& receive_head);

  const Model& model() const { return model_; }
  uint32_t chunk() const { return chunk_; }

 private:
  // `tokens` [count] are those at position + 1 + head. Requires: the positions before were given to the head.
  Result<std::span<const float>> RunMtp(uint32_t head, std::span<const TokenId> tokens,
                                        uint32_t first_position, std::span<const float> hidden);

  SingleSequence(Model model, KvStorage kv, const SingleSequenceOptions& options);

  Model model_;
  KvStorage kv_;
  uint32_t tokens_max_;
  uint32_t chunk_;
  std::vector<KvBlockId> blocks_;
};

}  // namespace mimo

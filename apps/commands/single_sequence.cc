#include "apps/commands/single_sequence.h"

#include <algorithm>
#include <utility>

#include "apps/commands/interrupt.h"
#include "apps/commands/machine_memory.h"

namespace mimo {

SingleSequence::SingleSequence(Model model, KvStorage kv, const SingleSequenceOptions& options)
    : model_(std::move(model)), kv_(std::move(kv)), tokens_max_(options.tokens_max), chunk_(options.chunk) {
  for (uint32_t block = 0; block < kv_.options().num_blocks; ++block) blocks_.push_back({block});
}

Result<SingleSequence> SingleSequence::Create(const Checkpoint& checkpoint,
                                              const SingleSequenceOptions& options) {
  ModelOptions model_options;
  model_options.path = options.path;
  model_options.num_threads = options.num_threads;
  model_options.observer = options.observer;
  model_options.tokens_per_step_max = std::min(options.chunk, options.tokens_max);
  model_options.packed_bytes_max = PackedBytesMax();
  MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(checkpoint, model_options));
  KvStorageOptions kv_options;
  kv_options.type = options.path == ComputePath::kExact ? KvType::kF32 : options.kv_type;
  kv_options.num_blocks = KvBlocksFor(options.tokens_max);
  MIMO_ASSIGN_OR_RETURN(KvStorage kv, KvStorage::Create(checkpoint.config(), kv_options));
  return SingleSequence(std::move(model), std::move(kv), options);
}

Status SingleSequence::Run(std::span<const TokenId> tokens, const Receiver& receive) {
  if (tokens.size() > tokens_max_) {
    return InvalidArgument("{} tokens are more than {}: shorten the input", tokens.size(), tokens_max_);
  }
  for (uint32_t first = 0; first < tokens.size(); first += chunk_) {
    const std::span<const TokenId> chunk =
        tokens.subspan(first, std::min<size_t>(chunk_, tokens.size() - first));
    MIMO_ASSIGN_OR_RETURN(const std::span<const float> logits, RunChunk(chunk, first, LogitsWanted::kAll));
    MIMO_RETURN_IF_ERROR(receive(first, logits));
  }
  return {};
}

Result<std::span<const float>> SingleSequence::RunChunk(std::span<const TokenId> tokens,
                                                        uint32_t first_position, LogitsWanted wanted) {
  if (Interrupted()) return MakeError(ErrorCode::kCancelled, "interrupted: the output is incomplete");
  SequenceChunk chunk;
  chunk.tokens = tokens;
  chunk.first_position = first_position;
  chunk.blocks = blocks_;
  chunk.logits = wanted;
  return model_.Forward({&chunk, 1}, kv_);
}

Status SingleSequence::RunMtpHeads(std::span<const TokenId> tokens, uint32_t first_position,
                                   const HeadReceiver& receive_head) {
  const ModelConfig& config = model_.config();
  // Copied: the heads run through the same scratch memory.
  const std::span<const float> states = model_.hidden_states();
  const std::vector<float> hidden(states.begin(), states.end());
  const size_t chunk_tokens = hidden.size() / config.hidden_size;
  for (uint32_t head = 0; head < config.num_nextn_predict_layers; ++head) {
    const size_t next = size_t{first_position} + 1 + head;  // position of the first token that the head takes
    if (next >= tokens.size()) continue;
    const size_t count = std::min(chunk_tokens, tokens.size() - next);
    MIMO_ASSIGN_OR_RETURN(const std::span<const float> logits,
                          RunMtp(head, tokens.subspan(next, count), first_position,
                                 std::span(hidden).first(count * config.hidden_size)));
    MIMO_RETURN_IF_ERROR(receive_head(head, logits));
  }
  return {};
}

Result<std::span<const float>> SingleSequence::RunMtp(uint32_t head, std::span<const TokenId> tokens,
                                                      uint32_t first_position,
                                                      std::span<const float> hidden) {
  SequenceChunk chunk;
  chunk.tokens = tokens;
  chunk.first_position = first_position;
  chunk.blocks = blocks_;
  chunk.logits = LogitsWanted::kAll;
  return model_.ForwardMtp(head, {&chunk, 1}, hidden, kv_);
}

}  // namespace mimo

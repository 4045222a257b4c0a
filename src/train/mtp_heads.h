#pragma once
// Multi-token prediction: thin layers that guess the tokens after the next one from the trunk's output.

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/status.h"
#include "train/network.h"

namespace mimo {

// config.num_nextn_predict_layers layers as docs/formats/checkpoints.md describes them, computed on the path
// of the network they are used with. Not thread-safe; copies share the parameters.
class MtpHeads {
 public:
  // kInvalidArgument without an MTP layer in the config.
  static Result<MtpHeads> Create(const ModelConfig& config, uint64_t seed);

  int64_t num_heads() const;
  void To(torch::Device device);

  // Head k at position p combines hidden row p (of Network::Forward) with the embedding of `next_tokens` row
  // p, which is the token at p + 1 + k, and returns the input of Network::Logits for the token at p + 2 + k.
  // hidden [sequences, length, hidden_size]; next_tokens int64 [sequences, length]; positions as in
  // PackedBatch, or undefined.
  torch::Tensor Forward(int64_t head, const Network& network, const torch::Tensor& hidden,
                        const torch::Tensor& next_tokens, const torch::Tensor& positions) const;

  // The loss of every head (LossResult::expert_loads undefined), with the trunk frozen: it runs without
  // gradients, and embedding and head get none. Head k takes a loss at p where the trunk would take one at
  // p + 1 + k and p + 2 + k is in the same conversation.
  std::vector<LossResult> TrainLoss(Network& network, const PackedBatch& batch) const;

  std::vector<NetworkParameter> parameters() const;

 private:
  struct Impl;
  explicit MtpHeads(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace mimo

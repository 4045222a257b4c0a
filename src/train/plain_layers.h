#pragma once
// The layers as compositions of ATen's operations, whose gradients autograd derives: runs on any device, and
// is what the fused layers are held to.

#include "train/layer_parameters.h"

namespace mimo {

// y = x * w / rms(x), rms over the last axis.
torch::Tensor PlainRmsNorm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon);

// Each takes the residual stream x [sequences, length, hidden_size] and returns it with the layer's output
// added; the norm in front is part of the layer.
torch::Tensor PlainAttentionLayer(const torch::Tensor& x, const AttentionParameters& parameters,
                                  const AttentionGeometry& geometry, const LayerContext& context);
torch::Tensor PlainMlpLayer(const torch::Tensor& x, const MlpParameters& parameters,
                            const LayerContext& context);
torch::Tensor PlainMoeLayer(const torch::Tensor& x, MoeParameters& parameters, const LayerContext& context);

// Mean cross entropy of the rows: hidden [rows, hidden_size], head [vocab_size, hidden_size], targets int64
// [rows], every one a token.
torch::Tensor PlainHeadLoss(const torch::Tensor& hidden, const torch::Tensor& head,
                            const torch::Tensor& targets);

}  // namespace mimo

#pragma once
// The layers as one function each, with gradients by hand over raw memory (fused_loops.h) and ATen's matrix
// products: no intermediate tensor that the gradient does not need, and attention that touches visible keys
// only. Float32 tensors on the CPU, on machines that FusedLayersSupported says. Same contracts as in
// plain_layers.h.

#include "train/layer_parameters.h"

namespace mimo {

bool FusedLayersSupported();

torch::Tensor FusedRmsNorm(const torch::Tensor& x, const torch::Tensor& weight, double epsilon);
torch::Tensor FusedAttentionLayer(const torch::Tensor& x, const AttentionParameters& parameters,
                                  const AttentionGeometry& geometry, const LayerContext& context);
torch::Tensor FusedMlpLayer(const torch::Tensor& x, const MlpParameters& parameters,
                            const LayerContext& context);
torch::Tensor FusedMoeLayer(const torch::Tensor& x, MoeParameters& parameters, const LayerContext& context);
torch::Tensor FusedHeadLoss(const torch::Tensor& hidden, const torch::Tensor& head,
                            const torch::Tensor& targets, MatrixPrecision precision);

}  // namespace mimo

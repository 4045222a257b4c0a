#pragma once
// The layers on the path that a pass is to take.

#include "train/fused_layers.h"
#include "train/layer_parameters.h"
#include "train/plain_layers.h"

namespace mimo {

inline torch::Tensor RmsNorm(const torch::Tensor& x, const torch::Tensor& weight,
                             const LayerContext& context) {
  const double epsilon = context.config->layernorm_epsilon;
  return context.path == NetworkPath::kFused ? FusedRmsNorm(x, weight, epsilon)
                                             : PlainRmsNorm(x, weight, epsilon);
}

inline torch::Tensor AttentionLayer(const torch::Tensor& x, const AttentionParameters& parameters,
                                    const AttentionGeometry& geometry, const LayerContext& context) {
  return context.path == NetworkPath::kFused ? FusedAttentionLayer(x, parameters, geometry, context)
                                             : PlainAttentionLayer(x, parameters, geometry, context);
}

inline torch::Tensor MlpLayer(const torch::Tensor& x, const MlpParameters& parameters,
                              const LayerContext& context) {
  return context.path == NetworkPath::kFused ? FusedMlpLayer(x, parameters, context)
                                             : PlainMlpLayer(x, parameters, context);
}

inline torch::Tensor MoeLayer(const torch::Tensor& x, MoeParameters& parameters,
                              const LayerContext& context) {
  return context.path == NetworkPath::kFused ? FusedMoeLayer(x, parameters, context)
                                             : PlainMoeLayer(x, parameters, context);
}

}  // namespace mimo

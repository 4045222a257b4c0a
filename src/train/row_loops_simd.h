#pragma once
// The loops over rows: norm, activation, gather and scatter, cross entropy. Include after
// attention_loops_simd.h.

#include <algorithm>
#include <cmath>

#include "train/fused_loops.h"

namespace mimo {
namespace {

void RmsNormForward(const RmsNormForwardArgs& args, int64_t rows, int64_t size) {
  const float* const weight = args.weight;
  for (int64_t row = 0; row < rows; ++row) {
    const float* const x = args.x + row * size;
    float* const out = args.out + row * size;
    const float inverse_rms = 1.0F / std::sqrt(Dot(x, x, size) / static_cast<float>(size) + args.epsilon);
    args.inverse_rms[row] = inverse_rms;
    const Float16 factor = Simd::Broadcast(inverse_rms);
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      const Float16 normed = Simd::Multiply(LoadSome(x + i, lanes), factor);
      StoreSome(out + i, Simd::Multiply(normed, LoadSome(weight + i, lanes)), lanes);
    });
  }
}

// y = x r w with r = 1 / rms(x): dx = r (w dy) - x r^3 / size * (w dy) . x, dw = sum over rows of dy x r.
void RmsNormBackward(const RmsNormBackwardArgs& args, int64_t rows, int64_t size) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* const x = args.x + row * size;
    const float* const gradient = args.out_gradient + row * size;
    float* const x_gradient = args.x_gradient + row * size;
    const float* const residual =
        args.residual_gradient == nullptr ? nullptr : args.residual_gradient + row * size;
    const float r = args.inverse_rms[row];
    Float16 sums = Simd::Zero();
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      const Float16 product = Simd::Multiply(LoadSome(x + i, lanes), LoadSome(gradient + i, lanes));
      sums = Simd::MultiplyAdd(product, LoadSome(args.weight + i, lanes), sums);
      float* const dw = args.weight_gradient + i;
      StoreSome(dw, Simd::MultiplyAdd(product, Simd::Broadcast(r), LoadSome(dw, lanes)), lanes);
    });
    const Float16 along_x = Simd::Broadcast(-r * r * r * SumLanes(sums) / static_cast<float>(size));
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      const Float16 scaled = Simd::Multiply(LoadSome(gradient + i, lanes), LoadSome(args.weight + i, lanes));
      Float16 dx = Simd::Multiply(LoadSome(x + i, lanes), along_x);
      dx = Simd::MultiplyAdd(scaled, Simd::Broadcast(r), dx);
      if (residual != nullptr) dx = Simd::Add(dx, LoadSome(residual + i, lanes));
      StoreSome(x_gradient + i, dx, lanes);
    });
  }
}

Float16 Sigmoid(Float16 x) {
  const Float16 one = Simd::Broadcast(1.0F);
  return Simd::Divide(one, Simd::Add(one, Exp(Simd::Subtract(Simd::Zero(), x))));
}

void SwiGluForward(const float* gate_up, int64_t rows, int64_t size, float* out) {
  for (int64_t row = 0; row < rows; ++row, gate_up += 2 * size, out += size) {
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      const Float16 gate = LoadSome(gate_up + i, lanes);
      const Float16 silu = Simd::Multiply(gate, Sigmoid(gate));
      StoreSome(out + i, Simd::Multiply(silu, LoadSome(gate_up + size + i, lanes)), lanes);
    });
  }
}

void SwiGluBackward(const SwiGluBackwardArgs& args, int64_t rows, int64_t size) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* const gate_row = args.gate_up + row * 2 * size;
    const float* const up_row = gate_row + size;
    const float* const gradient_row = args.out_gradient + row * size;
    float* const gate_gradient = args.gate_up_gradient + row * 2 * size;
    float* const out_row = args.out + row * size;
    const Float16 weight = Simd::Broadcast(args.row_weights == nullptr ? 1.0F : args.row_weights[row]);
    Float16 dots = Simd::Zero();
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      const Float16 gate = LoadSome(gate_row + i, lanes);
      const Float16 up = LoadSome(up_row + i, lanes);
      const Float16 gradient = LoadSome(gradient_row + i, lanes);
      const Float16 sigmoid = Sigmoid(gate);
      const Float16 silu = Simd::Multiply(gate, sigmoid);
      const Float16 value = Simd::Multiply(silu, up);
      dots = Simd::MultiplyAdd(value, gradient, dots);
      const Float16 weighted = Simd::Multiply(gradient, weight);
      // d silu / d gate = sigmoid (1 + gate - silu)
      const Float16 slope =
          Simd::Multiply(sigmoid, Simd::Add(Simd::Broadcast(1.0F), Simd::Subtract(gate, silu)));
      StoreSome(out_row + i, Simd::Multiply(value, weight), lanes);
      StoreSome(gate_gradient + i, Simd::Multiply(Simd::Multiply(weighted, up), slope), lanes);
      StoreSome(gate_gradient + size + i, Simd::Multiply(weighted, silu), lanes);
    });
    if (args.row_dots != nullptr) args.row_dots[row] = SumLanes(dots);
  }
}

void GatherRows(const float* x, const int64_t* indices, int64_t rows, int64_t size, float* out) {
  for (int64_t row = 0; row < rows; ++row) std::copy_n(x + indices[row] * size, size, out + row * size);
}

void ScatterAddRows(const ScatterAddArgs& args, int64_t rows, int64_t size) {
  for (int64_t row = 0; row < rows; ++row) {
    AddScaled(args.x + row * size, args.weights == nullptr ? 1.0F : args.weights[row],
              static_cast<uint32_t>(size), args.out + args.indices[row] * size);
  }
}

double CrossEntropy(float* logits, const int64_t* targets, int64_t rows, int64_t size, float scale) {
  double loss = 0;
  for (int64_t row = 0; row < rows; ++row, logits += size) {
    const float largest = Largest(logits, size);
    const float target_logit = logits[targets[row]];
    Float16 sums = Simd::Zero();
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      Float16 e = Exp(Simd::Subtract(LoadSome(logits + i, lanes), Simd::Broadcast(largest)));
      StoreSome(logits + i, e, lanes);
      if (lanes < kLanes) e = LoadSome(logits + i, lanes);  // zeros in the lanes past the end
      sums = Simd::Add(sums, e);
    });
    const float sum = SumLanes(sums);
    loss += static_cast<double>(largest - target_logit) + std::log(static_cast<double>(sum));
    const Float16 factor = Simd::Broadcast(scale / sum);
    ForEachLanes(static_cast<uint32_t>(size), [&](uint32_t i, uint32_t lanes) {
      StoreSome(logits + i, Simd::Multiply(LoadSome(logits + i, lanes), factor), lanes);
    });
    logits[targets[row]] -= scale;
  }
  return loss;
}

constexpr FusedLoops MakeFusedLoops(const char* name) {
  return {name,          RmsNormForward, RmsNormBackward, AttentionForward, AttentionBackward,
          SwiGluForward, SwiGluBackward, GatherRows,      ScatterAddRows,   CrossEntropy};
}

}  // namespace
}  // namespace mimo

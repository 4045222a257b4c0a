#pragma once
// The loops of the fused layers, on plain float32 buffers; one table per instruction set.
//
// Nothing here knows of autograd: a forward loop leaves what its backward loop needs in buffers of the
// caller.
// "+=" marks outputs that are added to.

#include <cstdint>
#include <span>

namespace mimo {

// Queries that attention works on together.
constexpr int64_t kAttentionQueryBlock = 32;

// Which rows one key-value head's attention reads and writes. q, k and v of a token stand in one row of
// `width` floats: q heads, k heads, v heads, k and q rotated, v scaled.
struct AttentionShape {
  int64_t length = 0;  // tokens of a row of the batch
  int64_t width = 0;
  int64_t num_heads = 0;
  int64_t num_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t v_head_dim = 0;
  int64_t window = 0;  // visible keys, the query's own included; 0 = all
};

// Floats from row to row of attention's scratch matrices. A length is mostly a power of two, and rows that
// many pages apart would share a few sets of the first-level cache.
inline int64_t ScratchStride(const AttentionShape& shape) { return shape.length + 16; }

// One row of the batch.
struct AttentionForwardArgs {
  const float* qkv = nullptr;          // [length, width]
  const int64_t* positions = nullptr;  // [length], a query sees at most this many keys before its own
  const float* sinks = nullptr;        // [num_heads] or null
  float* out = nullptr;                // [length, num_heads * v_head_dim]
  float* log_sums = nullptr;           // [num_heads, length], log of the softmax denominator
  float* scratch = nullptr;            // AttentionScratchFloats
};

struct AttentionBackwardArgs {
  const float* qkv = nullptr;
  const int64_t* positions = nullptr;
  const float* sinks = nullptr;
  const float* out = nullptr;
  const float* log_sums = nullptr;
  const float* out_gradient = nullptr;  // [length, num_heads * v_head_dim]
  float* qkv_gradient = nullptr;        // [length, width], overwritten
  float* sinks_gradient = nullptr;      // [num_heads] +=, or null
  float* scratch = nullptr;
};

struct RmsNormForwardArgs {
  const float* x = nullptr;       // [rows, size]
  const float* weight = nullptr;  // [size]
  float epsilon = 0;
  float* out = nullptr;          // [rows, size]
  float* inverse_rms = nullptr;  // [rows]
};

struct RmsNormBackwardArgs {
  const float* x = nullptr;                  // [rows, size]
  const float* weight = nullptr;             // [size]
  const float* inverse_rms = nullptr;        // [rows]
  const float* out_gradient = nullptr;       // [rows, size]
  const float* residual_gradient = nullptr;  // [rows, size] added to x_gradient, or null
  float* x_gradient = nullptr;               // [rows, size], overwritten; may be out_gradient
  float* weight_gradient = nullptr;          // [size] +=
};

struct SwiGluBackwardArgs {
  const float* gate_up = nullptr;
  const float* out_gradient = nullptr;
  const float* row_weights = nullptr;
  float* gate_up_gradient = nullptr;
  float* out = nullptr;
  float* row_dots = nullptr;
};

struct ScatterAddArgs {
  const float* x = nullptr;          // [rows, size]
  const int64_t* indices = nullptr;  // [rows], rows of `out`; may repeat
  const float* weights = nullptr;    // [rows], or null for weights of 1
  float* out = nullptr;              // rows of `size` +=
};

struct FusedLoops {
  const char* name;

  // out = x * weight * inverse_rms, inverse_rms = 1 / sqrt(mean(x^2) + epsilon)
  void (*rms_norm)(const RmsNormForwardArgs& args, int64_t rows, int64_t size);
  void (*rms_norm_backward)(const RmsNormBackwardArgs& args, int64_t rows, int64_t size);

  void (*attention)(const AttentionForwardArgs& args, const AttentionShape& shape);
  void (*attention_backward)(const AttentionBackwardArgs& args, const AttentionShape& shape);

  // gate_up [rows, 2 * size], gate first: out [rows, size] = silu(gate) * up
  void (*swiglu)(const float* gate_up, int64_t rows, int64_t size, float* out);
  // From the gradient of `out`: gate_up_gradient [rows, 2 * size] = row_weights[row] * d(out) / d(gate_up),
  // and out [rows, size] = row_weights[row] * silu(gate) * up, which the gradient of the next matrix needs.
  // row_dots[row] = out_gradient . (silu(gate) * up). row_weights and row_dots: null for weights of 1.
  void (*swiglu_backward)(const SwiGluBackwardArgs& args, int64_t rows, int64_t size);

  // out[i] = x[indices[i]], rows of `size`
  void (*gather_rows)(const float* x, const int64_t* indices, int64_t rows, int64_t size, float* out);
  // out[indices[i]] += weights[i] * x[i]
  void (*scatter_add_rows)(const ScatterAddArgs& args, int64_t rows, int64_t size);

  // Cross entropy of logits [rows, size] with targets [rows]: returns the sum of the losses, and leaves
  // scale * (softmax - one hot) in `logits`.
  double (*cross_entropy)(float* logits, const int64_t* targets, int64_t rows, int64_t size, float scale);
};

// Floats of scratch memory of attention over a row, either direction.
int64_t AttentionScratchFloats(const AttentionShape& shape);

// The best table of this machine; null where there is none (no AVX2).
const FusedLoops* FindFusedLoops();
// Every table that this machine can run.
std::span<const FusedLoops* const> SupportedFusedLoops();

#if defined(__x86_64__)
const FusedLoops& Avx2FusedLoops();
const FusedLoops& Avx512FusedLoops();
#endif

}  // namespace mimo

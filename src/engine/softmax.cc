#include "engine/softmax.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"

namespace mimo {
namespace {

constexpr size_t kLanes = 16;  // independent accumulators, so that the compiler can use vector registers

// exp(x) for x <= 0, exactly 1 at 0. Our own, because the compiler cannot put std::exp into vector registers
// and because the libraries' last bits differ.
//
//   x = n ln 2 + r, |r| <= ln 2 / 2;  exp(x) = 2^n exp(r), exp(r) by the polynomial of Cephes' expf
inline float ExpOfNonPositive(float x) {
  constexpr float kSmallest = -80.0F;  // exp(-80) is still a normal float and far below a weight of 1
  constexpr float kRoundToInteger = 0x1.8p23F;  // adding it leaves the nearest integer in the low bits
  x = x > kSmallest ? x : kSmallest;
  const float shifted = x * 1.44269504088896341F + kRoundToInteger;
  const float n = shifted - kRoundToInteger;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float exp_r = p * r * r + r + 1.0F;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRoundToInteger);
  return exp_r * std::bit_cast<float>((exponent + 127U) << 23);
}

uint64_t ToFixedPoint(float probability) {
  // Never negative, so that adding a half rounds correctly; lround is a call per token of the vocabulary.
  // NOLINTNEXTLINE(bugprone-incorrect-roundings)
  return static_cast<uint64_t>(static_cast<int64_t>(probability * static_cast<float>(kWeightOne) + 0.5F));
}

// Calls consume(begin, exponentials) for consecutive pieces of the row. The exponentials get a loop of their
// own over a small buffer, because only a plain loop over floats is put into vector registers.
template <typename Consume>
void ForEachExpBlock(std::span<const float> logits, float largest, float inverse_temperature,
                     const Consume& consume) {
  constexpr size_t kBlock = 256;
  static_assert(kBlock % kLanes == 0);
  float block[kBlock];
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, logits.size() - begin);
    const float* row = logits.data() + begin;
    for (size_t i = 0; i < count; ++i) block[i] = ExpOfNonPositive((row[i] - largest) * inverse_temperature);
    consume(begin, std::span<const float>(block, count));
  }
}

}  // namespace

std::optional<LargestLogit> FindLargestLogit(std::span<const float> logits) {
  MIMO_CHECK(!logits.empty());
  float largest[kLanes];
  float poison[kLanes] = {};  // 0 * x is NaN for an infinite or NaN x, and NaN stays
  std::fill(std::begin(largest), std::end(largest), logits[0]);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float logit = logits[i + lane];
      largest[lane] = logit > largest[lane] ? logit : largest[lane];
      poison[lane] += logit * 0.0F;
    }
  }
  for (; i < logits.size(); ++i) {
    largest[0] = std::max(largest[0], logits[i]);
    poison[0] += logits[i] * 0.0F;
  }
  for (const float value : poison) {
    if (std::isnan(value)) return std::nullopt;
  }
  const float top = *std::max_element(std::begin(largest), std::end(largest));
  const auto first = std::find(logits.begin(), logits.end(), top);
  return LargestLogit{static_cast<TokenId>(first - logits.begin()), top};
}

uint64_t SoftmaxWeight(float logit, float largest, float inverse_temperature) {
  return ToFixedPoint(ExpOfNonPositive((logit - largest) * inverse_temperature));
}

uint64_t SoftmaxWeights(std::span<const float> logits, float largest, float inverse_temperature,
                        std::span<uint64_t> weights) {
  MIMO_CHECK(weights.size() == logits.size());
  uint64_t sum = 0;
  ForEachExpBlock(logits, largest, inverse_temperature, [&](size_t begin, std::span<const float> block) {
    for (size_t i = 0; i < block.size(); ++i) {
      weights[begin + i] = ToFixedPoint(block[i]);
      sum += weights[begin + i];
    }
  });
  return sum;
}

double LogSumExp(std::span<const float> logits, float largest) {
  double sums[kLanes] = {};
  ForEachExpBlock(logits, largest, 1.0F, [&](size_t, std::span<const float> block) {
    for (size_t i = 0; i < block.size(); ++i) sums[i % kLanes] += static_cast<double>(block[i]);
  });
  double sum = 0;
  for (const double lane_sum : sums) sum += lane_sum;
  return static_cast<double>(largest) + std::log(sum);
}

}  // namespace mimo

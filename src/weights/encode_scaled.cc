// Types without an offset: decoded = scale * level, with levels that are integers (q3_k, q4_0, q5_0, q6_k), a
// table (iq4_nl, iq4_xs) or E2M1 numbers (mxfp4).
//
//   1. For each sub-block, the scale s that minimises sum w (x - s level)^2. Candidates map its largest
//   number
//      to different levels; each gets the codes nearest to it, and those codes get their least-squares scale
//      sum(w x level) / sum(w level^2). A second round looks between the candidates.
//   2. The sub-scales become integers times one float16 super-scale d. The loss of moving s_j is quadratic
//   with
//      the curvature sum(w level^2), so many d are compared without touching the numbers.
//   3. From the best d: each sub-scale tries its neighbours with codes chosen anew, d becomes the
//   least-squares
//      solution for all codes together, and so on while the error falls.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/block_layouts.h"
#include "weights/encode_block.h"
#include "weights/encode_lanes.h"
#include "weights/encode_store.h"

namespace mimo {
namespace {

constexpr uint32_t kSubBlocksMax = 16;

template <int kLowest, int kHighest>
struct IntegerLevels {
  static constexpr float kExtreme[2] = {kLowest, kHighest};
  static Float4 Nearest(Float4 t) {
    return RoundToInteger(Clamp(t, Broadcast(kLowest), Broadcast(kHighest)));
  }
  // Codes count levels from the lowest.
  static uint8_t Code(float t) {
    const float level = RoundToInteger(std::clamp(t, float{kLowest}, float{kHighest}));
    return static_cast<uint8_t>(static_cast<int>(level) - kLowest);
  }
};

// Ascending levels; what lies between two belongs to the nearer one.
template <const auto& kValues>
struct TableLevels {
  static constexpr float kExtreme[2] = {kValues.front(), kValues.back()};
  static constexpr float Middle(size_t i) { return 0.5F * (kValues[i] + kValues[i + 1]); }
  static Float4 Nearest(Float4 t) {
    Float4 level = Broadcast(kValues[0]);
    for (size_t i = 0; i + 1 < kValues.size(); ++i) {
      const Float4 step = Broadcast(kValues[i + 1] - kValues[i]);
      level += t > Broadcast(Middle(i)) ? step : Float4{};
    }
    return level;
  }
  static uint8_t Code(float t) {
    uint8_t code = 0;
    for (size_t i = 0; i + 1 < kValues.size(); ++i) code = static_cast<uint8_t>(code + (t > Middle(i)));
    return code;
  }
};

constexpr std::array<float, 16> kIq4Levels = [] {
  std::array<float, 16> levels = {};
  for (size_t i = 0; i < levels.size(); ++i) levels[i] = kIq4Values[i];
  return levels;
}();
// E2M1 twice as large, so that all are whole. The zero with a sign is never written.
constexpr std::array<float, 15> kFp4Levels = {-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12};

// Some consecutive columns of a block.
struct Columns {
  const float* x = nullptr;
  const float* weights = nullptr;
  uint32_t count = 0;
};

Columns SubBlock(const EncoderInput& input, uint32_t index, uint32_t count) {
  return {input.x.data() + index * count, input.weights.data() + index * count, count};
}

float LargestWithSign(const Columns& columns) {
  float largest = 0;
  for (uint32_t i = 0; i < columns.count; ++i) {
    if (std::fabs(columns.x[i]) > std::fabs(largest)) largest = columns.x[i];
  }
  return largest;
}

// sum(w x level) and sum(w level^2) for the levels nearest to x * inverse, per lane.
template <typename Levels, uint32_t kGroups>
void SumLevels(const Columns& columns, const Lanes<kGroups>& inverse, Lanes<kGroups>* xq,
               Lanes<kGroups>* qq) {
  for (uint32_t g = 0; g < kGroups; ++g) {
    Float4 sum_xq = {};
    Float4 sum_qq = {};
    for (uint32_t i = 0; i < columns.count; ++i) {
      const Float4 x = Broadcast(columns.x[i]);
      const Float4 level = Levels::Nearest(x * inverse.group[g]);
      const Float4 weighted = Broadcast(columns.weights[i]) * level;
      sum_xq += x * weighted;
      sum_qq += level * weighted;
    }
    xq->group[g] = sum_xq;
    qq->group[g] = sum_qq;
  }
}

// The best real scale of a sub-block; the error at scale s with these codes is error + curvature (s -
// scale)^2, and error falls as gain rises.
struct ScaleFit {
  float scale = 0;
  float curvature = 0;
  float gain = 0;
};

// Keeps the best lane in `fit` and the inverse scale that gave it.
template <uint32_t kGroups>
float TakeBest(const Lanes<kGroups>& inverse, const Lanes<kGroups>& xq, const Lanes<kGroups>& qq,
               float best_inverse, ScaleFit* fit) {
  for (uint32_t lane = 0; lane < Lanes<kGroups>::kCount; ++lane) {
    if (!(qq[lane] > 0)) continue;
    const float gain = xq[lane] * xq[lane] / qq[lane];
    if (!(gain > fit->gain)) continue;
    *fit = {xq[lane] / qq[lane], qq[lane], gain};
    best_inverse = inverse[lane];
  }
  return best_inverse;
}

// Where the candidates of the first round map the largest number: from `first` times the extreme level on, in
// equal steps to `last` times it, for either sign of the scale. Beyond 1, the largest numbers are cut off.
struct SearchRange {
  float first;
  float last;
};

template <typename Levels>
ScaleFit SearchScale(const Columns& columns, SearchRange range) {
  constexpr uint32_t kGroups = 6;
  constexpr uint32_t kPerSign = Lanes<kGroups>::kCount / 2;
  ScaleFit fit;
  const float largest = LargestWithSign(columns);
  if (largest == 0) return fit;
  const float step = (range.last - range.first) / static_cast<float>(kPerSign - 1);
  Lanes<kGroups> inverse;
  Lanes<kGroups> xq;
  Lanes<kGroups> qq;
  for (uint32_t i = 0; i < kPerSign; ++i) {
    const float factor = range.first + step * static_cast<float>(i);
    inverse.Set(i, factor * Levels::kExtreme[0] / largest);
    inverse.Set(kPerSign + i, factor * Levels::kExtreme[1] / largest);
  }
  SumLevels<Levels>(columns, inverse, &xq, &qq);
  const float best = TakeBest(inverse, xq, qq, 0.0F, &fit);
  // Between that candidate and its neighbours, and the next step of the alternation.
  constexpr uint32_t kFineGroups = 2;
  Lanes<kFineGroups> fine;
  Lanes<kFineGroups> fine_xq;
  Lanes<kFineGroups> fine_qq;
  for (uint32_t i = 0; i < 7; ++i) fine.Set(i, best * (1.0F + 0.25F * step * (static_cast<float>(i) - 3.0F)));
  fine.Set(7, fit.scale != 0 ? 1.0F / fit.scale : 0.0F);
  SumLevels<Levels>(columns, fine, &fine_xq, &fine_qq);
  TakeBest(fine, fine_xq, fine_qq, best, &fit);
  return fit;
}

float Inverse(float scale) { return scale != 0 ? 1.0F / scale : 0.0F; }

struct LaneError {
  uint32_t lane = 0;
  float error = std::numeric_limits<float>::infinity();  // without the constant sum(w x^2)
};

template <uint32_t kGroups>
LaneError LeastError(const Lanes<kGroups>& scale, const Lanes<kGroups>& xq, const Lanes<kGroups>& qq) {
  LaneError best;
  for (uint32_t lane = 0; lane < Lanes<kGroups>::kCount; ++lane) {
    const float error = scale[lane] * (scale[lane] * qq[lane] - 2.0F * xq[lane]);
    if (error < best.error) best = {lane, error};
  }
  return best;
}

// Integer sub-scales of a super-block and what they achieve.
struct SubScales {
  float super_scale = 0;  // rounded
  std::array<int, kSubBlocksMax> sub = {};
  float error = std::numeric_limits<float>::infinity();
};

// A type whose super-block has kSubBlocks sub-blocks with integer scales in [kSubLow, kSubHigh].
template <typename LevelsOfType, uint32_t kSubBlocks, int kSubLow, int kSubHigh>
class SuperBlockEncoder {
 public:
  using Levels = LevelsOfType;
  static constexpr uint32_t kSubColumns = kSuperBlockColumns / kSubBlocks;

  SuperBlockEncoder(const EncoderInput& input, SearchRange range) : input_(input), half_(input.exponent) {
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      fits_[j] = SearchScale<Levels>(SubBlock(input, j, kSubColumns), range);
    }
    for (const Start& start : BestStarts()) Try(start.super_scale);
    Refine();
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      const float inverse = Inverse(best_.super_scale * static_cast<float>(best_.sub[j]));
      for (uint32_t i = j * kSubColumns; i < (j + 1) * kSubColumns; ++i) {
        codes_[i] = Levels::Code(input.x[i] * inverse);
      }
    }
  }

  const std::array<uint8_t, kSuperBlockColumns>& codes() const { return codes_; }
  int sub(uint32_t j) const { return best_.sub[j]; }
  Fp16 super_scale() const { return half_.Encode(best_.super_scale); }

 private:
  struct Start {
    float super_scale = 0;
    float loss = std::numeric_limits<float>::infinity();
  };

  int NearestSub(float ratio) const {
    return static_cast<int>(
        std::lround(std::clamp(ratio, static_cast<float>(kSubLow), static_cast<float>(kSubHigh))));
  }

  // The largest sub-scale becomes each of the larger integers in turn.
  std::array<Start, 3> BestStarts() const {
    std::array<Start, 3> best;
    float largest = 0;
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      if (std::fabs(fits_[j].scale) > std::fabs(largest)) largest = fits_[j].scale;
    }
    if (largest == 0) return best;
    for (int m = kSubLow; m <= kSubHigh; m += 1) {
      if (std::abs(m) <= kSubHigh / 2) continue;
      const Start start = Evaluate(largest / static_cast<float>(m));
      const auto worst = std::max_element(best.begin(), best.end(),
                                          [](const Start& a, const Start& b) { return a.loss < b.loss; });
      if (start.loss < worst->loss) *worst = start;
    }
    return best;
  }

  Start Evaluate(float super_scale) const {
    const float inverse = 1.0F / super_scale;
    float numerator = 0;
    float denominator = 0;
    float total = 0;
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      const float ratio = fits_[j].scale * inverse;
      const float sub =
          RoundToInteger(std::clamp(ratio, static_cast<float>(kSubLow), static_cast<float>(kSubHigh)));
      const float weighted = fits_[j].curvature * sub;
      numerator += weighted * fits_[j].scale;
      denominator += weighted * sub;
      total += fits_[j].curvature * fits_[j].scale * fits_[j].scale;
    }
    if (!(denominator > 0)) return {super_scale, total};
    return {numerator / denominator, total - numerator * numerator / denominator};
  }

  // Keeps the result of `super_scale` if it is the best so far, and the one that suits its codes best.
  bool Try(float super_scale) {
    SubScales tried;
    tried.super_scale = half_.Round(super_scale);
    const float next = ChooseSubScales(&tried);
    if (!(tried.error < best_.error)) return false;
    best_ = tried;
    next_super_scale_ = next;
    return true;
  }

  void Refine() {
    constexpr int kIterationsMax = 3;
    for (int i = 0; i < kIterationsMax && Try(next_super_scale_); ++i) {
    }
  }

  // Chooses each sub-scale by the error that it really causes; returns the least-squares super-scale for the
  // codes that come with them.
  float ChooseSubScales(SubScales* scales) const {
    constexpr uint32_t kGroups = kSubHigh > 100 ? 1 : 2;  // fine sub-scales need fewer neighbours
    constexpr uint32_t kCount = Lanes<kGroups>::kCount;
    float numerator = 0;
    float denominator = 0;
    scales->error = 0;
    const float super_inverse = Inverse(scales->super_scale);
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      const int first = NearestSub(fits_[j].scale * super_inverse) - static_cast<int>(kCount / 2 - 1);
      std::array<int, kCount> subs;
      Lanes<kGroups> scale;
      Lanes<kGroups> inverse;
      for (uint32_t lane = 0; lane < kCount; ++lane) {
        subs[lane] = std::clamp(first + static_cast<int>(lane), kSubLow, kSubHigh);
        scale.Set(lane, scales->super_scale * static_cast<float>(subs[lane]));
        inverse.Set(lane, Inverse(scale[lane]));
      }
      Lanes<kGroups> xq;
      Lanes<kGroups> qq;
      SumLevels<Levels>(SubBlock(input_, j, kSubColumns), inverse, &xq, &qq);
      const auto [best, best_error] = LeastError(scale, xq, qq);
      scales->sub[j] = subs[best];
      scales->error += best_error;
      const auto sub = static_cast<float>(subs[best]);
      numerator += sub * xq[best];
      denominator += sub * sub * qq[best];
    }
    return denominator > 0 ? numerator / denominator : 0.0F;
  }

  const EncoderInput& input_;
  HalfScale half_;
  std::array<ScaleFit, kSubBlocks> fits_;
  SubScales best_;
  float next_super_scale_ = 0;
  std::array<uint8_t, kSuperBlockColumns> codes_;
};

// One float16 scale for 32 columns.
template <typename Levels>
Fp16 EncodeSmallBlock(const EncoderInput& input, SearchRange range, std::array<uint8_t, 32>* codes) {
  const HalfScale half(input.exponent);
  const ScaleFit fit = SearchScale<Levels>(SubBlock(input, 0, kSmallBlockColumns), range);
  const float inverse = Inverse(half.Round(fit.scale));
  for (uint32_t i = 0; i < kSmallBlockColumns; ++i) (*codes)[i] = Levels::Code(input.x[i] * inverse);
  return half.Encode(fit.scale);
}

}  // namespace

void EncodeQ6K(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<IntegerLevels<-32, 31>, 16, -128, 127> encoder(input, {0.90F, 1.12F});
  BlockQ6K block = {};
  block.scale = encoder.super_scale();
  for (uint32_t c = 0; c < kSuperBlockColumns; ++c) {
    const uint32_t code = encoder.codes()[c];
    OrBits(&block.codes[c / 128 * 64 + c % 64], code & 15, c % 128 / 64 * 4);
    OrBits(&block.high_bits[c / 128 * 32 + c % 32], code >> 4, c % 128 / 32 * 2);
  }
  for (uint32_t j = 0; j < 16; ++j) block.scales[j] = static_cast<int8_t>(encoder.sub(j));
  StoreBlock(block, out);
}

void EncodeQ3K(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<IntegerLevels<-4, 3>, 16, -32, 31> encoder(input, {0.65F, 1.6F});
  BlockQ3K block = {};
  block.scale = encoder.super_scale();
  for (uint32_t c = 0; c < kSuperBlockColumns; ++c) {
    const uint32_t code = encoder.codes()[c];
    OrBits(&block.codes[c / 128 * 32 + c % 32], code & 3, c % 128 / 32 * 2);
    OrBits(&block.high_bits[c % 32], code >> 2, c / 32);
  }
  for (uint32_t j = 0; j < 16; ++j) {
    const auto scale = static_cast<uint32_t>(encoder.sub(j) + 32);
    OrBits(&block.scales[j % 8], scale & 15, j / 8 * 4);
    OrBits(&block.scales[8 + j % 4], scale >> 4, j / 4 * 2);
  }
  StoreBlock(block, out);
}

void EncodeIq4Xs(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<TableLevels<kIq4Levels>, 8, -32, 31> encoder(input, {0.72F, 1.25F});
  BlockIq4Xs block = {};
  block.scale = encoder.super_scale();
  for (uint32_t j = 0; j < 8; ++j) {
    const auto scale = static_cast<uint32_t>(encoder.sub(j) + 32);
    OrBits(&block.scales_low[j / 2], scale & 15, j % 2 * 4);
    block.scales_high = static_cast<uint16_t>(block.scales_high | scale >> 4 << (2 * j));
    StoreNibbles(std::span<const uint8_t, 32>(encoder.codes().data() + 32 * j, 32), block.codes + 16 * j);
  }
  StoreBlock(block, out);
}

void EncodeIq4Nl(const EncoderInput& input, std::byte* out) {
  std::array<uint8_t, 32> codes;
  BlockIq4Nl block = {};
  block.scale = EncodeSmallBlock<TableLevels<kIq4Levels>>(input, {0.72F, 1.25F}, &codes);
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

void EncodeQ40(const EncoderInput& input, std::byte* out) {
  std::array<uint8_t, 32> codes;
  BlockQ40 block = {};
  block.scale = EncodeSmallBlock<IntegerLevels<-8, 7>>(input, {0.80F, 1.35F}, &codes);
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

void EncodeQ50(const EncoderInput& input, std::byte* out) {
  std::array<uint8_t, 32> codes;
  BlockQ50 block = {};
  block.scale = EncodeSmallBlock<IntegerLevels<-16, 15>>(input, {0.86F, 1.2F}, &codes);
  for (uint32_t c = 0; c < 32; ++c) OrBits(&block.high_bits[c / 8], codes[c] >> 4, c % 8);
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

// The scale is a power of two, so the few that matter are all tried. Levels here are twice the E2M1 numbers.
void EncodeMxFp4(const EncoderInput& input, std::byte* out) {
  using Levels = TableLevels<kFp4Levels>;
  constexpr int kFirstExponent = -4;  // max |x| < 2 is at most 32 steps of 2^-4; level 12 is the last
  Lanes<1> scale;
  Lanes<1> inverse;
  Lanes<1> xq;
  Lanes<1> qq;
  for (uint32_t lane = 0; lane < 4; ++lane) {
    // The step is half of an E8M0 number that is finite: 2^-128 to 2^126.
    const int exponent = std::clamp(input.exponent + kFirstExponent + static_cast<int>(lane), -128, 126);
    scale.Set(lane, std::ldexp(1.0F, exponent - input.exponent));
    inverse.Set(lane, std::ldexp(1.0F, input.exponent - exponent));
  }
  SumLevels<Levels>(SubBlock(input, 0, kSmallBlockColumns), inverse, &xq, &qq);
  const uint32_t best = LeastError(scale, xq, qq).lane;
  BlockMxFp4 block = {};
  block.scale = static_cast<uint8_t>(std::ilogb(scale[best]) + input.exponent + 128);
  std::array<uint8_t, 32> codes;
  for (uint32_t c = 0; c < kSmallBlockColumns; ++c) {
    const int level = Levels::Code(input.x[c] * inverse[best]) - 7;
    codes[c] = static_cast<uint8_t>(level < 0 ? 8 - level : level);
  }
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

}  // namespace mimo

// Types with an offset: decoded = scale * code - minimum, codes from 0 up (q2_k, q4_k, q5_k; q4_1 and q5_1
// store the minimum with the other sign).
//
//   1. For each sub-block, the real scale and minimum that minimise sum w (x - scale code + minimum)^2.
//      Candidates are a lowest and a highest decoded number, both moved inwards by some of a step; each gets
//      the codes nearest to it, and those codes get their least-squares line. A second round looks around the
//      best line. The minimum of a k type must not be negative.
//   2. Super-scales of scales and minima: those that the real ones lose least by when they become multiples.
//   3. From there: each sub-block tries the neighbours of its two integers with codes chosen anew, both
//      super-scales become the least-squares solution for all codes together, and so on while the error
//      falls.

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

constexpr uint32_t kGroups = 4;
constexpr uint32_t kCandidates = Lanes<kGroups>::kCount;
constexpr uint32_t kSide = 4;  // candidates for either end
static_assert(kSide * kSide == kCandidates);

float Inverse(float scale) { return scale > 0 ? 1.0F / scale : 0.0F; }

// What the error of any line depends on, codes apart.
struct Columns {
  const float* x = nullptr;
  const float* weights = nullptr;
  uint32_t count = 0;
  float sum_w = 0;
  float sum_x = 0;  // weighted

  Columns() = default;
  Columns(const EncoderInput& input, uint32_t index, uint32_t columns)
      : x(input.x.data() + index * columns), weights(input.weights.data() + index * columns), count(columns) {
    for (uint32_t i = 0; i < count; ++i) {
      sum_w += weights[i];
      sum_x += weights[i] * x[i];
    }
  }
};

struct Line {
  float scale = 0;
  float minimum = 0;
};

// Weighted sums over the codes of one candidate.
struct CodeSums {
  float q = 0;
  float qq = 0;
  float xq = 0;
};

struct CandidateLines {
  Lanes<kGroups> scale;
  Lanes<kGroups> minimum;
  Lanes<kGroups> q;
  Lanes<kGroups> qq;
  Lanes<kGroups> xq;

  void Set(uint32_t lane, Line line) {
    scale.Set(lane, line.scale);
    minimum.Set(lane, line.minimum);
  }
  CodeSums Sums(uint32_t lane) const { return {q[lane], qq[lane], xq[lane]}; }
  Line At(uint32_t lane) const { return {scale[lane], minimum[lane]}; }
};

// Gives each candidate the codes nearest to its line and sums them.
template <int kMaxCode>
void SumCodes(const Columns& columns, CandidateLines* lines) {
  const Float4 largest = Broadcast(kMaxCode);
  for (uint32_t g = 0; g < kGroups; ++g) {
    const Float4 minimum = lines->minimum.group[g];
    const Float4 scale = lines->scale.group[g];
    const Float4 inverse = scale > Float4{} ? Broadcast(1.0F) / scale : Float4{};
    Float4 q = {};
    Float4 qq = {};
    Float4 xq = {};
    for (uint32_t i = 0; i < columns.count; ++i) {
      const Float4 x = Broadcast(columns.x[i]);
      const Float4 code = RoundToInteger(Clamp((x + minimum) * inverse, Float4{}, largest));
      const Float4 weighted = Broadcast(columns.weights[i]) * code;
      q += weighted;
      qq += code * weighted;
      xq += x * weighted;
    }
    lines->q.group[g] = q;
    lines->qq.group[g] = qq;
    lines->xq.group[g] = xq;
  }
}

template <int kMaxCode>
uint8_t Code(float x, Line line) {
  const float code = (x + line.minimum) * Inverse(line.scale);
  return static_cast<uint8_t>(RoundToInteger(std::clamp(code, 0.0F, float{kMaxCode})));
}

// sum w (x - scale code + minimum)^2 without the constant sum w x^2.
float ErrorOf(const Columns& columns, const CodeSums& sums, Line line) {
  return line.scale * (line.scale * sums.qq - 2.0F * sums.xq - 2.0F * line.minimum * sums.q) +
         line.minimum * (line.minimum * columns.sum_w + 2.0F * columns.sum_x);
}

enum class MinimumSign { kNotNegative, kAny };

// The least-squares line for given codes.
Line FitLine(const Columns& columns, const CodeSums& sums, MinimumSign sign) {
  const float determinant = columns.sum_w * sums.qq - sums.q * sums.q;
  Line line;
  // All codes equal: one number for all, as a minimum.
  const bool is_flat = !(determinant > 1e-6F * columns.sum_w * sums.qq);
  if (!is_flat) line.scale = (columns.sum_w * sums.xq - columns.sum_x * sums.q) / determinant;
  line.scale = std::max(line.scale, 0.0F);
  line.minimum = (line.scale * sums.q - columns.sum_x) / columns.sum_w;
  if (line.minimum < 0 && sign == MinimumSign::kNotNegative) {
    line.minimum = 0;
    line.scale = sums.qq > 0 ? std::max(sums.xq / sums.qq, 0.0F) : 0.0F;
  }
  return line;
}

// The best real line of a sub-block. Around it the error grows by curvature * (change of scale)^2 when the
// minimum follows, and by sum_w * (change of minimum)^2 when the scale stays.
struct LineFit {
  Line line;
  float error = std::numeric_limits<float>::infinity();
  float mean_code = 0;  // by how much the minimum follows the scale: sum w q / sum w
  float curvature = 0;
};

template <int kMaxCode, MinimumSign kSign>
class LineSearch {
 public:
  explicit LineSearch(const Columns& columns) : columns_(columns) {
    const auto [low, high] = std::minmax_element(columns.x, columns.x + columns.count);
    // Moved inwards, in steps of the first line.
    Try(*low, *high, {0.0F, 0.3F, 0.7F, 1.3F});
    const Line best = fit_.line;
    Try(-best.minimum, kMaxCode * best.scale - best.minimum, {-0.45F, -0.15F, 0.15F, 0.45F});
  }

  const LineFit& fit() const { return fit_; }

 private:
  static float Bounded(float low) { return kSign == MinimumSign::kNotNegative ? std::min(low, 0.0F) : low; }

  void Try(float low, float high, const std::array<float, kSide>& moves) {
    low = Bounded(low);
    const float step = std::max(high - low, 0.0F) / kMaxCode;
    CandidateLines lines;
    for (uint32_t lane = 0; lane < kCandidates; ++lane) {
      const float from = Bounded(low + step * moves[lane % kSide]);
      const float to = high - step * moves[lane / kSide];
      lines.Set(lane, {std::max(to - from, 0.0F) / kMaxCode, -from});
    }
    SumCodes<kMaxCode>(columns_, &lines);
    for (uint32_t lane = 0; lane < kCandidates; ++lane) {
      const CodeSums sums = lines.Sums(lane);
      const Line line = FitLine(columns_, sums, kSign);
      const float error = ErrorOf(columns_, sums, line);
      if (!(error < fit_.error)) continue;
      // A minimum at its bound stays there.
      const float mean = line.minimum > 0 ? sums.q / columns_.sum_w : 0.0F;
      fit_ = {line, error, mean, sums.qq - mean * sums.q};
    }
  }

  const Columns& columns_;
  LineFit fit_;
};

// A multiple that numbers are rounded to, and what rounding loses: sum weight (number - multiple)^2.
struct Unit {
  float unit = 0;
  float loss = std::numeric_limits<float>::infinity();
};

struct WeightedNumber {
  float number = 0;  // not negative
  float weight = 0;
};

// The best units for which all numbers are about 0 to `largest_multiple` times the unit.
std::array<Unit, 2> BestUnits(std::span<const WeightedNumber> numbers, int largest_multiple) {
  std::array<Unit, 2> best;
  float largest = 0;
  for (const WeightedNumber& entry : numbers) largest = std::max(largest, entry.number);
  if (largest == 0) return best;
  for (int m = largest_multiple / 2 + 1; m <= largest_multiple; ++m) {
    const float inverse = static_cast<float>(m) / largest;
    float numerator = 0;
    float denominator = 0;
    float total = 0;
    for (const WeightedNumber& entry : numbers) {
      const float multiple = RoundToInteger(entry.number * inverse);
      numerator += entry.weight * entry.number * multiple;
      denominator += entry.weight * multiple * multiple;
      total += entry.weight * entry.number * entry.number;
    }
    if (!(denominator > 0)) continue;
    const Unit unit = {numerator / denominator, total - numerator * numerator / denominator};
    if (unit.loss < best[0].loss) {
      best[1] = best[0];
      best[0] = unit;
    } else if (unit.loss < best[1].loss) {
      best[1] = unit;
    }
  }
  return best;
}

template <uint32_t kSubBlocks>
struct SubLines {
  Line unit;  // both rounded to float16
  std::array<int, kSubBlocks> scales = {};
  std::array<int, kSubBlocks> minima = {};
  float error = std::numeric_limits<float>::infinity();

  Line At(uint32_t j) const {
    return {unit.scale * static_cast<float>(scales[j]), unit.minimum * static_cast<float>(minima[j])};
  }
};

template <uint32_t kSubBlocks, int kMaxCode, int kMaxSub>
class SuperBlockEncoder {
 public:
  static constexpr uint32_t kSubColumns = kSuperBlockColumns / kSubBlocks;

  explicit SuperBlockEncoder(const EncoderInput& input) : half_(input.exponent) {
    std::array<WeightedNumber, kSubBlocks> scales;
    std::array<WeightedNumber, kSubBlocks> minima;
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      columns_[j] = Columns(input, j, kSubColumns);
      fits_[j] = LineSearch<kMaxCode, MinimumSign::kNotNegative>(columns_[j]).fit();
      scales[j] = {fits_[j].line.scale, fits_[j].curvature};
      minima[j] = {fits_[j].line.minimum, columns_[j].sum_w};
    }
    const auto scale_units = BestUnits(scales, kMaxSub);
    const auto minimum_units = BestUnits(minima, kMaxSub);
    for (const Unit& scale : scale_units) Try({scale.unit, minimum_units[0].unit});
    Try({scale_units[0].unit, minimum_units[1].unit});
    Refine();
    for (uint32_t i = 0; i < kSuperBlockColumns; ++i) {
      codes_[i] = Code<kMaxCode>(input.x[i], best_.At(i / kSubColumns));
    }
  }

  const std::array<uint8_t, kSuperBlockColumns>& codes() const { return codes_; }
  uint32_t scale(uint32_t j) const { return static_cast<uint32_t>(best_.scales[j]); }
  uint32_t minimum(uint32_t j) const { return static_cast<uint32_t>(best_.minima[j]); }
  Fp16 scale_unit() const { return half_.Encode(best_.unit.scale); }
  Fp16 minimum_unit() const { return half_.Encode(best_.unit.minimum); }

 private:
  static int NearestSub(float ratio) {
    return static_cast<int>(RoundToInteger(std::clamp(ratio, 0.0F, float{kMaxSub})));
  }

  // Keeps the result of `unit` if it is the best so far, and the units that suit its codes best.
  bool Try(Line unit) {
    SubLines<kSubBlocks> tried;
    tried.unit = {half_.Round(unit.scale), half_.Round(unit.minimum)};
    const Line next = ChooseSubLines(&tried);
    if (!(tried.error < best_.error)) return false;
    best_ = tried;
    next_unit_ = next;
    return true;
  }

  void Refine() {
    constexpr int kIterationsMax = 3;
    for (int i = 0; i < kIterationsMax && Try(next_unit_); ++i) {
    }
  }

  // The sums of both units' normal equations.
  struct UnitSums {
    float ss = 0;
    float sm = 0;
    float mm = 0;
    float sx = 0;
    float mx = 0;
  };

  static Line SolveUnits(const UnitSums& sums, Line fallback) {
    const float determinant = sums.ss * sums.mm - sums.sm * sums.sm;
    if (!(determinant > 1e-6F * sums.ss * sums.mm)) {
      return {sums.ss > 0 ? std::max(sums.sx / sums.ss, 0.0F) : 0.0F, fallback.minimum};
    }
    // x = scale * a - minimum * b
    return {std::max((sums.mm * sums.sx - sums.sm * sums.mx) / determinant, 0.0F),
            std::max((sums.sm * sums.sx - sums.ss * sums.mx) / determinant, 0.0F)};
  }

  // Chooses the integers of each sub-block by the error that they really cause; returns the least-squares
  // units for the codes that come with them.
  Line ChooseSubLines(SubLines<kSubBlocks>* lines) const {
    UnitSums sums;
    lines->error = 0;
    for (uint32_t j = 0; j < kSubBlocks; ++j) {
      CandidateLines candidates;
      std::array<int, kCandidates> scales;
      std::array<int, kCandidates> minima;
      SetNeighbours(fits_[j], lines->unit, &scales, &minima);
      for (uint32_t lane = 0; lane < kCandidates; ++lane) {
        candidates.Set(lane, {lines->unit.scale * static_cast<float>(scales[lane]),
                              lines->unit.minimum * static_cast<float>(minima[lane])});
      }
      SumCodes<kMaxCode>(columns_[j], &candidates);
      uint32_t best = 0;
      float best_error = std::numeric_limits<float>::infinity();
      for (uint32_t lane = 0; lane < kCandidates; ++lane) {
        const float error = ErrorOf(columns_[j], candidates.Sums(lane), candidates.At(lane));
        if (!(error < best_error)) continue;
        best = lane;
        best_error = error;
      }
      lines->scales[j] = scales[best];
      lines->minima[j] = minima[best];
      lines->error += best_error;
      const auto s = static_cast<float>(scales[best]);
      const auto m = static_cast<float>(minima[best]);
      const CodeSums codes = candidates.Sums(best);
      sums.ss += s * s * codes.qq;
      sums.sm += s * m * codes.q;
      sums.mm += m * m * columns_[j].sum_w;
      sums.sx += s * codes.xq;
      sums.mx += m * columns_[j].sum_x;
    }
    return SolveUnits(sums, lines->unit);
  }

  // Three scales, each with the five minima around the one that follows from it, and no minimum at all.
  static void SetNeighbours(const LineFit& fit, Line unit, std::array<int, kCandidates>* scales,
                            std::array<int, kCandidates>* minima) {
    const int nearest = NearestSub(fit.line.scale * Inverse(unit.scale));
    for (uint32_t lane = 0; lane < kCandidates; ++lane) {
      const int scale = std::clamp(nearest + static_cast<int>(lane / 5) - 1, 0, kMaxSub);
      const float change = unit.scale * static_cast<float>(scale) - fit.line.scale;
      const float follows = fit.line.minimum + change * fit.mean_code;
      const int minimum = NearestSub(follows * Inverse(unit.minimum)) + static_cast<int>(lane % 5) - 2;
      (*scales)[lane] = scale;
      (*minima)[lane] = std::clamp(minimum, 0, kMaxSub);
    }
    (*scales)[kCandidates - 1] = nearest;
    (*minima)[kCandidates - 1] = 0;
  }

  HalfScale half_;
  std::array<Columns, kSubBlocks> columns_;
  std::array<LineFit, kSubBlocks> fits_;
  SubLines<kSubBlocks> best_;
  Line next_unit_;
  std::array<uint8_t, kSuperBlockColumns> codes_;
};

// Two float16 numbers for 32 columns; the minimum as the line has it.
template <int kMaxCode>
Line EncodeSmallBlock(const EncoderInput& input, std::array<uint8_t, 32>* codes) {
  const HalfScale half(input.exponent);
  const Columns columns(input, 0, kSmallBlockColumns);
  const Line fitted = LineSearch<kMaxCode, MinimumSign::kAny>(columns).fit().line;
  const Line line = {half.Round(fitted.scale), half.Round(fitted.minimum)};
  for (uint32_t i = 0; i < kSmallBlockColumns; ++i) (*codes)[i] = Code<kMaxCode>(input.x[i], line);
  return line;
}

// The 6-bit scales and minima of q4_k and q5_k.
template <typename Encoder>
void StoreSubLines(const Encoder& encoder, uint8_t* scales) {
  for (uint32_t i = 0; i < 4; ++i) {
    OrBits(&scales[i], encoder.scale(i), 0);
    OrBits(&scales[i + 4], encoder.minimum(i), 0);
    OrBits(&scales[i + 8], encoder.scale(i + 4) & 15, 0);
    OrBits(&scales[i + 8], encoder.minimum(i + 4) & 15, 4);
    OrBits(&scales[i], encoder.scale(i + 4) >> 4, 6);
    OrBits(&scales[i + 4], encoder.minimum(i + 4) >> 4, 6);
  }
}

}  // namespace

void EncodeQ2K(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<16, 3, 15> encoder(input);
  BlockQ2K block = {};
  block.scale = encoder.scale_unit();
  block.minimum = encoder.minimum_unit();
  for (uint32_t j = 0; j < 16; ++j) {
    OrBits(&block.scales[j], encoder.scale(j), 0);
    OrBits(&block.scales[j], encoder.minimum(j), 4);
  }
  for (uint32_t c = 0; c < kSuperBlockColumns; ++c) {
    OrBits(&block.codes[c / 128 * 32 + c % 32], encoder.codes()[c], c % 128 / 32 * 2);
  }
  StoreBlock(block, out);
}

void EncodeQ4K(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<8, 15, 63> encoder(input);
  BlockQ4K block = {};
  block.scale = encoder.scale_unit();
  block.minimum = encoder.minimum_unit();
  StoreSubLines(encoder, block.scales);
  for (uint32_t c = 0; c < kSuperBlockColumns; ++c) {
    OrBits(&block.codes[c / 64 * 32 + c % 32], encoder.codes()[c], c % 64 / 32 * 4);
  }
  StoreBlock(block, out);
}

void EncodeQ5K(const EncoderInput& input, std::byte* out) {
  const SuperBlockEncoder<8, 31, 63> encoder(input);
  BlockQ5K block = {};
  block.scale = encoder.scale_unit();
  block.minimum = encoder.minimum_unit();
  StoreSubLines(encoder, block.scales);
  for (uint32_t c = 0; c < kSuperBlockColumns; ++c) {
    const uint32_t code = encoder.codes()[c];
    OrBits(&block.codes[c / 64 * 32 + c % 32], code & 15, c % 64 / 32 * 4);
    OrBits(&block.high_bits[c % 32], code >> 4, c / 32);
  }
  StoreBlock(block, out);
}

void EncodeQ41(const EncoderInput& input, std::byte* out) {
  const HalfScale half(input.exponent);
  std::array<uint8_t, 32> codes;
  const Line line = EncodeSmallBlock<15>(input, &codes);
  BlockQ41 block = {};
  block.scale = half.Encode(line.scale);
  block.minimum = half.Encode(-line.minimum);
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

void EncodeQ51(const EncoderInput& input, std::byte* out) {
  const HalfScale half(input.exponent);
  std::array<uint8_t, 32> codes;
  const Line line = EncodeSmallBlock<31>(input, &codes);
  BlockQ51 block = {};
  block.scale = half.Encode(line.scale);
  block.minimum = half.Encode(-line.minimum);
  for (uint32_t c = 0; c < 32; ++c) OrBits(&block.high_bits[c / 8], uint32_t{codes[c]} >> 4, c % 8);
  StoreNibbles(codes, block.codes);
  StoreBlock(block, out);
}

}  // namespace mimo

#pragma once
// Attention over one piece of the keys, for rows that share one KV head. Include after simd_math.h.
//
// Online softmax over tiles of kAttentionTile keys (Milakov and Gimelshein, arXiv 1805.02867). A row is one
// query head of one token; every key and value that is loaded serves kRowsAtOnce rows from registers, and a
// tile stays in the second-level cache for all rows of the call.
//
// A row's sums do not depend on the other rows: a score is summed in lanes as any dot product
// (kernels/kernels.h), a denominator over the even keys and the odd keys of a tile ascending, a value over
// keys ascending. Tiles begin at multiples of kAttentionTile positions. What other rows see and this one does
// not is added with a weight of exactly 0.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/number_formats.h"
#include "kernels/attention.h"
#include "kernels/attention_tiles.h"
#include "kernels/unroll.h"

namespace mimo {
namespace {

// Sums that stay in registers, and how many rows share a load.
constexpr uint32_t kSumsAtOnce = Simd::kTileRows * Simd::kTileTokens;
constexpr uint32_t kRowsAtOnce = 2 * Simd::kTileRows;
static_assert(kAttentionBlockRows == kLanes / 2 && kRowsAtOnce <= kAttentionBlockRows);

// Rows of a block, `first` on, and the keys of the tile that any of them sees: [begin, end) of its indices.
struct RowBlock {
  uint32_t first = 0;
  uint32_t count = 0;  // at most kAttentionBlockRows
  uint32_t begin = 0;
  uint32_t end = 0;
};

inline const float* QueryRow(const AttentionArgs& args, uint32_t row) {
  return args.q + row / args.num_heads * args.q_stride + size_t{row % args.num_heads} * args.head_dim;
}

// Calls f.operator()<kRows>(row) for groups of rows that together are [0, count).
template <typename F>
void ForRowGroups(uint32_t count, const F& f) {
  uint32_t row = 0;
  if constexpr (kRowsAtOnce >= 8) {
    for (; row + 8 <= count; row += 8) f.template operator()<8>(row);
  }
  for (; row + 4 <= count; row += 4) f.template operator()<4>(row);
  for (; row + 2 <= count; row += 2) f.template operator()<2>(row);
  for (; row < count; ++row) f.template operator()<1>(row);
}

inline Float16 LoadElements(const float* p) { return Simd::Load(p); }
inline Float16 LoadElements(const Bf16* p) { return Simd::FromBf16(p); }

// scores[i][r] = q_r . keys[i], for the first `count` of kSumsAtOnce / kRows keys; what stands after them may
// be overwritten.
//
//   q       [dim / 16][kAttentionBlockRows][16], from the first row on
//   scores  [keys][kAttentionBlockRows], from the first row on
template <typename Element, uint32_t kRows>
void ScoreKeys(const float* q, const Element* const* keys, uint32_t count, uint32_t dim, float* scores) {
  constexpr uint32_t kKeys = kSumsAtOnce / kRows;
  const Element* k[kKeys];
  Float16 sums[kSumsAtOnce];
  Unroll<kKeys>([&](auto i) MIMO_ALWAYS_INLINE { k[i] = keys[std::min<uint32_t>(i, count - 1)]; });
  Unroll<kSumsAtOnce>([&](auto i) MIMO_ALWAYS_INLINE { sums[i] = Simd::Zero(); });
  for (size_t d = 0; d < dim; d += kLanes, q += kAttentionBlockRows * kLanes) {
    Float16 query[kRows];
    Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE { query[r] = Simd::Load(q + r * kLanes); });
    Unroll<kKeys>([&](auto i) MIMO_ALWAYS_INLINE {
      const Float16 key = LoadElements(k[i] + d);
      Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
        sums[i * kRows + r] = Simd::MultiplyAdd(key, query[r], sums[i * kRows + r]);
      });
    });
  }
  if constexpr (kRows == kAttentionBlockRows) {
    Simd::SumEach(sums, scores);
  } else {
    float folded[kSumsAtOnce];
    Simd::SumEach(sums, folded);
    for (uint32_t i = 0; i < count; ++i) {
      std::copy_n(folded + i * kRows, kRows, scores + i * kAttentionBlockRows);
    }
  }
}

struct ValueSums {
  const float* weights = nullptr;  // [keys][kAttentionBlockRows], from the first row on
  const float* rescale = nullptr;  // [rows]
  uint32_t begin = 0;              // keys
  uint32_t end = 0;
  uint32_t dim = 0;
  float* values = nullptr;  // [rows, dim]
};

// values[r][d .. d + 16 * kVectors) = rescale[r] * itself + sum_j weights[j][r] * v[j], for kRows rows.
template <typename Element, uint32_t kRows, uint32_t kVectors>
void AddValues(const ValueSums& args, const Element* const* v, size_t d, const RowsAhead<Element>& ahead) {
  Float16 sums[kRows * kVectors];
  float* const values = args.values + d;
  Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
    const Float16 rescale = Simd::Broadcast(args.rescale[r]);
    Unroll<kVectors>([&](auto i) MIMO_ALWAYS_INLINE {
      const float* const at = values + size_t{r} * args.dim + i * kLanes;
      sums[r * kVectors + i] = Simd::Multiply(rescale, Simd::Load(at));
    });
  });
  const float* weights = args.weights + size_t{args.begin} * kAttentionBlockRows;
  for (uint32_t j = args.begin; j < args.end; ++j, weights += kAttentionBlockRows) {
    ahead.Fetch(j);
    Float16 value[kVectors];
    Unroll<kVectors>([&](auto i) MIMO_ALWAYS_INLINE { value[i] = LoadElements(v[j] + d + i * kLanes); });
    Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
      const Float16 weight = Simd::Broadcast(weights[r]);
      Unroll<kVectors>([&](auto i) MIMO_ALWAYS_INLINE {
        sums[r * kVectors + i] = Simd::MultiplyAdd(weight, value[i], sums[r * kVectors + i]);
      });
    });
  }
  Unroll<kRows>([&](auto r) MIMO_ALWAYS_INLINE {
    Unroll<kVectors>([&](auto i) MIMO_ALWAYS_INLINE {
      Simd::Store(values + size_t{r} * args.dim + i * kLanes, sums[r * kVectors + i]);
    });
  });
}

// Products in float32. Elements are converted as they are loaded.
template <typename Stored, RowSource kSource>
class FloatProducts {
 public:
  using Reader = TileReader<Stored, kSource>;
  using Element = typename Reader::Element;
  using Tile = KeyTile<Element>;

  // `scores`: of one block of rows, [kAttentionTile + 2][kAttentionBlockRows]. `scratch`: for all rows.
  FloatProducts(const AttentionArgs& args, float* scores, float* scratch)
      : args_(args),
        rows_(args.num_tokens * args.num_heads),
        dim_(PaddedDim(args.head_dim)),
        v_dim_(PaddedDim(args.v_head_dim)),
        scores_(scores),
        queries_(scratch) {}

  Reader MakeReader() const {
    const uint32_t blocks = (rows_ + kAttentionBlockRows - 1) / kAttentionBlockRows;
    return Reader(args_, queries_ + size_t{blocks} * BlockFloats());
  }

  // Rows of a block side by side, times the scale: the products then step through memory in one stream.
  void PackQueries() {
    for (uint32_t row = 0; row < rows_; ++row) {
      const float* const q = QueryRow(args_, row);
      float* const out =
          queries_ + row / kAttentionBlockRows * BlockFloats() + size_t{row % kAttentionBlockRows} * kLanes;
      for (uint32_t d = 0; d < dim_; ++d) {
        out[d / kLanes * kAttentionBlockRows * kLanes + d % kLanes] =
            d < args_.head_dim ? args_.scale * q[d] : 0.0F;
      }
    }
  }

  // The scores of kRows rows of the block, `row` on, and the keys that it sees.
  template <uint32_t kRows>
  void Score(const RowBlock& block, uint32_t row, const Tile& tile, const RowsAhead<Element>& ahead) const {
    constexpr uint32_t kKeys = kSumsAtOnce / kRows;
    const float* const q = queries_ + block.first / kAttentionBlockRows * BlockFloats() + row * kLanes;
    for (uint32_t j = block.begin; j < block.end; j += kKeys) {
      for (uint32_t i = 0; i < kKeys; ++i) ahead.Fetch(j + i);
      ScoreKeys<Element, kRows>(q, tile.k + j, std::min(kKeys, block.end - j), dim_,
                                scores_ + j * kAttentionBlockRows + row);
    }
  }

  // Takes the weights of the keys 2 * pair and 2 * pair + 1 for SumValues, and returns them as it uses them.
  Float16 TakeWeights(uint32_t pair, Float16 weights) const {
    Simd::Store(scores_ + pair * kLanes, weights);
    return weights;
  }

  // Rescales the sums of kRows rows of the block, `row` on, and adds the values of the keys that it sees.
  template <uint32_t kRows>
  void SumValues(const RowBlock& block, uint32_t row, const float* rescale, const Tile& tile,
                 const RowsAhead<Element>& ahead) const {
    const ValueSums sums = {.weights = scores_ + row,
                            .rescale = rescale + row,
                            .begin = block.begin,
                            .end = block.end,
                            .dim = v_dim_,
                            .values = args_.partial.values + size_t{block.first + row} * v_dim_};
    constexpr uint32_t kVectors = std::min(8U, std::max(1U, kSumsAtOnce / kRows));
    const uint32_t passes = v_dim_ / (kVectors * kLanes);
    for (uint32_t pass = 0; pass < passes; ++pass) {
      AddValues<Element, kRows, kVectors>(sums, tile.v, pass * kVectors * kLanes, ahead.Part(pass, passes));
    }
    for (uint32_t d = passes * kVectors * kLanes; d < v_dim_; d += kLanes) {
      AddValues<Element, kRows, 1>(sums, tile.v, d, {});
    }
  }

 private:
  size_t BlockFloats() const { return size_t{kAttentionBlockRows} * dim_; }

  const AttentionArgs& args_;
  const uint32_t rows_;
  const uint32_t dim_;  // padded
  const uint32_t v_dim_;
  float* const scores_;
  float* const queries_;  // [blocks][dim / 16][kAttentionBlockRows][16]
};

// The online softmax around the products.
template <typename Products>
class PieceAttention {
 public:
  explicit PieceAttention(const AttentionArgs& args)
      : args_(args),
        rows_(args.num_tokens * args.num_heads),
        scores_(args.scratch),
        products_(args, scores_, scores_ + kAttentionScoresFloats) {}

  void Run() {
    products_.PackQueries();
    std::fill_n(args_.partial.values, size_t{rows_} * PaddedDim(args_.v_head_dim), 0.0F);
    std::fill_n(args_.partial.maxima, rows_, std::numeric_limits<float>::lowest());
    std::fill_n(args_.partial.denominators, rows_, 0.0F);
    Reader reader = products_.MakeReader();
    bool is_there = reader.Next(&tile_);
    while (is_there) {
      if constexpr (Reader::kReadsAhead) is_there = reader.Next(&next_tile_);
      for (uint32_t row = 0; row < rows_; row += kAttentionBlockRows) AttendBlock(row);
      if constexpr (Reader::kReadsAhead) {
        tile_ = next_tile_;
      } else {
        is_there = reader.Next(&tile_);
      }
    }
  }

 private:
  using Reader = typename Products::Reader;
  using Ahead = RowsAhead<typename Reader::Element>;

  uint32_t TileIndex(uint32_t position) const {
    return std::clamp(position, tile_.begin, tile_.end) - tile_.base;
  }

  void AttendBlock(uint32_t first_row) {
    RowBlock block;
    block.first = first_row;
    block.count = std::min(rows_ - first_row, kAttentionBlockRows);
    const uint32_t first_token = first_row / args_.num_heads;
    const uint32_t last_token = (first_row + block.count - 1) / args_.num_heads;
    block.begin = TileIndex(FirstVisibleKey(args_, first_token));
    block.end = TileIndex(VisibleKeysEnd(args_, last_token));
    if (block.begin == block.end) return;
    // The first rows of all ask for what the tile's others will find.
    const bool is_first = Reader::kReadsAhead && first_row == 0;
    Score(block, is_first ? ValuesAhead() : Ahead());
    if (first_token != last_token) HideKeys(block);
    float rescale[kLanes];
    Softmax(block, rescale);
    ForRowGroups(block.count, [&]<uint32_t kRows>(uint32_t row) {
      products_.template SumValues<kRows>(block, row, rescale, tile_,
                                          row == 0 && is_first ? KeysAhead() : Ahead());
    });
  }

  Ahead ValuesAhead() const {
    return {tile_.v, tile_.begin - tile_.base, tile_.end - tile_.base, 0,
            static_cast<uint32_t>(KvRowBytes(args_.element, args_.v_head_dim))};
  }
  Ahead KeysAhead() const {
    return {next_tile_.k, next_tile_.begin - next_tile_.base, next_tile_.end - next_tile_.base, 0,
            static_cast<uint32_t>(KvRowBytes(args_.element, args_.head_dim))};
  }

  void Score(const RowBlock& block, const Ahead& ahead) {
    constexpr float kHidden = -std::numeric_limits<float>::infinity();
    float* const first = scores_ + size_t{block.begin} * kAttentionBlockRows;
    float* const last = scores_ + size_t{block.end} * kAttentionBlockRows;
    if (block.count < kAttentionBlockRows) std::fill(first, last, kHidden);
    ForRowGroups(block.count, [&]<uint32_t kRows>(uint32_t row) {
      products_.template Score<kRows>(block, row, tile_, row == 0 ? ahead : Ahead());
    });
    // The softmax takes keys in twos.
    if (block.begin % 2 != 0) std::fill(first - kAttentionBlockRows, first, kHidden);
    if (block.end % 2 != 0) std::fill(last, last + kAttentionBlockRows, kHidden);
  }

  // Scores of keys that a row of the block does not see, as others do, become -infinity.
  void HideKeys(const RowBlock& block) {
    const auto hide = [&](uint32_t row, uint32_t begin, uint32_t end) {
      for (uint32_t j = begin; j < end; ++j) {
        scores_[j * kAttentionBlockRows + row] = -std::numeric_limits<float>::infinity();
      }
    };
    for (uint32_t row = 0; row < block.count; ++row) {
      const uint32_t token = (block.first + row) / args_.num_heads;
      hide(row, block.begin, TileIndex(FirstVisibleKey(args_, token)));
      hide(row, TileIndex(VisibleKeysEnd(args_, token)), block.end);
    }
  }

  // Turns scores into weights. A vector holds two keys of eight rows, so nothing is summed across lanes until
  // the end. What was summed before is to be multiplied by rescale [rows] to fit the new maxima.
  void Softmax(const RowBlock& block, float (&rescale)[kLanes]) {
    const uint32_t begin = block.begin / 2 * kLanes;
    const uint32_t end = (block.end + 1) / 2 * kLanes;
    float* const maxima = args_.partial.maxima + block.first;
    float* const denominators = args_.partial.denominators + block.first;
    float old_maxima[kLanes];
    float new_maxima[kLanes];
    std::fill_n(old_maxima, kLanes, std::numeric_limits<float>::lowest());
    std::copy_n(maxima, block.count, old_maxima);

    Float16 highest = Simd::Load(old_maxima);
    for (uint32_t i = begin; i < end; i += kLanes) highest = Simd::Max(highest, Simd::Load(scores_ + i));
    Simd::Store(new_maxima, highest);
    for (uint32_t row = 0; row < kAttentionBlockRows; ++row) {
      new_maxima[row] = std::max(new_maxima[row], new_maxima[row + kAttentionBlockRows]);
      new_maxima[row + kAttentionBlockRows] = new_maxima[row];
    }
    const Float16 maximum = Simd::Load(new_maxima);
    Simd::Store(rescale, Exp(Simd::Subtract(Simd::Load(old_maxima), maximum)));

    Float16 sum = Simd::Zero();
    for (uint32_t i = begin; i < end; i += kLanes) {
      const Float16 x = Simd::Subtract(Simd::Load(scores_ + i), maximum);
      // Exp is clamped there; a hidden key must weigh nothing at all.
      const Float16 weight = Simd::KeepAtLeast(x, Simd::Broadcast(-87.0F), Exp(x));
      sum = Simd::Add(sum, products_.TakeWeights(i / kLanes, weight));
    }
    float sums[kLanes];
    Simd::Store(sums, sum);
    for (uint32_t row = 0; row < block.count; ++row) {
      denominators[row] =
          std::fma(denominators[row], rescale[row], sums[row] + sums[row + kAttentionBlockRows]);
      maxima[row] = new_maxima[row];
    }
  }

  const AttentionArgs& args_;
  const uint32_t rows_;
  float* const scores_;  // [kAttentionTile + 2][kAttentionBlockRows]
  Products products_;
  typename Products::Tile tile_;
  typename Products::Tile next_tile_;  // where tiles are read ahead
};

// Rows that are not whole vectors are decoded, too, for the padding.
template <typename Stored>
void AttendInPlace(const AttentionArgs& args) {
  if (args.head_dim % kLanes == 0 && args.v_head_dim % kLanes == 0) {
    PieceAttention<FloatProducts<Stored, RowSource::kInPlace>>(args).Run();
  } else {
    PieceAttention<FloatProducts<Stored, RowSource::kDecoded>>(args).Run();
  }
}

inline void Attention(const AttentionArgs& args) {
  switch (args.element) {
    case KvElement::kF32:
      return AttendInPlace<float>(args);
    case KvElement::kBf16:
      return AttendInPlace<Bf16>(args);
    case KvElement::kQ80:
      return PieceAttention<FloatProducts<BlockQ80, RowSource::kDecoded>>(args).Run();
    case KvElement::kQ40:
      return PieceAttention<FloatProducts<BlockQ40, RowSource::kDecoded>>(args).Run();
  }
}

}  // namespace
}  // namespace mimo

#pragma once
// y = W x for weights in panels. Include after panel_types.h.
//
// Few tokens (decode): each block is unpacked in registers and multiplied with them on the spot, so the
// weights are read once, in the order in which they lie. Many tokens (prefill): a panel is unpacked into
// scratch memory once, and all tokens pass over it. Both take the integers of a block together and then the
// blocks in ascending order (quantized_row.h), so they give the same bits.

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/panel_types.h"
#include "kernels/quantized_row.h"
#include "kernels/token_tiles.h"
#include "kernels/unroll.h"

namespace mimo {
namespace {

// Four bytes in every word.
inline Word16 BroadcastWord(const void* at) {
  int32_t word;
  std::memcpy(&word, at, sizeof(word));
  return Integers::Set(word);
}

// Steps of a sub-block whose products are added before they are widened, where an instruction set multiplies
// bytes to 16 bits: a step adds at most 2 * 127 * kCodeMax there.
template <typename Type, typename Set>
constexpr uint32_t StepsTogether() {
  if (!Set::kHasPairProducts || Type::kIsWide) return 1;
  for (uint32_t steps = std::min(Type::kSteps, Type::kSubColumns / 4); steps > 1; steps /= 2) {
    if (static_cast<int32_t>(steps) * 2 * 127 * Type::kCodeMax < 1 << 15) return steps;
  }
  return 1;
}

// A sum of products of words of codes with words of x. Steps are numbered from 0.
template <typename Type, typename Set = Integers>
struct StepSum {
  [[gnu::always_inline]] void Add(uint32_t step, Word16 codes, Word16 x) {
    constexpr uint32_t kTogether = StepsTogether<Type, Set>();
    if constexpr (Type::kIsWide) {
      sum = Set::DotWideBytes(sum, codes, x);
    } else if constexpr (kTogether == 1) {
      sum = Set::DotBytes(sum, codes, x);
    } else {
      pairs = step % kTogether == 0 ? Set::PairProducts(codes, x)
                                    : Set::AddPairs(pairs, Set::PairProducts(codes, x));
      if (step % kTogether == kTogether - 1) sum = Set::AddWidened(sum, pairs);
    }
  }
  Word16 sum;
  Word16 pairs;
};

// What kOffset adds to every code of sub-block `sub_block` of the row is taken off beforehand.
template <typename Type>
Word16 StartOfSum(const QuantizedRow& x, size_t sub_block) {
  if constexpr (Type::kOffset == 0 || (Type::kIsWide && Integers::kWideDotIsSigned)) return Integers::Zero();
  const int32_t sum = Type::kSubColumns == 16 ? x.sums_16[sub_block] : x.sums_32[sub_block];
  return Integers::Set(-Type::kOffset * sum);
}

template <typename Type>
constexpr uint32_t kSubBlocks = Type::kBlockColumns / Type::kSubColumns;

// Minimums of pairs of sub-blocks times the sums of x's codes over them, in one block of 256 columns.
template <typename Type, typename LoadPair>
Word16 MinimumSum(const QuantizedRow& x, uint32_t b, const LoadPair& load_pair) {
  const int16_t* const sums =
      (Type::kSubColumns == 16 ? x.sums_16 : x.sums_32) + size_t{b} * kSubBlocks<Type>;
  Word16 sum = Integers::Zero();
  for (uint32_t pair = 0; pair < kSubBlocks<Type> / 2; ++pair) {
    sum = Integers::DotHalves(sum, load_pair(pair), BroadcastWord(sums + 2 * pair));
  }
  return sum;
}

// ---- Few tokens.

// Of each token, the sums of the two sub-blocks of a group; first alone where both are one.
template <typename Type, uint32_t kTokens>
struct GroupSums {
  StepSum<Type> first[kTokens];
  StepSum<Type> second[kTokens];
};

template <typename Type>
constexpr bool kOneSubBlock = Type::Column(0, 0, 0) / Type::kSubColumns
                              == Type::Column(0, 0, 1) / Type::kSubColumns;

// The sums of one group of block `b`.
template <typename Type, uint32_t kTokens>
[[gnu::always_inline]] inline void MultiplyGroup(const PanelBlock& block, uint32_t group,
                                                 const QuantizedRow* x, uint32_t b,
                                                 GroupSums<Type, kTokens>& sums) {
  const size_t column = size_t{b} * Type::kBlockColumns;
  Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
    sums.first[t].sum = StartOfSum<Type>(x[t], (column + Type::Column(group, 0, 0)) / Type::kSubColumns);
    sums.second[t].sum =
        kOneSubBlock<Type> ? Integers::Zero()
                           : StartOfSum<Type>(x[t], (column + Type::Column(group, 0, 1)) / Type::kSubColumns);
  });
  Unroll<Type::kSteps>([&](auto step) MIMO_ALWAYS_INLINE {
    const TwoCodes codes = Type::Codes(block, group, step);
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
      const int8_t* const values = x[t].codes + column;
      sums.first[t].Add(step, codes.first, BroadcastWord(values + Type::Column(group, step, 0)));
      sums.second[t].Add(step, codes.second, BroadcastWord(values + Type::Column(group, step, 1)));
    });
  });
  if constexpr (kOneSubBlock<Type>) {
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
      sums.first[t].sum = Integers::Add(sums.first[t].sum, sums.second[t].sum);
    });
  }
}

// products[t] = sum over the sub-blocks of scale * (code - offset) * x's code.
template <typename Type, uint32_t kTokens>
[[gnu::always_inline]] inline void MultiplyBlock(const PanelBlock& block, const QuantizedRow* x, uint32_t b,
                                                 Word16 (&products)[kTokens]) {
  if constexpr (!Type::kHasSubScales) {
    GroupSums<Type, kTokens> sums;
    MultiplyGroup<Type, kTokens>(block, 0, x, b, sums);
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE { products[t] = sums.first[t].sum; });
  } else {
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE { products[t] = Integers::Zero(); });
    Word16 scales[kSubBlocks<Type>];
    Type::SubScales(block, scales);
    Unroll<Type::kGroups>([&](auto group) MIMO_ALWAYS_INLINE {
      const Word16 first_scale = scales[Type::Column(group, 0, 0) / Type::kSubColumns];
      const Word16 second_scale = scales[Type::Column(group, 0, 1) / Type::kSubColumns];
      GroupSums<Type, kTokens> sums;
      MultiplyGroup<Type, kTokens>(block, group, x, b, sums);
      Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
        products[t] = Integers::Add(products[t], Integers::Multiply(sums.first[t].sum, first_scale));
        if constexpr (!kOneSubBlock<Type>) {
          products[t] = Integers::Add(products[t], Integers::Multiply(sums.second[t].sum, second_scale));
        }
      });
    });
  }
}

// Adds the products of block `b`. Inline, as AddMinimums: a scale that is passed goes through memory, in
// parts that the processor cannot forward to one load, which cost AVX2 a fifth of its prefill.
template <uint32_t kTokens>
[[gnu::always_inline]] inline void AddProducts(Float16 scale, const Word16 (&products)[kTokens],
                                               const QuantizedRow* x, uint32_t b, Float16 (&sums)[kTokens]) {
  Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
    const Float16 factor = Simd::Multiply(scale, Simd::Broadcast(x[t].scales[b]));
    sums[t] = Simd::MultiplyAdd(factor, Integers::ToFloat(products[t]), sums[t]);
  });
}

// Adds the part that the minimums of block `b` have in the sums. load_pair(i) gives those of a pair of
// sub-blocks.
template <typename Type, uint32_t kTokens, typename LoadPair>
[[gnu::always_inline]] inline void AddMinimums(Float16 minimum, const LoadPair& load_pair,
                                               const QuantizedRow* x, uint32_t b, Float16 (&sums)[kTokens]) {
  Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
    if constexpr (Type::kHasSubScales) {
      const Word16 sum = MinimumSum<Type>(x[t], b, load_pair);
      const Float16 factor = Simd::Multiply(minimum, Simd::Broadcast(-x[t].scales[b]));
      sums[t] = Simd::MultiplyAdd(factor, Integers::ToFloat(sum), sums[t]);
    } else {
      const Float16 factor = Simd::Multiply(minimum, Simd::Broadcast(x[t].scales[b]));
      const Float16 sum = Simd::Broadcast(static_cast<float>(x[t].sums_32[b]));
      sums[t] = Simd::MultiplyAdd(factor, sum, sums[t]);
    }
  });
}

template <typename Type, uint32_t kTokens>
void AddBlockMinimums(const PanelBlock& block, const QuantizedRow* x, uint32_t b, Float16 (&sums)[kTokens]) {
  if constexpr (Type::kHasSubScales) {
    Word16 pairs[kSubBlocks<Type> / 2];
    Type::MinimumPairs(block, pairs);
    const auto load_pair = [&](uint32_t pair) { return pairs[pair]; };
    AddMinimums<Type, kTokens>(Type::Minimum(block), load_pair, x, b, sums);
  } else {
    AddMinimums<Type, kTokens>(Type::Minimum(block), nullptr, x, b, sums);
  }
}

template <uint32_t kTokens>
void StoreSums(const MatMulArgs& args, uint32_t row, uint32_t token, const Float16 (&sums)[kTokens]) {
  const uint32_t count = std::min(kPanelRows, args.row_end - row);
  for (uint32_t t = 0; t < kTokens; ++t) {
    float* const out = args.out + (token + t) * args.out_stride + (row - args.row_begin);
    if (count == kPanelRows) {
      Simd::Store(out, sums[t]);
    } else {
      StorePartial(out, sums[t], count);
    }
  }
}

struct PanelPlace {
  PanelPlace(const MatrixView& weights, uint32_t row)
      : blocks(weights.data + row / kPanelRows * weights.row_bytes),
        num_blocks(weights.cols / GeometryOf(weights.type).columns) {}
  template <typename Type>
  PanelBlock Block(uint32_t b) const {
    const std::byte* const lead = blocks + size_t{b} * PanelBlockBytes(Type::kType);
    return {lead, lead + PanelLeadBytes(Type::kType)};
  }
  const std::byte* blocks;
  uint32_t num_blocks;
};

// Asks for the block that lies kBytesAhead further on; panels follow one another.
template <typename Type, size_t kBytesAhead, int kLocality>
[[gnu::always_inline]] inline void AskAhead(const PanelBlock& block) {
  const std::byte* const ahead = block.lead + kBytesAhead;
  for (uint32_t at = 0; at < PanelBlockBytes(Type::kType); at += 64) {
    __builtin_prefetch(ahead + at, 0, kLocality);
  }
}

// The panel that begins at `row`, and kTokens tokens from `token` on.
template <typename Type, uint32_t kTokens>
void DecodePanel(const MatMulArgs& args, uint32_t row, uint32_t token) {
  const PanelPlace panel(*args.weights, row);
  const QuantizedRow* const x = args.quantized_rows + token;
  Float16 sums[kTokens];
  Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE { sums[t] = Simd::Zero(); });
  const bool looks_ahead = LooksAheadWhileUnpacking();
  for (uint32_t b = 0; b < panel.num_blocks; ++b) {
    const PanelBlock block = panel.Block<Type>(b);
    if (!looks_ahead) {
      AskAhead<Type, 4096, 0>(block);  // past the second-level cache: weights pass once
    } else if (kTokens > 1) {
      AskAhead<Type, 2048, 3>(block);  // products of several tokens fill its window
    }
    Word16 products[kTokens];
    MultiplyBlock<Type, kTokens>(block, x, b, products);
    AddProducts<kTokens>(Type::Scale(block), products, x, b, sums);
    if constexpr (Type::kHasMinimum) AddBlockMinimums<Type, kTokens>(block, x, b, sums);
  }
  StoreSums(args, row, token, sums);
}

// ---- Many tokens.

// A panel in the scratch memory of the caller: a byte for every code.
struct UnpackedPanel {
  UnpackedPanel(std::byte* memory, uint32_t cols)
      : codes(memory),
        sub_scales(codes + size_t{cols} * kPanelRows),
        minimum_pairs(sub_scales + cols / 16 * size_t{64}),
        scales(reinterpret_cast<float*>(minimum_pairs + cols / 32 * size_t{64})),
        minimums(scales + cols / 32 * kPanelRows) {}

  std::byte* codes;          // [cols / 4, 16, 4]
  std::byte* sub_scales;     // int32 [sub-blocks, 16]
  std::byte* minimum_pairs;  // int16 [pairs of sub-blocks, 16, 2]
  float* scales;             // [blocks, 16]
  float* minimums;           // [blocks, 16]; of wide codes whose bits are inverted, int32 corrections
};
static_assert(PanelScratchBytes(256) / 2 >= 256 * 16 + 16 * 64 + 8 * 64 + 2 * 8 * 16 * sizeof(float));

// Whether negative codes turn x into ~x = -x - 1 instead of -x, which some processors do faster. Per block,
// the sum of the magnitudes of the negative codes, times their sub-block's scale, makes up for the 1.
template <typename Type>
constexpr bool kInvertsBits = (Type::kIsWide && Integers::kInvertsBits);

// Requires: the codes and the sub-blocks' scales are unpacked.
template <typename Type, typename Set = Integers>
Word16 Correction(const UnpackedPanel& panel, uint32_t b) {
  Word16 correction = Set::Zero();
  for (uint32_t i = 0; i < kSubBlocks<Type>; ++i) {
    const size_t sub_block = b * kSubBlocks<Type> + i;
    Word16 sum = Set::Zero();
    for (uint32_t word = 0; word < Type::kSubColumns / 4; ++word) {
      const size_t column = sub_block * Type::kSubColumns + word * 4;
      sum = Set::AddNegativeMagnitudes(sum, Set::Load(panel.codes + column * kPanelRows));
    }
    if constexpr (Type::kHasSubScales) sum = Set::Multiply(sum, Set::Load(panel.sub_scales + sub_block * 64));
    correction = Set::Add(correction, sum);
  }
  return correction;
}

template <typename Type>
void UnpackBlock(const PanelBlock block, uint32_t b, const UnpackedPanel& panel) {
  std::byte* const out = panel.codes + size_t{b} * Type::kBlockColumns * kPanelRows;
#pragma GCC unroll 8
  for (uint32_t group = 0; group < Type::kGroups; ++group) {
#pragma GCC unroll 8
    for (uint32_t step = 0; step < Type::kSteps; ++step) {
      const TwoCodes codes = Type::Codes(block, group, step);
      Integers::Store(out + Type::Column(group, step, 0) * kPanelRows, codes.first);
      Integers::Store(out + Type::Column(group, step, 1) * kPanelRows, codes.second);
    }
  }
  Simd::Store(panel.scales + b * kPanelRows, Type::Scale(block));
  if constexpr (Type::kHasMinimum) Simd::Store(panel.minimums + b * kPanelRows, Type::Minimum(block));
  if constexpr (Type::kHasSubScales) {
    Word16 scales[kSubBlocks<Type>];
    Type::SubScales(block, scales);
    for (uint32_t i = 0; i < kSubBlocks<Type>; ++i) {
      Integers::Store(panel.sub_scales + (b * kSubBlocks<Type> + i) * size_t{64}, scales[i]);
    }
    if constexpr (Type::kHasMinimum) {
      Word16 pairs[kSubBlocks<Type> / 2];
      Type::MinimumPairs(block, pairs);
      for (uint32_t i = 0; i < kSubBlocks<Type> / 2; ++i) {
        Integers::Store(panel.minimum_pairs + (b * kSubBlocks<Type> / 2 + i) * size_t{64}, pairs[i]);
      }
    }
  }
  if constexpr (kInvertsBits<Type>) {
    Integers::Store(panel.minimums + b * kPanelRows, Correction<Type>(panel, b));
  }
}

// A word of x's codes is broadcast once for all panels, so that two panels take 6 loads where one takes 9:
// processors that multiply as fast as they load are held up by loads alone.

// sums[p][t] += the products of one sub-block.
template <typename Type, uint32_t kPanels, uint32_t kTokens, typename Set = Integers>
[[gnu::always_inline]] inline void MultiplySubBlock(const UnpackedPanel* panels, const QuantizedRow* x,
                                                    size_t sub_block,
                                                    StepSum<Type> (&sums)[kPanels][kTokens]) {
  Unroll<Type::kSubColumns / 4>([&](auto word) MIMO_ALWAYS_INLINE {
    const size_t column = sub_block * Type::kSubColumns + word * 4;
    Word16 codes[kPanels];
    Unroll<kPanels>([&](auto p)
                        MIMO_ALWAYS_INLINE { codes[p] = Set::Load(panels[p].codes + column * kPanelRows); });
    if constexpr (kInvertsBits<Type>) {
      static_assert(kPanels == 1);
      const auto split = Set::SplitWideBytes(codes[0]);
      Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
        const Word16 inverted = Set::Invert(BroadcastWord(x[t].codes + column), split.negative);
        sums[0][t].sum = Set::DotBytes(sums[0][t].sum, split.magnitudes, inverted);
      });
    } else {
      Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
        const Word16 word_of_x = BroadcastWord(x[t].codes + column);
        Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE { sums[p][t].Add(word, codes[p], word_of_x); });
      });
    }
  });
}

// The same as MultiplyBlock, of each panel.
template <typename Type, uint32_t kPanels, uint32_t kTokens>
[[gnu::always_inline]] inline void MultiplyUnpackedBlock(const UnpackedPanel* panels, const QuantizedRow* x,
                                                         uint32_t b, Word16 (&products)[kPanels][kTokens]) {
  const Word16 correction =
      kInvertsBits<Type> ? Integers::Load(panels[0].minimums + b * kPanelRows) : Integers::Zero();
  Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
    Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE { products[p][t] = correction; });
  });
  for (uint32_t i = 0; i < kSubBlocks<Type>; ++i) {
    const size_t sub_block = b * kSubBlocks<Type> + i;
    StepSum<Type> sums[kPanels][kTokens];
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
      const Word16 start = StartOfSum<Type>(x[t], sub_block);
      Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE { sums[p][t].sum = start; });
    });
    MultiplySubBlock<Type, kPanels, kTokens>(panels, x, sub_block, sums);
    Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE {
      const Word16 scale =
          Type::kHasSubScales ? Integers::Load(panels[p].sub_scales + sub_block * 64) : Integers::Zero();
      Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE {
        Word16 sum = sums[p][t].sum;
        if constexpr (Type::kHasSubScales) sum = Integers::Multiply(sum, scale);
        products[p][t] = Integers::Add(products[p][t], sum);
      });
    });
  }
}

// The panels that begin at `row`, and kTokens tokens from `token` on.
template <typename Type, uint32_t kPanels, uint32_t kTokens>
void MultiplyUnpacked(const MatMulArgs& args, const UnpackedPanel* panels, uint32_t row, uint32_t token) {
  const QuantizedRow* const x = args.quantized_rows + token;
  Float16 sums[kPanels][kTokens];
  Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE {
    Unroll<kTokens>([&](auto t) MIMO_ALWAYS_INLINE { sums[p][t] = Simd::Zero(); });
  });
  for (uint32_t b = 0; b < args.weights->cols / Type::kBlockColumns; ++b) {
    Word16 products[kPanels][kTokens];
    MultiplyUnpackedBlock<Type, kPanels, kTokens>(panels, x, b, products);
    Unroll<kPanels>([&](auto p) MIMO_ALWAYS_INLINE {
      const UnpackedPanel& panel = panels[p];
      AddProducts<kTokens>(Simd::Load(panel.scales + b * kPanelRows), products[p], x, b, sums[p]);
      if constexpr (Type::kHasMinimum) {
        const std::byte* const pairs = panel.minimum_pairs + b * (kSubBlocks<Type> / 2) * size_t{64};
        const auto load_pair = [&](uint32_t pair) { return Integers::Load(pairs + pair * size_t{64}); };
        const Float16 minimum = Simd::Load(panel.minimums + b * kPanelRows);
        AddMinimums<Type, kTokens>(minimum, load_pair, x, b, sums[p]);
      }
    });
  }
  for (uint32_t p = 0; p < kPanels && row + p * kPanelRows < args.row_end; ++p) {
    StoreSums(args, row + p * kPanelRows, token, sums[p]);
  }
}

template <typename Type>
void UnpackPanel(const MatMulArgs& args, uint32_t row, const UnpackedPanel& unpacked) {
  const PanelPlace panel(*args.weights, row);
  for (uint32_t b = 0; b < panel.num_blocks; ++b) UnpackBlock<Type>(panel.Block<Type>(b), b, unpacked);
}

// While `count` tokens from `token` on are multiplied, memory has nothing to do but to bring their share of
// the panels that are unpacked next: mostly those that follow.
template <uint32_t kPanels>
void AskForNextPanels(const MatMulArgs& args, uint32_t row, uint32_t token, uint32_t count) {
  const size_t bytes = kPanels * args.weights->row_bytes;
  const std::byte* const next = args.weights->data + (row / kPanelRows + kPanels) * args.weights->row_bytes;
  const size_t end = bytes * (token + count) / args.num_tokens;
  for (size_t at = bytes * token / args.num_tokens; at < end; at += 64) __builtin_prefetch(next + at, 0, 2);
}

// All rows, unpacked on the way. A last panel without a neighbour is its own.
template <typename Type>
void MultiplyManyTokens(const MatMulArgs& args) {
  constexpr uint32_t kPanels = Integers::kUnpackedPanelsTogether;
  static_assert(kPanels <= 2);
  const uint32_t cols = args.weights->cols;
  for (uint32_t row = args.row_begin; row < args.row_end; row += kPanels * kPanelRows) {
    const bool has_next = kPanels == 2 && row + kPanelRows < args.row_end;
    const UnpackedPanel first(args.panel_scratch, cols);
    const UnpackedPanel second(args.panel_scratch + (has_next ? PanelScratchBytes(cols) / 2 : 0), cols);
    UnpackPanel<Type>(args, row, first);
    if (has_next) UnpackPanel<Type>(args, row + kPanelRows, second);
    const UnpackedPanel panels[] = {first, second};
    ForTokens<Integers::kUnpackedTokensTogether>(0, args.num_tokens, [&](auto count, uint32_t token) {
      AskForNextPanels<kPanels>(args, row, token, count);
      MultiplyUnpacked<Type, kPanels, decltype(count)::value>(args, panels, row, token);
    });
  }
}

template <typename Type>
void MatMulPanelsOf(const MatMulArgs& args) {
  if (args.num_tokens >= Integers::UnpackTokensMin(Type::kCodeMax)) return MultiplyManyTokens<Type>(args);
  for (uint32_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
    ForTokens<Integers::kTokensTogether>(0, args.num_tokens, [&](auto count, uint32_t token) {
      DecodePanel<Type, decltype(count)::value>(args, row, token);
    });
  }
}

// Requires: args.row_begin is the first row of a panel.
void MatMulPanels(const MatMulArgs& args) {
  switch (args.weights->type) {
    case WeightType::kQ80:
      return MatMulPanelsOf<Q80Panel>(args);
    case WeightType::kQ40:
      return MatMulPanelsOf<Q40Panel>(args);
    case WeightType::kQ41:
      return MatMulPanelsOf<Q41Panel>(args);
    case WeightType::kQ50:
      return MatMulPanelsOf<Q50Panel>(args);
    case WeightType::kQ51:
      return MatMulPanelsOf<Q51Panel>(args);
    case WeightType::kIq4Nl:
      return MatMulPanelsOf<Iq4NlPanel>(args);
    case WeightType::kMxFp4:
      return MatMulPanelsOf<MxFp4Panel<WeightType::kMxFp4>>(args);
    case WeightType::kMxFp4Block:
      return MatMulPanelsOf<MxFp4Panel<WeightType::kMxFp4Block>>(args);
    case WeightType::kQ2K:
      return MatMulPanelsOf<Q2KPanel>(args);
    case WeightType::kQ3K:
      return MatMulPanelsOf<Q3KPanel>(args);
    case WeightType::kQ4K:
      return MatMulPanelsOf<Q4KPanel>(args);
    case WeightType::kQ5K:
      return MatMulPanelsOf<Q5KPanel>(args);
    case WeightType::kQ6K:
      return MatMulPanelsOf<Q6KPanel>(args);
    case WeightType::kIq4Xs:
      return MatMulPanelsOf<Iq4XsPanel>(args);
    default:
      MIMO_CHECK(false);
  }
}

// Rows of weights as they lie, or panels.
void MatMulAnyLayout(const MatMulArgs& args) {
  args.weights->layout == WeightLayout::kPanels ? MatMulPanels(args) : MatMul(args);
}

RowForm FormForPanels(const MatrixView& weights) {
  if (weights.layout == WeightLayout::kRows) return RowForm::kFloat32;
  return GeometryOf(weights.type).columns == 256 ? RowForm::kInt8By256 : RowForm::kInt8By32;
}

}  // namespace
}  // namespace mimo

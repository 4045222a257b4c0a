#include "kernels/integer_matmul_ref.h"

#include <cmath>

#include "base/check.h"
#include "kernels/block_layouts.h"

namespace mimo {
namespace {

// element = (scale * scales[c / sub_columns]) * codes[c] - minimum * minimums[c / sub_columns]
struct IntegerBlock {
  float scale = 0;
  float minimum = 0;
  uint32_t columns = 256;
  uint32_t sub_columns = 32;
  int32_t scales[16] = {};
  int32_t minimums[16] = {};
  int32_t codes[256] = {};
};

int Bits(uint32_t value, uint32_t at, uint32_t count) {
  return static_cast<int>((value >> at) & ((1U << count) - 1));
}

void ReadSixBitScales(const uint8_t (&bytes)[12], IntegerBlock& block) {
  for (uint32_t i = 0; i < 4; ++i) {
    block.scales[i] = Bits(bytes[i], 0, 6);
    block.minimums[i] = Bits(bytes[i + 4], 0, 6);
    block.scales[i + 4] = Bits(bytes[i + 8], 0, 4) + 16 * Bits(bytes[i], 6, 2);
    block.minimums[i + 4] = Bits(bytes[i + 8], 4, 4) + 16 * Bits(bytes[i + 4], 6, 2);
  }
}

// Types of 32 columns: the values that the codes stand for are whole numbers.
IntegerBlock Block32(float scale, float minimum) {
  IntegerBlock block = {.scale = scale, .minimum = -minimum, .columns = 32};
  block.scales[0] = 1;
  block.minimums[0] = 1;
  return block;
}

IntegerBlock ReadQ80(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ80>(at);
  IntegerBlock block = Block32(ToFloat(stored.scale), 0);
  for (uint32_t c = 0; c < 32; ++c) block.codes[c] = stored.codes[c];
  return block;
}

// Nibbles whose low ones are the first 16 columns.
int Nibble(const uint8_t (&bytes)[16], uint32_t c) { return Bits(bytes[c % 16], c / 16 * 4, 4); }

template <typename Block>
IntegerBlock ReadNibbles(const std::byte* at, int offset) {
  const auto stored = LoadBlock<Block>(at);
  float minimum = 0;
  if constexpr (requires { stored.minimum; }) minimum = ToFloat(stored.minimum);
  IntegerBlock block = Block32(ToFloat(stored.scale), minimum);
  for (uint32_t c = 0; c < 32; ++c) {
    block.codes[c] = Nibble(stored.codes, c) - offset;
    if constexpr (requires { stored.high_bits; })
      block.codes[c] += 16 * Bits(stored.high_bits[c / 8], c % 8, 1);
  }
  return block;
}

IntegerBlock ReadIq4Nl(const std::byte* at) {
  const auto stored = LoadBlock<BlockIq4Nl>(at);
  IntegerBlock block = Block32(ToFloat(stored.scale), 0);
  for (uint32_t c = 0; c < 32; ++c) block.codes[c] = kIq4Values[Nibble(stored.codes, c)];
  return block;
}

constexpr int kDoubledE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

IntegerBlock ReadMxFp4(const std::byte* at) {
  const auto stored = LoadBlock<BlockMxFp4>(at);
  IntegerBlock block = Block32(E8M0ToFloat(stored.scale) * 0.5F, 0);
  for (uint32_t c = 0; c < 32; ++c) block.codes[c] = kDoubledE2M1[Nibble(stored.codes, c)];
  return block;
}

IntegerBlock ReadSeparateMxFp4(const std::byte* codes, const std::byte* scale) {
  IntegerBlock block = Block32(E8M0ToFloat(static_cast<uint8_t>(*scale)) * 0.5F, 0);
  for (uint32_t c = 0; c < 32; ++c) {
    block.codes[c] = kDoubledE2M1[Bits(static_cast<uint8_t>(codes[c / 2]), c % 2 * 4, 4)];
  }
  return block;
}

IntegerBlock ReadQ4K(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ4K>(at);
  IntegerBlock block = {.scale = ToFloat(stored.scale), .minimum = ToFloat(stored.minimum)};
  ReadSixBitScales(stored.scales, block);
  for (uint32_t c = 0; c < 256; ++c)
    block.codes[c] = Bits(stored.codes[c / 64 * 32 + c % 32], c % 64 / 32 * 4, 4);
  return block;
}

IntegerBlock ReadQ5K(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ5K>(at);
  IntegerBlock block = {.scale = ToFloat(stored.scale), .minimum = ToFloat(stored.minimum)};
  ReadSixBitScales(stored.scales, block);
  for (uint32_t c = 0; c < 256; ++c) {
    block.codes[c] = Bits(stored.codes[c / 64 * 32 + c % 32], c % 64 / 32 * 4, 4) +
                     16 * Bits(stored.high_bits[c % 32], c / 32, 1);
  }
  return block;
}

IntegerBlock ReadQ6K(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ6K>(at);
  IntegerBlock block = {.scale = ToFloat(stored.scale), .sub_columns = 16};
  for (uint32_t i = 0; i < 16; ++i) block.scales[i] = stored.scales[i];
  for (uint32_t c = 0; c < 256; ++c) {
    block.codes[c] = Bits(stored.codes[c / 128 * 64 + c % 64], c % 128 / 64 * 4, 4) +
                     16 * Bits(stored.high_bits[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2) - 32;
  }
  return block;
}

IntegerBlock ReadQ2K(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ2K>(at);
  IntegerBlock block = {
      .scale = ToFloat(stored.scale), .minimum = ToFloat(stored.minimum), .sub_columns = 16};
  for (uint32_t i = 0; i < 16; ++i) {
    block.scales[i] = Bits(stored.scales[i], 0, 4);
    block.minimums[i] = Bits(stored.scales[i], 4, 4);
  }
  for (uint32_t c = 0; c < 256; ++c)
    block.codes[c] = Bits(stored.codes[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2);
  return block;
}

IntegerBlock ReadQ3K(const std::byte* at) {
  const auto stored = LoadBlock<BlockQ3K>(at);
  IntegerBlock block = {.scale = ToFloat(stored.scale), .sub_columns = 16};
  for (uint32_t i = 0; i < 16; ++i) {
    const int low = Bits(stored.scales[i % 8], i / 8 * 4, 4);
    block.scales[i] = low + 16 * Bits(stored.scales[8 + i % 4], i / 4 * 2, 2) - 32;
  }
  for (uint32_t c = 0; c < 256; ++c) {
    block.codes[c] = Bits(stored.codes[c / 128 * 32 + c % 32], c % 128 / 32 * 2, 2) +
                     4 * Bits(stored.high_bits[c % 32], c / 32, 1) - 4;
  }
  return block;
}

IntegerBlock ReadIq4Xs(const std::byte* at) {
  const auto stored = LoadBlock<BlockIq4Xs>(at);
  IntegerBlock block = {.scale = ToFloat(stored.scale)};
  for (uint32_t i = 0; i < 8; ++i) {
    const int low = Bits(stored.scales_low[i / 2], i % 2 * 4, 4);
    block.scales[i] = low + 16 * Bits(stored.scales_high, i * 2, 2) - 32;
  }
  for (uint32_t c = 0; c < 256; ++c) {
    block.codes[c] = kIq4Values[Bits(stored.codes[c / 32 * 16 + c % 16], c % 32 / 16 * 4, 4)];
  }
  return block;
}

IntegerBlock ReadBlock(const MatrixView& weights, uint32_t row, uint32_t b) {
  const std::byte* const at =
      weights.data + row * weights.row_bytes + RowBytes(weights.type, b * GeometryOf(weights.type).columns);
  switch (weights.type) {
    case WeightType::kMxFp4:
      return ReadSeparateMxFp4(at, weights.scales + size_t{row} * (weights.cols / 32) + b);
    case WeightType::kQ80:
      return ReadQ80(at);
    case WeightType::kQ40:
      return ReadNibbles<BlockQ40>(at, 8);
    case WeightType::kQ41:
      return ReadNibbles<BlockQ41>(at, 0);
    case WeightType::kQ50:
      return ReadNibbles<BlockQ50>(at, 16);
    case WeightType::kQ51:
      return ReadNibbles<BlockQ51>(at, 0);
    case WeightType::kIq4Nl:
      return ReadIq4Nl(at);
    case WeightType::kMxFp4Block:
      return ReadMxFp4(at);
    case WeightType::kQ2K:
      return ReadQ2K(at);
    case WeightType::kQ3K:
      return ReadQ3K(at);
    case WeightType::kQ4K:
      return ReadQ4K(at);
    case WeightType::kQ5K:
      return ReadQ5K(at);
    case WeightType::kQ6K:
      return ReadQ6K(at);
    case WeightType::kIq4Xs:
      return ReadIq4Xs(at);
    default:
      MIMO_CHECK(false);
  }
}

void AddBlock(const IntegerBlock& block, const int8_t* x_codes, float x_scale, float& sum) {
  int32_t products = 0;
  int32_t minimums = 0;
  for (uint32_t c = 0; c < block.columns; ++c) {
    products += block.scales[c / block.sub_columns] * block.codes[c] * x_codes[c];
    minimums += block.minimums[c / block.sub_columns] * x_codes[c];
  }
  sum = std::fma(block.scale * x_scale, static_cast<float>(products), sum);
  if (block.minimum != 0) sum = std::fma(-(block.minimum * x_scale), static_cast<float>(minimums), sum);
}

}  // namespace

void IntegerMatMulReference(const MatMulArgs& args, RowForm form) {
  const MatrixView& weights = *args.weights;
  const BlockGeometry& geometry = GeometryOf(weights.type);
  MIMO_CHECK(geometry.columns == BlockColumns(form));
  for (uint32_t row = args.row_begin; row < args.row_end; ++row) {
    for (uint32_t token = 0; token < args.num_tokens; ++token) {
      const QuantizedRow& x = args.quantized_rows[token];
      float sum = 0;
      for (uint32_t b = 0; b < weights.cols / geometry.columns; ++b) {
        AddBlock(ReadBlock(weights, row, b), x.codes + size_t{b} * geometry.columns, x.scales[b], sum);
      }
      args.out[token * args.out_stride + (row - args.row_begin)] = sum;
    }
  }
}

}  // namespace mimo

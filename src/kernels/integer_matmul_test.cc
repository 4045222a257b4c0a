// Products in integers: every variant, from weights in panels, against the plain twin, to the bit, whatever
// the number of tokens; and the twin against exact arithmetic, within the bound that rounding the input to
// int8 allows.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>

#include "kernels/integer_matmul_ref.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

std::vector<WeightType> PanelTypes() {
  std::vector<WeightType> types;
  for (uint32_t i = 0; i < kNumWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    if (HasPanels(type)) types.push_back(type);
  }
  return types;
}

std::vector<const Kernels*> PanelKernels() {
  std::vector<const Kernels*> kernels = {SupportedKernels().begin(), SupportedKernels().end()};
  std::erase_if(kernels, [](const Kernels* k) { return !k->reads_panels; });
  return kernels;
}

RowForm FormOf(WeightType type) {
  return GeometryOf(type).columns == 256 ? RowForm::kInt8By256 : RowForm::kInt8By32;
}

struct Product {
  WeightType type;
  uint32_t rows;
  uint32_t cols;
  uint32_t num_tokens;
};

std::string Describe(const Product& product) {
  return std::string(WeightTypeName(product.type)) + " [" + std::to_string(product.rows) + ", " +
         std::to_string(product.cols) + "] x " + std::to_string(product.num_tokens);
}

void ExpectTwinBitsOf(const MatrixView& weights, const Product& product, const std::vector<float>& values) {
  const Panels panels(weights);
  const RowForm form = FormOf(product.type);
  const QuantizedRows x(values, product.num_tokens, form, nullptr);
  std::vector<float> expected(size_t{product.num_tokens} * product.rows);
  AlignedBytes scratch(PanelScratchBytes(product.cols));
  MatMulArgs args = {.weights = &weights,
                     .quantized_rows = x.rows().data(),
                     .panel_scratch = scratch.data(),
                     .num_tokens = product.num_tokens,
                     .row_begin = 0,
                     .row_end = product.rows,
                     .out = expected.data(),
                     .out_stride = product.rows};
  IntegerMatMulReference(args, form);
  args.weights = &panels.view();
  for (const Kernels* kernels : PanelKernels()) {
    ASSERT_EQ(kernels->row_form(panels.view()), form);
    std::vector<float> actual(expected.size());
    args.out = actual.data();
    kernels->matmul(args);
    EXPECT_EQ(actual, expected) << kernels->name << " " << Describe(product);
  }
}

void ExpectTwinBits(const Product& product, std::mt19937_64& random) {
  const RandomMatrix matrix(product.type, product.rows, product.cols, random);
  ExpectTwinBitsOf(matrix.view(), product, RandomFloats(size_t{product.num_tokens} * product.cols, random));
}

TEST(IntegerMatMul, HasThePlainTwinsBitsInEveryShape) {
  std::mt19937_64 random(1);
  for (const WeightType type : PanelTypes()) {
    const uint32_t block = GeometryOf(type).columns;
    for (const uint32_t blocks : {1U, 2U, 3U, 5U}) {
      for (const uint32_t num_tokens : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 10U, 15U}) {
        for (const uint32_t rows : {1U, 16U, 19U}) {
          ExpectTwinBits({type, rows, blocks * block, num_tokens}, random);
        }
      }
    }
  }
}

TEST(IntegerMatMul, HasThePlainTwinsBitsInLargeRandomShapes) {
  std::mt19937_64 random(2);
  for (const WeightType type : PanelTypes()) {
    for (int i = 0; i < 4; ++i) {
      const uint32_t cols = GeometryOf(type).columns * static_cast<uint32_t>(1 + random() % 9);
      const auto rows = static_cast<uint32_t>(1 + random() % 90);
      ExpectTwinBits({type, rows, cols, static_cast<uint32_t>(1 + random() % 40)}, random);
    }
  }
}

// The bytes of a block that hold its scales in floating point; all others hold codes, or integers that scale
// them.
struct ByteRange {
  size_t begin;
  size_t end;
};
ByteRange FloatBytes(WeightType type) {
  const size_t end = GeometryOf(type).bytes;
  switch (type) {
    case WeightType::kMxFp4:
      return {0, 0};
    case WeightType::kMxFp4Block:
      return {0, 1};
    case WeightType::kQ41:
    case WeightType::kQ51:
    case WeightType::kQ4K:
    case WeightType::kQ5K:
      return {0, 4};
    case WeightType::kQ2K:
      return {end - 4, end};
    case WeightType::kQ3K:
    case WeightType::kQ6K:
      return {end - 2, end};
    default:
      return {0, 2};
  }
}

// Where sums in 16 bits would saturate first.
TEST(IntegerMatMul, HasThePlainTwinsBitsWhereEveryCodeIsExtreme) {
  constexpr uint32_t kRows = 9;
  std::mt19937_64 random(6);
  for (const WeightType type : PanelTypes()) {
    const uint32_t cols = 2 * GeometryOf(type).columns;
    const RandomMatrix matrix(type, kRows, cols, random);
    const ByteRange floats = FloatBytes(type);
    for (const int code : {0x00, 0x77, 0x7f, 0x80, 0xff}) {
      std::vector<std::byte> data(matrix.view().data, matrix.view().data + kRows * matrix.view().row_bytes);
      for (size_t i = 0; i < data.size(); ++i) {
        const size_t at = i % GeometryOf(type).bytes;
        if (at < floats.begin || at >= floats.end) data[i] = static_cast<std::byte>(code);
      }
      MatrixView extreme = matrix.view();
      extreme.data = data.data();
      for (const uint32_t num_tokens : {1U, 4U, 9U}) {
        for (const float x : {-1.0F, 1.0F}) {  // codes of -127 or 127
          const std::vector<float> values(size_t{num_tokens} * cols, x);
          ExpectTwinBitsOf(extreme, {type, kRows, cols, num_tokens}, values);
        }
      }
    }
  }
}

TEST(IntegerMatMul, ComputesThePanelsThatItIsAskedFor) {
  std::mt19937_64 random(5);
  constexpr uint32_t kRows = 50;
  constexpr uint32_t kCols = 512;
  const RandomMatrix matrix(WeightType::kQ4K, kRows, kCols, random);
  const Panels panels(matrix.view());
  const QuantizedRows x(RandomFloats(kCols, random), 1, RowForm::kInt8By256, nullptr);
  AlignedBytes scratch(PanelScratchBytes(kCols));
  for (const Kernels* kernels : PanelKernels()) {
    std::vector<float> whole(kRows);
    std::vector<float> pieces(kRows);
    MatMulArgs args = {.weights = &panels.view(),
                       .quantized_rows = x.rows().data(),
                       .panel_scratch = scratch.data(),
                       .num_tokens = 1,
                       .row_begin = 0,
                       .row_end = kRows,
                       .out = whole.data(),
                       .out_stride = kRows};
    kernels->matmul(args);
    for (const auto& [begin, end] : {std::pair{0U, 16U}, std::pair{16U, 48U}, std::pair{48U, kRows}}) {
      args.row_begin = begin;
      args.row_end = end;
      args.out = pieces.data() + begin;
      kernels->matmul(args);
    }
    EXPECT_EQ(whole, pieces) << kernels->name;
  }
}

// Each code is off by half a step at most: |error| <= sum over blocks of x's scale / 2 * sum |w|. The sums in
// float32 add much less.
TEST(IntegerMatMul, IsOffByWhatRoundingTheInputAllows) {
  constexpr uint32_t kCols = 1024;
  std::mt19937_64 random(3);
  for (const WeightType type : PanelTypes()) {
    const RowForm form = FormOf(type);
    const RandomMatrix matrix(type, 5, kCols, random);
    const std::vector<float> values = RandomFloats(kCols, random);
    const QuantizedRows x(values, 1, form, nullptr);
    std::vector<float> y(5);
    IntegerMatMulReference({.weights = &matrix.view(),
                            .quantized_rows = x.rows().data(),
                            .num_tokens = 1,
                            .row_begin = 0,
                            .row_end = 5,
                            .out = y.data(),
                            .out_stride = 5},
                           form);
    for (uint32_t row = 0; row < 5; ++row) {
      std::vector<float> w(kCols);
      DequantizeRow(matrix.view(), row, w.data());
      double exact = 0;
      double bound = 0;
      double magnitude = 0;
      for (uint32_t c = 0; c < kCols; ++c) {
        exact += double{w[c]} * values[c];
        bound += std::abs(w[c]) * x.rows()[0].scales[c / BlockColumns(form)] / 2;
        magnitude += std::abs(double{w[c]} * values[c]);
      }
      EXPECT_NEAR(y[row], exact, bound + 1e-5 * magnitude) << WeightTypeName(type);
      EXPECT_NE(y[row], 0.0F);
    }
  }
}

TEST(QuantizeRow, HasThePlainTwinsBits) {
  std::mt19937_64 random(4);
  for (const Kernels* kernels : SupportedKernels()) {
    for (const RowForm form : {RowForm::kInt8By32, RowForm::kInt8By256}) {
      std::vector<float> values = RandomFloats(1024, random);
      std::fill_n(values.begin() + 256, 256, 0.0F);
      values[512] = -7e30F;
      values[800] = std::numeric_limits<float>::infinity();
      const QuantizedRows expected(values, 1, form, nullptr);
      const QuantizedRows actual(values, 1, form, kernels);
      EXPECT_EQ(std::memcmp(expected.rows()[0].codes, actual.rows()[0].codes, 1024), 0) << kernels->name;
      for (uint32_t b = 0; b < 1024 / BlockColumns(form); ++b) {
        const float scale = expected.rows()[0].scales[b];
        EXPECT_TRUE(actual.rows()[0].scales[b] == scale ||
                    (std::isnan(scale) && std::isnan(actual.rows()[0].scales[b])));
      }
      EXPECT_EQ(std::memcmp(expected.rows()[0].sums_16, actual.rows()[0].sums_16, 128), 0);
      EXPECT_EQ(std::memcmp(expected.rows()[0].sums_32, actual.rows()[0].sums_32, 64), 0);
      EXPECT_TRUE(std::isnan(expected.rows()[0].scales[800 / BlockColumns(form)]));
    }
  }
}

TEST(QuantizeRow, MakesZerosOfBlocksOfTinyMagnitudes) {
  constexpr float kMin = kBlockMagnitudeMin;
  std::vector<const Kernels*> variants = {SupportedKernels().begin(), SupportedKernels().end()};
  variants.push_back(nullptr);  // the plain twin itself
  for (const RowForm form : {RowForm::kInt8By32, RowForm::kInt8By256}) {
    const uint32_t block = BlockColumns(form);
    for (const float magnitude : {1e-45F, 1e-38F, 3e-37F, std::nextafter(kMin, 0.0F), kMin, 2 * kMin}) {
      std::vector<float> values(2 * block, magnitude / 4);
      values[3] = magnitude;
      values[block + 5] = -magnitude;
      const bool is_tiny = magnitude < kMin;
      for (const Kernels* kernels : variants) {
        const QuantizedRows rows(values, 1, form, kernels);
        const QuantizedRow& row = rows.rows()[0];
        EXPECT_EQ(row.scales[0], is_tiny ? 0.0F : magnitude / 127.0F);
        EXPECT_EQ(row.codes[3], is_tiny ? 0 : 127);
        EXPECT_EQ(row.codes[block + 5], is_tiny ? 0 : -127);
        EXPECT_EQ(row.codes[0], is_tiny ? 0 : 32);
        EXPECT_EQ(row.sums_16[0], is_tiny ? 0 : 15 * 32 + 127);
        EXPECT_EQ(row.sums_32[0], is_tiny ? 0 : 31 * 32 + 127);
      }
    }
  }
}

}  // namespace
}  // namespace mimo

// Every variant that this machine supports against the plain twin, and the fast variants against each other
// to the bit.

#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

constexpr float kEpsilon = 0x1p-23F;  // of float32

// |sum of products| in any order differs from the exact value by at most n * epsilon * sum |products|
// (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1); two such sums differ by twice that.
float DotTolerance(const float* a, const float* b, uint32_t size) {
  float sum = 0;
  for (uint32_t i = 0; i < size; ++i) sum += std::abs(a[i] * b[i]);
  return 2 * kEpsilon * static_cast<float>(size) * sum;
}

std::vector<const float*> Rows(const std::vector<float>& values, uint32_t num_rows) {
  std::vector<const float*> rows;
  for (uint32_t i = 0; i < num_rows; ++i) rows.push_back(values.data() + i * (values.size() / num_rows));
  return rows;
}

std::vector<float> Multiply(const Kernels& kernels, const MatrixView& weights,
                            const std::vector<const float*>& x) {
  std::vector<float> out(x.size() * weights.rows);
  kernels.matmul({.weights = &weights,
                  .x_rows = x.data(),
                  .num_tokens = static_cast<uint32_t>(x.size()),
                  .row_begin = 0,
                  .row_end = weights.rows,
                  .out = out.data(),
                  .out_stride = weights.rows});
  return out;
}

std::vector<const Kernels*> FastKernels() {
  return {SupportedKernels().begin() + 1, SupportedKernels().end()};
}

// Those that multiply rows of the type in float32; bf16_matmul_test.cc is about the others.
std::vector<const Kernels*> FloatKernels(WeightType type) {
  std::vector<const Kernels*> kernels = FastKernels();
  std::erase_if(kernels,
                [type](const Kernels* k) { return k->row_form({.type = type}) != RowForm::kFloat32; });
  return kernels;
}

struct MatMulCase {
  WeightType type;
  uint32_t rows;
  uint32_t cols;
  uint32_t num_tokens;
};

std::vector<MatMulCase> MatMulCases() {
  std::vector<MatMulCase> cases;
  for (const WeightType type :
       {WeightType::kF32, WeightType::kF16, WeightType::kBf16, WeightType::kFp8E4M3}) {
    for (const uint32_t cols : {1U, 15U, 16U, 17U, 31U, 128U, 129U, 144U, 300U}) {
      for (const uint32_t num_tokens : {1U, 2U, 3U, 4U, 5U, 9U}) cases.push_back({type, 7, cols, num_tokens});
    }
    cases.push_back({type, 274, 260, 37});
  }
  for (uint32_t i = static_cast<uint32_t>(WeightType::kMxFp4); i < kNumWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    const uint32_t block = GeometryOf(type).columns;
    for (const uint32_t cols : {block, 2 * block, 5 * block}) {
      for (const uint32_t num_tokens : {1U, 2U, 5U, 33U}) cases.push_back({type, 9, cols, num_tokens});
    }
  }
  cases.push_back({WeightType::kNvFp4, 3, 320, 2});  // whose last pass is not 256 columns
  return cases;
}

TEST(MatMul, EveryVariantAgreesWithThePlainTwinInEveryStoredType) {
  std::mt19937_64 random(1);
  for (const MatMulCase& c : MatMulCases()) {
    const RandomMatrix matrix(c.type, c.rows, c.cols, random);
    const std::vector<float> x = RandomFloats(size_t{c.num_tokens} * c.cols, random);
    const std::vector<const float*> rows = Rows(x, c.num_tokens);
    const std::vector<float> expected = Multiply(ReferenceKernels(), matrix.view(), rows);
    for (const Kernels* kernels : FloatKernels(c.type)) {
      const std::vector<float> actual = Multiply(*kernels, matrix.view(), rows);
      std::vector<float> weights(c.cols);
      for (uint32_t r = 0; r < c.rows; ++r) {
        DequantizeRow(matrix.view(), r, weights.data());
        for (uint32_t t = 0; t < c.num_tokens; ++t) {
          ASSERT_NEAR(actual[t * c.rows + r], expected[t * c.rows + r],
                      DotTolerance(weights.data(), rows[t], c.cols))
              << kernels->name << " " << WeightTypeName(c.type) << " cols " << c.cols << " tokens "
              << c.num_tokens;
        }
      }
    }
  }
}

TEST(MatMul, ATokenHasTheSameBitsAloneInABatchAndInEveryFastVariant) {
  std::mt19937_64 random(2);
  for (const MatMulCase& c : MatMulCases()) {
    const RandomMatrix matrix(c.type, c.rows, c.cols, random);
    const std::vector<float> x = RandomFloats(size_t{c.num_tokens} * c.cols, random);
    const std::vector<const float*> rows = Rows(x, c.num_tokens);
    std::vector<float> first;
    for (const Kernels* kernels : FloatKernels(c.type)) {
      const std::vector<float> together = Multiply(*kernels, matrix.view(), rows);
      if (first.empty()) first = together;
      ASSERT_EQ(first, together) << kernels->name;
      for (uint32_t t = 0; t < c.num_tokens; ++t) {
        const std::vector<float> alone = Multiply(*kernels, matrix.view(), {rows[t]});
        ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + t * c.rows)) << kernels->name;
      }
    }
  }
}

TEST(DequantizeRow, ReadsBlocksOfQ80) {
  std::vector<std::byte> bytes(2 * kQ80BlockBytes);
  const Fp16 scales[2] = {ToFp16(0.5F), ToFp16(-3.0F)};
  for (size_t block = 0; block < 2; ++block) {
    std::byte* const at = bytes.data() + block * kQ80BlockBytes;
    std::memcpy(at, &scales[block], sizeof(Fp16));
    for (size_t i = 0; i < kQ80BlockSize; ++i) at[2 + i] = static_cast<std::byte>(i * 8 - 128);
  }
  MatrixView view;
  view.type = WeightType::kQ80;
  view.rows = 1;
  view.cols = 64;
  view.data = bytes.data();
  view.row_bytes = RowBytes(view.type, view.cols);
  ASSERT_EQ(view.row_bytes, bytes.size());
  std::vector<float> row(64);
  DequantizeRow(view, 0, row.data());
  EXPECT_EQ(row[0], -64.0F);
  EXPECT_EQ(row[31], 60.0F);
  EXPECT_EQ(row[32], 384.0F);
  EXPECT_EQ(row[33], 360.0F);
}

TEST(Elementwise, EveryVariantAgreesWithThePlainTwin) {
  std::mt19937_64 random(4);
  for (const uint32_t size : {1U, 15U, 16U, 17U, 100U, 192U}) {
    const std::vector<float> x = RandomFloats(size, random);
    const std::vector<float> w = RandomFloats(size, random);
    for (const Kernels* kernels : FastKernels()) {
      std::vector<float> expected(size);
      std::vector<float> actual(size);
      ReferenceKernels().rms_norm(x.data(), w.data(), size, 1e-5F, expected.data());
      kernels->rms_norm(x.data(), w.data(), size, 1e-5F, actual.data());
      for (uint32_t i = 0; i < size; ++i) {
        ASSERT_NEAR(actual[i], expected[i],
                    (4 + static_cast<float>(size)) * kEpsilon * std::abs(expected[i]));
      }
      expected = actual = x;
      ReferenceKernels().silu_multiply(expected.data(), w.data(), size);
      kernels->silu_multiply(actual.data(), w.data(), size);
      for (uint32_t i = 0; i < size; ++i)
        ASSERT_NEAR(actual[i], expected[i], 8 * kEpsilon * std::abs(expected[i]));
      expected = actual = x;
      ReferenceKernels().add_scaled(w.data(), 0.37F, size, expected.data());
      kernels->add_scaled(w.data(), 0.37F, size, actual.data());
      for (uint32_t i = 0; i < size; ++i) ASSERT_NEAR(actual[i], expected[i], 2 * kEpsilon * 4);
    }
  }
}

TEST(Elementwise, SiluIsRightFarFromZero) {
  std::vector<float> gate = {-1e30F, -200.0F, -88.0F, 88.0F, 200.0F, 1e30F};
  const std::vector<float> up(gate.size(), 1.0F);
  const std::vector<float> expected = {0.0F, 0.0F, 0.0F, 88.0F, 200.0F, 1e30F};
  for (const Kernels* kernels : SupportedKernels()) {
    std::vector<float> actual = gate;
    kernels->silu_multiply(actual.data(), up.data(), static_cast<uint32_t>(actual.size()));
    for (size_t i = 0; i < actual.size(); ++i) {
      // exp is clamped at 88, so that silu(x) of a huge negative x is x / exp(88) instead of 0.
      const float clamped = std::max(0.0F, -gate[i]) * 0x1p-126F;
      EXPECT_NEAR(actual[i], expected[i], 1e-6F * std::abs(expected[i]) + clamped) << kernels->name;
    }
  }
}

}  // namespace
}  // namespace mimo

#include "train/bf16_gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "base/number_formats.h"

namespace mimo {
namespace {

std::vector<float> RandomFloats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// rows, columns, depth: whole tiles, parts of tiles, odd depths, and more than one block of each.
class Bf16GemmTest : public testing::TestWithParam<std::tuple<int64_t, int64_t, int64_t>> {};

TEST_P(Bf16GemmTest, MultipliesRoundedElementsInEveryLayout) {
  if (!Bf16GemmSupported()) GTEST_SKIP() << "this machine has no AVX512-BF16";
  const auto [rows, columns, depth] = GetParam();
  const std::vector<float> a = RandomFloats(rows * depth, 1);
  const std::vector<float> b = RandomFloats(depth * columns, 2);
  for (const bool a_by_rows : {true, false}) {
    for (const bool b_by_rows : {true, false}) {
      for (const GemmOutput output : {GemmOutput::kOverwrite, GemmOutput::kAdd}) {
        const int64_t c_stride = columns + 3;
        std::vector<float> c(static_cast<size_t>(rows * c_stride), 7.0F);
        const Bf16GemmArgs args = {.a = {a.data(), a_by_rows ? depth : 1, a_by_rows ? 1 : rows},
                                   .b = {b.data(), b_by_rows ? columns : 1, b_by_rows ? 1 : depth},
                                   .c = c.data(),
                                   .c_stride = c_stride,
                                   .rows = rows,
                                   .columns = columns,
                                   .depth = depth,
                                   .output = output};
        Bf16Gemm(args);
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t column = 0; column < c_stride; ++column) {
            double sum = output == GemmOutput::kAdd || column >= columns ? 7.0 : 0.0;
            double size = 1.0;
            for (int64_t k = 0; column < columns && k < depth; ++k) {
              const float x = args.a.data[row * args.a.row_stride + k * args.a.column_stride];
              const float y = args.b.data[k * args.b.row_stride + column * args.b.column_stride];
              const double product = double{ToFloat(ToBf16(x))} * double{ToFloat(ToBf16(y))};
              sum += product;
              size += std::abs(product);
            }
            // Only the float32 sums round.
            ASSERT_NEAR(c[static_cast<size_t>(row * c_stride + column)], sum, 1e-6 * size)
                << row << ", " << column << " by rows: " << a_by_rows << b_by_rows;
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Bf16GemmTest,
                         testing::Values(std::tuple{1, 1, 1}, std::tuple{12, 32, 64}, std::tuple{13, 17, 3},
                                         std::tuple{5, 16, 31}, std::tuple{29, 50, 33},
                                         std::tuple{250, 20, 8}, std::tuple{3, 530, 5},
                                         std::tuple{7, 9, 1030}));

}  // namespace
}  // namespace mimo

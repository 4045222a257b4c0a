// Every type against the numbers that another program reads from the same bytes.

#include "kernels/dequantize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/codebooks.h"
#include "kernels/kernels_testutil.h"

namespace mimo {
namespace {

std::string ReadGolden(const std::string& name) {
  std::ifstream file(MIMO_SOURCE_DIR "/tests/golden/gguf_types/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<WeightType> TypesOfGguf() {
  std::vector<WeightType> types = {WeightType::kF16, WeightType::kBf16};
  for (uint32_t i = 0; i < kNumWeightTypes; ++i) {
    if (IsBlockType(static_cast<WeightType>(i))) types.push_back(static_cast<WeightType>(i));
  }
  return types;
}

// One row of `columns` columns behind the bytes.
MatrixView OneRow(WeightType type, const std::string& bytes, uint32_t columns) {
  MatrixView view;
  view.type = type;
  view.rows = 1;
  view.cols = columns;
  view.data = reinterpret_cast<const std::byte*>(bytes.data());
  view.row_bytes = bytes.size();
  return view;
}

TEST(Dequantize, ReadsTheSameNumbersAsTheReferenceDecoderInEveryType) {
  for (const WeightType type : TypesOfGguf()) {
    const std::string name = WeightTypeName(type);
    const std::string blocks = std::string(1, ' ').append(ReadGolden(name + ".blocks"));  // at an odd address
    const std::string numbers = ReadGolden(name + ".f32");
    std::vector<float> expected(numbers.size() / sizeof(float));
    std::memcpy(expected.data(), numbers.data(), numbers.size());
    ASSERT_GE(expected.size(), 64U) << name;
    MatrixView view = OneRow(type, blocks, static_cast<uint32_t>(expected.size()));
    view.data += 1;
    view.row_bytes -= 1;
    ASSERT_EQ(view.row_bytes, RowBytes(type, view.cols)) << name;
    std::vector<float> actual(expected.size());
    DequantizeRow(view, 0, actual.data());
    // Equal as numbers: E2M1 has a negative zero, which the reference decoder reads as a positive one.
    EXPECT_EQ(actual, expected) << name;
  }
}

TEST(Dequantize, APartOfARowIsThatPartOfTheWholeRow) {
  std::mt19937_64 random(1);
  for (const WeightType type : TypesOfGguf()) {
    const uint32_t cols = 2 * kBlockColumnsMax;
    const RandomMatrix matrix(type, 3, cols, random);
    std::vector<float> row(cols);
    DequantizeRow(matrix.view(), 2, row.data());
    for (int i = 0; i < 20; ++i) {
      const auto begin = static_cast<uint32_t>(random() % cols);
      const uint32_t end = begin + static_cast<uint32_t>(random() % (cols - begin + 1));
      std::vector<float> part(end - begin);
      DequantizeColumns(matrix.view(), 2, {begin, end}, part.data());
      EXPECT_TRUE(std::equal(part.begin(), part.end(), row.begin() + begin)) << WeightTypeName(type);
    }
  }
}

TEST(Dequantize, MultipliesNvFp4ByTheScaleOfTheTensor) {
  std::mt19937_64 random(2);
  const RandomMatrix matrix(WeightType::kNvFp4, 1, 128, random);
  std::vector<float> plain(128);
  DequantizeRow(matrix.view(), 0, plain.data());
  const float scale = 0.375F;
  MatrixView scaled = matrix.view();
  scaled.scales = reinterpret_cast<const std::byte*>(&scale);
  std::vector<float> actual(128);
  DequantizeRow(scaled, 0, actual.data());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(actual[i], plain[i] * scale);
}

// FNV-1a of all values of a codebook, in order.
template <size_t kValues>
uint64_t Hash(std::span<const uint16_t> entries, const std::array<int8_t, kValues>& values) {
  constexpr uint32_t kBits = kValues == 8 ? 3 : 2;
  constexpr uint32_t kColumns = kValues == 8 ? 4 : 8;
  uint64_t hash = 0xcbf29ce484222325U;
  for (const uint32_t entry : entries) {
    for (uint32_t j = 0; j < kColumns; ++j) {
      hash = (hash ^ static_cast<uint8_t>(values[entry >> (j * kBits) & (kValues - 1)])) * 0x100000001b3U;
    }
  }
  return hash;
}

TEST(Codebooks, HoldTheValuesOfTheFormat) {
  std::map<std::string, uint64_t> expected;
  std::istringstream lines(ReadGolden("codebooks.txt"));
  for (std::string name, hash; lines >> name >> hash;) expected[name] = std::stoull(hash, nullptr, 16);
  const std::map<std::string, uint64_t> actual = {
      {"Iq3S", Hash(kIq3SCodebook, kIq3SValues)},    {"Iq3Xxs", Hash(kIq3XxsCodebook, kIq3XxsValues)},
      {"Iq2S", Hash(kIq2SCodebook, kIq2Values)},     {"Iq2Xs", Hash(kIq2XsCodebook, kIq2Values)},
      {"Iq2Xxs", Hash(kIq2XxsCodebook, kIq2Values)}, {"Iq1", Hash(kIq1Codebook, kIq1Values)},
  };
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace mimo

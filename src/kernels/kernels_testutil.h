#pragma once
// Random weight matrices in every stored type and their inputs, for the tests and benchmarks of kernels/.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/number_formats.h"
#include "kernels/block_layouts.h"
#include "kernels/kernels.h"
#include "kernels/matrix_view.h"
#include "kernels/weight_panels.h"

namespace mimo {

// Owns the bytes behind a MatrixView. Data begin at an odd address, as they may in a safetensors file.
class RandomMatrix {
 public:
  RandomMatrix(WeightType type, uint32_t rows, uint32_t cols, std::mt19937_64& random) {
    view_.type = type;
    view_.rows = rows;
    view_.cols = cols;
    view_.row_bytes = RowBytes(type, cols);
    data_.resize(1 + view_.row_bytes * rows);
    view_.data = data_.data() + 1;
    if (type == WeightType::kFp8E4M3 || type == WeightType::kMxFp4) {
      FillCodes(random);
    } else if (IsBlockType(type)) {
      FillBlocks(random);
    } else {
      FillNumbers(random);
    }
  }

  const MatrixView& view() const { return view_; }

 private:
  void FillNumbers(std::mt19937_64& random) {
    std::normal_distribution<float> normal(0.0F, 0.3F);
    for (size_t i = 0; i < size_t{view_.rows} * view_.cols; ++i) {
      const float value = normal(random);
      const Bf16 bf16 = ToBf16(value);
      const Fp16 fp16 = ToFp16(value);
      std::byte* const at = data_.data() + 1;
      if (view_.type == WeightType::kF32) std::memcpy(at + i * 4, &value, 4);
      if (view_.type == WeightType::kBf16) std::memcpy(at + i * 2, &bf16, 2);
      if (view_.type == WeightType::kF16) std::memcpy(at + i * 2, &fp16, 2);
    }
  }

  // Every code that is a number, subnormals included; FP8 scale grids of one or two chunks.
  void FillCodes(std::mt19937_64& random) {
    const bool fp8 = view_.type == WeightType::kFp8E4M3;
    for (std::byte& code : data_) {
      do code = static_cast<std::byte>(random());
      while (fp8 && (static_cast<uint8_t>(code) & 0x7fU) == 0x7fU);
    }
    if (!fp8) {
      scales_.resize(1 + size_t{view_.rows} * (view_.cols / kMxFp4BlockSize));
      for (std::byte& scale : scales_) scale = static_cast<std::byte>(118 + random() % 8);
    } else {
      view_.rows_per_chunk = view_.rows % 2 == 0 ? view_.rows / 2 : view_.rows;
      const uint32_t chunks = view_.rows / view_.rows_per_chunk;
      const uint32_t scale_rows = chunks * ((view_.rows_per_chunk + kFp8BlockSize - 1) / kFp8BlockSize);
      const uint32_t scale_cols = (view_.cols + kFp8BlockSize - 1) / kFp8BlockSize;
      scales_.resize(1 + size_t{scale_rows} * scale_cols * sizeof(float));
      std::uniform_real_distribution<float> uniform(0.0005F, 0.005F);
      for (size_t i = 0; i < size_t{scale_rows} * scale_cols; ++i) {
        const float scale = uniform(random);
        std::memcpy(scales_.data() + 1 + i * sizeof(float), &scale, sizeof(float));
      }
    }
    view_.scales = scales_.data() + 1;
  }

  // Every code and quantised scale; float16 scales of both signs down to subnormals.
  void FillBlocks(std::mt19937_64& random) {
    for (std::byte& code : data_) code = static_cast<std::byte>(random());
    for (size_t at = 1; at < data_.size(); at += GeometryOf(view_.type).bytes) {
      FillScales(random, data_.data() + at);
    }
  }

  void FillScales(std::mt19937_64& random, std::byte* block) const {
    switch (view_.type) {
      case WeightType::kQ41:
      case WeightType::kQ51:
      case WeightType::kQ4K:
      case WeightType::kQ5K:
        FillHalf(random, block + 2);
        return FillHalf(random, block);
      case WeightType::kQ2K:
        FillHalf(random, block + offsetof(BlockQ2K, minimum));
        return FillHalf(random, block + offsetof(BlockQ2K, scale));
      case WeightType::kQ3K:
        return FillHalf(random, block + offsetof(BlockQ3K, scale));
      case WeightType::kQ6K:
        return FillHalf(random, block + offsetof(BlockQ6K, scale));
      case WeightType::kIq1M:
        block[sizeof(BlockIq1M) - 1] &= std::byte{0xbf};  // the upper exponent bit of the spread scale
        return;
      case WeightType::kMxFp4Block:
        block[0] = static_cast<std::byte>(118 + random() % 8);
        return;
      case WeightType::kNvFp4:
        for (size_t i = 0; i < sizeof(BlockNvFp4::scales); ++i) block[i] &= std::byte{0x3f};
        return;
      default:
        return FillHalf(random, block);
    }
  }

  static void FillHalf(std::mt19937_64& random, std::byte* at) {
    std::normal_distribution<float> normal(0.0F, 0.003F);
    const Fp16 half = ToFp16(random() % 8 == 0 ? 0x1p-20F : normal(random));
    std::memcpy(at, &half, sizeof(half));
  }

  MatrixView view_;
  std::vector<std::byte> data_;
  std::vector<std::byte> scales_;
};

inline std::vector<float> RandomFloats(size_t count, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Memory that begins at a cache line.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t size) : lines_((size + sizeof(Line) - 1) / sizeof(Line)) {}
  std::byte* data() { return lines_.data()->bytes; }

 private:
  struct alignas(64) Line {
    std::byte bytes[64] = {};
  };
  std::vector<Line> lines_;
};

// A matrix in panels, with the memory behind it.
class Panels {
 public:
  explicit Panels(const MatrixView& rows)
      : memory_(NumPanels(rows.rows) * PanelBytes(rows.type, rows.cols)),
        view_(PanelView(rows, memory_.data())) {
    for (uint32_t i = 0; i < NumPanels(rows.rows); ++i) {
      PackPanel(rows, i * kPanelRows, memory_.data() + i * view_.row_bytes);
    }
  }
  const MatrixView& view() const { return view_; }

 private:
  AlignedBytes memory_;
  MatrixView view_;
};

// Rows of one form, with the memory behind them; by the plain twin if `kernels` is null.
class QuantizedRows {
 public:
  QuantizedRows(const std::vector<float>& values, uint32_t num_rows, RowForm form, const Kernels* kernels)
      : cols_(static_cast<uint32_t>(values.size()) / num_rows), memory_(num_rows * QuantizedRowBytes(cols_)) {
    for (uint32_t i = 0; i < num_rows; ++i) {
      rows_.push_back(QuantizedRowAt(memory_.data() + i * QuantizedRowBytes(cols_), cols_));
      const float* const x = values.data() + size_t{i} * cols_;
      kernels == nullptr ? QuantizeRowReference(x, cols_, form, rows_.back())
                         : kernels->quantize_row(x, cols_, form, rows_.back());
    }
  }
  const std::vector<QuantizedRow>& rows() const { return rows_; }

 private:
  uint32_t cols_;
  AlignedBytes memory_;
  std::vector<QuantizedRow> rows_;
};

}  // namespace mimo

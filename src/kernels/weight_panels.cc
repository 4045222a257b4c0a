#include "kernels/weight_panels.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "kernels/block_layouts.h"

namespace mimo {
namespace {

constexpr size_t kLineBytes = 64;

// The blocks of sixteen rows at the same columns.
using SixteenBlocks = std::array<const std::byte*, kPanelRows>;

// Word r of line i = word i of row r's block, from byte `offset` of the block on.
void WriteLines(const SixteenBlocks& blocks, size_t offset, size_t num_lines, std::byte* lines,
                size_t distance = kLineBytes) {
  for (size_t row = 0; row < kPanelRows; ++row) {
    const std::byte* const from = blocks[row] + offset;
    for (size_t i = 0; i < num_lines; ++i) std::memcpy(lines + i * distance + row * 4, from + i * 4, 4);
  }
}

// Lines of upper bits and of codes in turn: both are read together.
void WriteInTurn(const SixteenBlocks& blocks, size_t upper, size_t codes, size_t num_lines,
                 std::byte* lines) {
  WriteLines(blocks, upper, num_lines, lines, 2 * kLineBytes);
  WriteLines(blocks, codes, num_lines, lines + kLineBytes, 2 * kLineBytes);
}

void WriteHalves(const SixteenBlocks& blocks, size_t offset, std::byte* out) {
  for (size_t row = 0; row < kPanelRows; ++row) std::memcpy(out + row * 2, blocks[row] + offset, 2);
}

void WriteBytes(const SixteenBlocks& blocks, size_t offset, std::byte* out) {
  for (size_t row = 0; row < kPanelRows; ++row) out[row] = blocks[row][offset];
}

// Two float16 of each row: one line.
void WriteScaleAndMinimum(const SixteenBlocks& blocks, size_t scale, size_t minimum, std::byte* line) {
  WriteHalves(blocks, scale, line);
  WriteHalves(blocks, minimum, line + kLineBytes / 2);
}

// Exchanges the two middle bytes of every word: masked with 0x00ff00ff, a word then gives its first two small
// numbers as a pair of 16 bits, and shifted by eight bits its last two.
void SwapMiddleBytes(std::byte* lines, size_t num_lines) {
  for (size_t i = 0; i < num_lines * kLineBytes; i += 4) std::swap(lines[i + 1], lines[i + 2]);
}

// The fifth bit of column c goes to bit c / 4 of byte c % 4.
void WriteFifthBits(const SixteenBlocks& blocks, size_t offset, std::byte* line) {
  for (size_t row = 0; row < kPanelRows; ++row) {
    uint32_t bits;
    std::memcpy(&bits, blocks[row] + offset, sizeof(bits));
    uint32_t moved = 0;
    for (uint32_t c = 0; c < 32; ++c) moved |= (bits >> c & 1) << (c % 4 * 8 + c / 4);
    std::memcpy(line + row * 4, &moved, sizeof(moved));
  }
}

// Neighbouring columns share a byte: they are moved to where q4_0 has them.
void WritePairedNibbles(const SixteenBlocks& blocks, std::byte* lines) {
  const auto nibble = [](const std::byte* codes, uint32_t c) {
    return static_cast<uint8_t>(codes[c / 2]) >> (c % 2 * 4) & 15;
  };
  for (uint32_t row = 0; row < kPanelRows; ++row) {
    for (uint32_t c = 0; c < 16; ++c) {
      const int both = nibble(blocks[row], c) | nibble(blocks[row], c + 16) << 4;
      lines[c / 4 * kLineBytes + row * 4 + c % 4] = static_cast<std::byte>(both);
    }
  }
}

// Blocks of 32 columns. Lead: the scale, unless there is a minimum, too. Lines: [scale and minimum] where
// there is one, codes, [fifth bits].
void PackBlock32(WeightType type, const SixteenBlocks& blocks, std::byte* lead, std::byte* out) {
  switch (type) {
    case WeightType::kQ80:
      WriteLines(blocks, offsetof(BlockQ80, codes), 8, out);
      for (size_t i = 0; i < 8 * kLineBytes; ++i) out[i] ^= std::byte{0x80};
      return WriteHalves(blocks, offsetof(BlockQ80, scale), lead);
    case WeightType::kQ40:
      WriteLines(blocks, offsetof(BlockQ40, codes), 4, out);
      return WriteHalves(blocks, offsetof(BlockQ40, scale), lead);
    case WeightType::kIq4Nl:
      WriteLines(blocks, offsetof(BlockIq4Nl, codes), 4, out);
      return WriteHalves(blocks, offsetof(BlockIq4Nl, scale), lead);
    case WeightType::kMxFp4Block:
      WriteLines(blocks, offsetof(BlockMxFp4, codes), 4, out);
      return WriteBytes(blocks, offsetof(BlockMxFp4, scale), lead);
    case WeightType::kQ50:
      WriteFifthBits(blocks, offsetof(BlockQ50, high_bits), out);
      WriteLines(blocks, offsetof(BlockQ50, codes), 4, out + kLineBytes);
      return WriteHalves(blocks, offsetof(BlockQ50, scale), lead);
    case WeightType::kQ41:
      WriteScaleAndMinimum(blocks, offsetof(BlockQ41, scale), offsetof(BlockQ41, minimum), out);
      return WriteLines(blocks, offsetof(BlockQ41, codes), 4, out + kLineBytes);
    case WeightType::kQ51:
      WriteScaleAndMinimum(blocks, offsetof(BlockQ51, scale), offsetof(BlockQ51, minimum), out);
      WriteFifthBits(blocks, offsetof(BlockQ51, high_bits), out + kLineBytes);
      return WriteLines(blocks, offsetof(BlockQ51, codes), 4, out + 2 * kLineBytes);
    default:
      MIMO_CHECK(false);
  }
}

// Blocks of 256 columns. Lead: the scale, unless it fills a line with another number. Lines: [scale and
// minimum], scales of the sub-blocks, [high bits], codes.
void PackBlock256(WeightType type, const SixteenBlocks& blocks, std::byte* lead, std::byte* out) {
  switch (type) {
    case WeightType::kQ2K:
      WriteScaleAndMinimum(blocks, offsetof(BlockQ2K, scale), offsetof(BlockQ2K, minimum), out);
      WriteLines(blocks, offsetof(BlockQ2K, scales), 4, out + kLineBytes);
      SwapMiddleBytes(out + kLineBytes, 4);
      return WriteLines(blocks, offsetof(BlockQ2K, codes), 16, out + 5 * kLineBytes);
    case WeightType::kQ3K:
      WriteLines(blocks, offsetof(BlockQ3K, scales), 3, out);
      WriteInTurn(blocks, offsetof(BlockQ3K, high_bits), offsetof(BlockQ3K, codes), 8, out + 3 * kLineBytes);
      WriteLines(blocks, offsetof(BlockQ3K, codes) + 32, 8, out + 19 * kLineBytes);
      return WriteHalves(blocks, offsetof(BlockQ3K, scale), lead);
    case WeightType::kQ4K:
      WriteScaleAndMinimum(blocks, offsetof(BlockQ4K, scale), offsetof(BlockQ4K, minimum), out);
      WriteLines(blocks, offsetof(BlockQ4K, scales), 3, out + kLineBytes);
      SwapMiddleBytes(out + kLineBytes, 3);
      return WriteLines(blocks, offsetof(BlockQ4K, codes), 32, out + 4 * kLineBytes);
    case WeightType::kQ5K:
      WriteScaleAndMinimum(blocks, offsetof(BlockQ5K, scale), offsetof(BlockQ5K, minimum), out);
      WriteLines(blocks, offsetof(BlockQ5K, scales), 3, out + kLineBytes);
      SwapMiddleBytes(out + kLineBytes, 3);
      WriteInTurn(blocks, offsetof(BlockQ5K, high_bits), offsetof(BlockQ5K, codes), 8, out + 4 * kLineBytes);
      return WriteLines(blocks, offsetof(BlockQ5K, codes) + 32, 24, out + 20 * kLineBytes);
    case WeightType::kQ6K:
      WriteLines(blocks, offsetof(BlockQ6K, scales), 4, out);
      for (size_t half = 0; half < 2; ++half) {
        const size_t upper = offsetof(BlockQ6K, high_bits) + half * 32;
        const size_t codes = offsetof(BlockQ6K, codes) + half * 64;
        WriteInTurn(blocks, upper, codes, 8, out + (4 + half * 24) * kLineBytes);
        WriteLines(blocks, codes + 32, 8, out + (20 + half * 24) * kLineBytes);
      }
      return WriteHalves(blocks, offsetof(BlockQ6K, scale), lead);
    case WeightType::kIq4Xs:
      WriteScaleAndMinimum(blocks, offsetof(BlockIq4Xs, scale), offsetof(BlockIq4Xs, scales_high), out);
      WriteLines(blocks, offsetof(BlockIq4Xs, scales_low), 1, out + kLineBytes);
      return WriteLines(blocks, offsetof(BlockIq4Xs, codes), 32, out + 2 * kLineBytes);
    default:
      MIMO_CHECK(false);
  }
}

constexpr std::array<std::byte, 256> kZeroBlock = {};

SixteenBlocks BlocksAt(const MatrixView& rows, uint32_t first_row, size_t offset) {
  SixteenBlocks blocks;
  for (uint32_t i = 0; i < kPanelRows; ++i) {
    const bool exists = first_row + i < rows.rows;
    blocks[i] = exists ? rows.data + (first_row + i) * rows.row_bytes + offset : kZeroBlock.data();
  }
  return blocks;
}

void WriteSeparateScales(const MatrixView& rows, uint32_t first_row, uint32_t block, std::byte* lead) {
  for (uint32_t i = 0; i < kPanelRows; ++i) {
    const size_t row = first_row + i;
    lead[i] = row < rows.rows ? rows.scales[row * (rows.cols / 32) + block] : std::byte{0};
  }
}

}  // namespace

bool HasPanels(WeightType type) {
  switch (type) {
    case WeightType::kMxFp4:
    case WeightType::kMxFp4Block:
    case WeightType::kQ80:
    case WeightType::kQ40:
    case WeightType::kQ41:
    case WeightType::kQ50:
    case WeightType::kQ51:
    case WeightType::kQ2K:
    case WeightType::kQ3K:
    case WeightType::kQ4K:
    case WeightType::kQ5K:
    case WeightType::kQ6K:
    case WeightType::kIq4Nl:
    case WeightType::kIq4Xs:
      return true;
    default:
      return false;
  }
}

size_t PanelBytes(WeightType type, uint32_t cols) {
  return size_t{cols / GeometryOf(type).columns} * PanelBlockBytes(type);
}

void PackPanel(const MatrixView& rows, uint32_t first_row, std::byte* panel) {
  MIMO_CHECK(rows.layout == WeightLayout::kRows && HasPanels(rows.type));
  const BlockGeometry& geometry = GeometryOf(rows.type);
  for (uint32_t b = 0; b < rows.cols / geometry.columns; ++b) {
    const SixteenBlocks blocks = BlocksAt(rows, first_row, size_t{b} * geometry.bytes);
    std::byte* const lead = panel + size_t{b} * PanelBlockBytes(rows.type);
    std::byte* const lines = lead + PanelLeadBytes(rows.type);
    if (rows.type == WeightType::kMxFp4) {
      WriteSeparateScales(rows, first_row, b, lead);
      WritePairedNibbles(blocks, lines);
    } else if (geometry.columns == 32) {
      PackBlock32(rows.type, blocks, lead, lines);
    } else {
      PackBlock256(rows.type, blocks, lead, lines);
    }
  }
}

MatrixView PanelView(const MatrixView& rows, const std::byte* panels) {
  MatrixView view = rows;
  view.layout = WeightLayout::kPanels;
  view.data = panels;
  view.row_bytes = PanelBytes(rows.type, rows.cols);
  view.scales = nullptr;
  return view;
}

}  // namespace mimo

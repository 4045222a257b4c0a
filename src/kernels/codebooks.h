#pragma once
// The generated codebooks of ggml's i-quants, which are part of the file format: an index in a block stands
// for the values of a whole group of columns. Entries are packed: an entry of the 2-bit books holds 8 values
// of 2 bits, one of the 3-bit books 4 values of 3 bits, the first in the lowest bits.

#include <array>
#include <cstdint>

namespace mimo {

extern const std::array<uint16_t, 512> kIq3SCodebook;
extern const std::array<uint16_t, 256> kIq3XxsCodebook;
extern const std::array<uint16_t, 1024> kIq2SCodebook;
extern const std::array<uint16_t, 512> kIq2XsCodebook;
extern const std::array<uint16_t, 256> kIq2XxsCodebook;
extern const std::array<uint16_t, 2048> kIq1Codebook;  // iq1_s and iq1_m

// What the bits of an entry stand for.
constexpr std::array<int8_t, 8> kIq3SValues = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr std::array<int8_t, 8> kIq3XxsValues = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr std::array<int8_t, 4> kIq2Values = {8, 25, 43, 0};  // all iq2; no entry has the last one
constexpr std::array<int8_t, 4> kIq1Values = {-1, 0, 1, 0};   // likewise

}  // namespace mimo

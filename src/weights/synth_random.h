#pragma once
// Random weights as a pure function of (seed, tensor, element), so that any thread can write any piece.
//
// An element takes 16 of the 64 bits that a counter-based generator gives to its group of four, and looks its
// value up in a table of 65536 quantiles. That is about as fast as memory is written, and the distribution is
// a parameter instead of code.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "weights/checkpoint.h"

namespace mimo {

struct SynthDistribution {
  float mean = 0;
  float standard_deviation = 1;
};

// What to write into one stored tensor.
enum class SynthElement : uint8_t {
  kValue,       // the number itself in its type; FP8, MXFP4 and Q8_0 codes have a fixed spread of their own
  kFp8Scale,    // float32 factors that give FP8 codes the distribution
  kMxFp4Scale,  // E8M0 bytes that give MXFP4 codes about the distribution
  kQ80Scale     // float16 factors that give Q8_0 codes the distribution; not a tensor of their own
};

struct SynthStream {
  uint64_t key = 0;
  StoredType type = StoredType::kF32;
  SynthElement element = SynthElement::kValue;
  SynthDistribution distribution;
};

// The key of the tensor `name` under `seed`.
uint64_t SynthKey(uint64_t seed, std::string_view name);

// Owns the tables, one per type and distribution. Prepare is not thread-safe; Fill is.
class SynthGenerator {
 public:
  SynthGenerator();

  // Builds the table that Fill needs for such a stream.
  void Prepare(const SynthStream& stream);

  // Writes elements first_element ... to `out`. An element of kU8 values is a byte of two MXFP4 codes;
  // kQ80 values come in whole blocks with their scales.
  // Requires: Prepare(stream) was called, first_element is a multiple of 4.
  void Fill(const SynthStream& stream, uint64_t first_element, std::span<std::byte> out) const;

 private:
  using TableKey = std::tuple<StoredType, SynthElement, float, float>;
  void FillBlocks(const SynthStream& stream, uint64_t first_element, std::span<std::byte> out) const;
  static TableKey KeyOf(const SynthStream& stream);
  std::vector<std::byte> MakeTable(const SynthStream& stream) const;

  std::vector<float> quantiles_;  // [65536] of N(0, 1)
  std::map<TableKey, std::vector<std::byte>> tables_;
};

}  // namespace mimo

#include "weights/synth_random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "base/check.h"
#include "base/mix_bits.h"
#include "base/number_formats.h"
#include "kernels/matrix_view.h"
#include "weights/safetensors_writer.h"

namespace mimo {
namespace {

constexpr uint32_t kTableSize = 65536;

// Codes of FP8 weights are N(0, kFp8Spread) before rounding; the outermost quantile is 4.33 deviations out,
// just inside the largest code 448.
constexpr float kFp8Spread = 448.0F / 4.4F;
// MXFP4 codes are N(0, 2), clipped at 6.
constexpr float kMxFp4Spread = 2.0F;

// Q8_0 codes are N(0, kQ80Spread) before rounding, so that the outermost is just inside 127.
constexpr float kQ80Spread = 127.0F / 4.4F;
// Makes the key of the scales of a Q8_0 tensor from the key of its codes.
constexpr uint64_t kQ80ScaleKey = 0xd1b54a32d192ed03U;

// The middle of each of 65536 equally likely slices of N(0, 1), by Newton's method from slice to slice.
std::vector<float> NormalQuantiles() {
  std::vector<float> quantiles(kTableSize);
  double x = 0;
  for (uint32_t i = kTableSize / 2; i < kTableSize; ++i) {
    const double upper_tail = 1.0 - (i + 0.5) / kTableSize;
    for (int step = 0; step < 4; ++step) {
      const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
      x += (0.5 * std::erfc(x / std::numbers::sqrt2) - upper_tail) / density;
    }
    // Rounded, so that a C library whose exp differs in the last bit still gives the same checkpoint.
    const auto value = static_cast<float>(std::nearbyint(x * 16384) / 16384);
    quantiles[i] = value;
    quantiles[kTableSize - 1 - i] = -value;
  }
  return quantiles;
}

// The code in [0, num_codes) whose magnitude is nearest, with the sign at `sign_bit`.
template <typename Decode>
uint8_t NearestCode(float value, uint32_t num_codes, Decode decode) {
  uint32_t best = 0;
  float best_distance = std::numeric_limits<float>::infinity();
  for (uint32_t code = 0; code < num_codes; ++code) {
    const float distance = std::fabs(decode(static_cast<uint8_t>(code)) - std::fabs(value));
    if (distance >= best_distance) break;  // magnitudes ascend
    best = code;
    best_distance = distance;
  }
  return static_cast<uint8_t>(value < 0 ? best + num_codes : best);
}

uint8_t Fp8Code(float value) {
  const uint8_t code = NearestCode(value, 0x7f, Fp8E4M3ToFloat);
  return static_cast<uint8_t>(value < 0 ? code + 1 : code);  // 0x7f is NaN, so the sign adds 0x80
}

template <typename T>
void StoreAt(std::vector<std::byte>& table, uint32_t index, T value) {
  std::memcpy(table.data() + index * sizeof(T), &value, sizeof(T));
}

// The exponent e with 2^e nearest to `value` on a logarithmic scale.
int NearestExponent(float value) {
  const int exponent = std::ilogb(value);
  return std::scalbn(value, -exponent) > std::numbers::sqrt2_v<float> ? exponent + 1 : exponent;
}

template <typename T>
void FillFrom(const std::vector<std::byte>& table, uint64_t key, uint64_t first_element,
              std::span<std::byte> out) {
  const auto* const values = reinterpret_cast<const T*>(table.data());
  const size_t count = out.size() / sizeof(T);
  uint64_t group = first_element / 4;
  const auto next_group = [&](T* four) {
    const uint64_t bits = MixBits(key + ++group * kGoldenGamma);
    four[0] = values[bits & 0xffffU];
    four[1] = values[(bits >> 16) & 0xffffU];
    four[2] = values[(bits >> 32) & 0xffffU];
    four[3] = values[bits >> 48];
  };
  T four[4];
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    next_group(four);
    std::memcpy(out.data() + i * sizeof(T), four, sizeof(four));
  }
  if (i == count) return;
  next_group(four);
  std::memcpy(out.data() + i * sizeof(T), four, (count - i) * sizeof(T));
}

// Bytes of what a table of such a stream lists: of Q8_0, the codes.
uint64_t EntryBytes(StoredType type) { return type == StoredType::kQ80 ? 1 : StoredTypeSize(type); }

SynthStream Q80ScaleStream(const SynthStream& codes) {
  return {MixBits(codes.key ^ kQ80ScaleKey), StoredType::kF16, SynthElement::kQ80Scale, codes.distribution};
}

}  // namespace

uint64_t SynthKey(uint64_t seed, std::string_view name) {
  uint64_t key = MixBits(seed + kGoldenGamma);
  for (const char c : name) key = MixBits(key ^ static_cast<unsigned char>(c));
  return key;
}

SynthGenerator::SynthGenerator() : quantiles_(NormalQuantiles()) {}

SynthGenerator::TableKey SynthGenerator::KeyOf(const SynthStream& stream) {
  return {stream.type, stream.element, stream.distribution.mean, stream.distribution.standard_deviation};
}

void SynthGenerator::Prepare(const SynthStream& stream) {
  std::vector<std::byte>& table = tables_[KeyOf(stream)];
  if (table.empty()) table = MakeTable(stream);
  if (stream.type == StoredType::kQ80) Prepare(Q80ScaleStream(stream));
}

std::vector<std::byte> SynthGenerator::MakeTable(const SynthStream& stream) const {
  std::vector<std::byte> table(kTableSize * EntryBytes(stream.type));
  const float mean = stream.distribution.mean;
  const float deviation = stream.distribution.standard_deviation;
  const int exponent = NearestExponent(deviation / kMxFp4Spread);
  for (uint32_t i = 0; i < kTableSize; ++i) {
    const float value = mean + quantiles_[i] * deviation;
    if (stream.element == SynthElement::kFp8Scale) {
      // Uneven on purpose: a reader that takes the wrong block's scale gets wrong logits.
      StoreAt(table, i, deviation / kFp8Spread * (0.75F + 0.5F * static_cast<float>(i) / kTableSize));
    } else if (stream.element == SynthElement::kQ80Scale) {
      StoreAt(table, i, ToFp16(deviation / kQ80Spread * (0.75F + 0.5F * static_cast<float>(i) / kTableSize)));
    } else if (stream.element == SynthElement::kMxFp4Scale) {
      constexpr int kSteps[4] = {-1, 0, 0, 1};
      StoreAt(table, i, static_cast<uint8_t>(std::clamp(127 + exponent + kSteps[i % 4], 1, 254)));
    } else if (stream.type == StoredType::kF32) {
      StoreAt(table, i, value);
    } else if (stream.type == StoredType::kBf16) {
      StoreAt(table, i, ToBf16(value));
    } else if (stream.type == StoredType::kF16) {
      StoreAt(table, i, ToFp16(value));
    } else if (stream.type == StoredType::kFp8E4M3) {
      StoreAt(table, i, Fp8Code(quantiles_[i] * kFp8Spread));
    } else if (stream.type == StoredType::kQ80) {
      StoreAt(table, i, static_cast<int8_t>(std::nearbyint(quantiles_[i] * kQ80Spread)));
    } else {
      // Two codes of 8 random bits each.
      const auto code = [this](uint32_t bits) {
        return NearestCode(quantiles_[bits * 256 + 128] * kMxFp4Spread, 8, Fp4E2M1ToFloat);
      };
      StoreAt(table, i, static_cast<uint8_t>(code(i & 0xffU) | (code(i >> 8) << 4)));
    }
  }
  return table;
}

void SynthGenerator::Fill(const SynthStream& stream, uint64_t first_element, std::span<std::byte> out) const {
  MIMO_CHECK(first_element % 4 == 0);
  if (stream.type == StoredType::kQ80) return FillBlocks(stream, first_element, out);
  const std::vector<std::byte>& table = tables_.at(KeyOf(stream));
  switch (StoredTypeSize(stream.type)) {
    case 1:
      return FillFrom<uint8_t>(table, stream.key, first_element, out);
    case 2:
      return FillFrom<uint16_t>(table, stream.key, first_element, out);
    default:
      return FillFrom<uint32_t>(table, stream.key, first_element, out);
  }
}

// A block takes a group of four from the stream of scales for its one scale.
void SynthGenerator::FillBlocks(const SynthStream& stream, uint64_t first_element,
                                std::span<std::byte> out) const {
  const SynthStream scale_stream = Q80ScaleStream(stream);
  const std::vector<std::byte>& codes = tables_.at(KeyOf(stream));
  const std::vector<std::byte>& scales = tables_.at(KeyOf(scale_stream));
  uint64_t block = first_element / kQ80BlockSize;
  for (; !out.empty(); out = out.subspan(kQ80BlockBytes), ++block) {
    FillFrom<uint16_t>(scales, scale_stream.key, 4 * block, out.first(sizeof(uint16_t)));
    FillFrom<uint8_t>(codes, stream.key, block * kQ80BlockSize, out.subspan(sizeof(uint16_t), kQ80BlockSize));
  }
}

}  // namespace mimo

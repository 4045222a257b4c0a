#include "server/opaque_text.h"

#include <array>
#include <cstdint>

namespace mimo {
namespace {

constexpr std::string_view kPrefix = "mimo1.";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNoDigit = 255;

constexpr std::array<uint8_t, 256> MakeDigitValues() {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) value = kNoDigit;
  for (uint8_t digit = 0; digit < 64; ++digit) values[static_cast<uint8_t>(kDigits[digit])] = digit;
  return values;
}
constexpr std::array<uint8_t, 256> kDigitValues = MakeDigitValues();

uint32_t Byte(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : 0U;
}

}  // namespace

std::string PackOpaqueText(std::string_view text) {
  std::string packed(kPrefix);
  packed.reserve(kPrefix.size() + (text.size() + 2) / 3 * 4);
  for (size_t at = 0; at < text.size(); at += 3) {
    const uint32_t bits = Byte(text, at) << 16 | Byte(text, at + 1) << 8 | Byte(text, at + 2);
    for (size_t digit = 0; digit < 4; ++digit) {
      const bool is_padding = at + digit > text.size();  // n bytes left fill n + 1 digits
      packed += is_padding ? '=' : kDigits[bits >> (18 - 6 * digit) & 63U];
    }
  }
  return packed;
}

std::optional<std::string> UnpackOpaqueText(std::string_view packed) {
  if (!packed.starts_with(kPrefix)) return std::nullopt;
  packed.remove_prefix(kPrefix.size());
  if (packed.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && packed.ends_with('='); ++i) packed.remove_suffix(1);
  std::string text;
  text.reserve(packed.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  uint32_t num_bits = 0;
  for (const char digit : packed) {
    const uint8_t value = kDigitValues[static_cast<uint8_t>(digit)];
    if (value == kNoDigit) return std::nullopt;
    bits = (bits << 6 | value) & 0xffffU;
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    text += static_cast<char>(bits >> num_bits & 0xffU);
  }
  // Bits beyond the last byte are zero in what PackOpaqueText writes.
  if ((bits & ((1U << num_bits) - 1U)) != 0) return std::nullopt;
  return text;
}

}  // namespace mimo

#include "text/bpe_byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace mimo {
namespace {

constexpr uint32_t kSymbolEnd = 0x100 + 68;

constexpr bool StandsForItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFF && byte != 0xAD);
}

struct Alphabet {
  std::array<uint16_t, 256> symbol{};
  std::array<int16_t, kSymbolEnd> byte{};  // -1: not a symbol
};

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte) byte = -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t symbol = StandsForItself(byte) ? byte : next++;
    alphabet.symbol[byte] = static_cast<uint16_t>(symbol);
    alphabet.byte[symbol] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();
static_assert(kAlphabet.symbol[' '] == 0x120);
static_assert(kAlphabet.symbol[0xAD] == kSymbolEnd - 1);

}  // namespace

uint32_t ByteSymbol(uint8_t byte) { return kAlphabet.symbol[byte]; }

std::optional<std::string> DecodeByteAlphabet(std::string_view symbols) {
  std::string bytes;
  bytes.reserve(symbols.size());
  for (size_t i = 0; i < symbols.size();) {
    const CodePoint symbol = DecodeUtf8(symbols, i);
    if (symbol.value >= kSymbolEnd || kAlphabet.byte[symbol.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.byte[symbol.value]));
    i += symbol.length;
  }
  return bytes;
}

std::string EncodeByteAlphabet(std::string_view bytes) {
  std::string symbols;
  symbols.reserve(bytes.size() * 2);
  for (const char c : bytes) AppendUtf8(ByteSymbol(static_cast<uint8_t>(c)), symbols);
  return symbols;
}

}  // namespace mimo

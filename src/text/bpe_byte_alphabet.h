#pragma once
// The byte alphabet of byte-level BPE: each byte as one printable character, so that tokens can be written as
// text. Printable Latin-1 stands for itself; the other 68 bytes are U+0100 and up, in ascending order.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mimo {

uint32_t ByteSymbol(uint8_t byte);

// "Ġthe" -> " the". Nothing if a character is not of the alphabet.
std::optional<std::string> DecodeByteAlphabet(std::string_view symbols);

// " the" -> "Ġthe".
std::string EncodeByteAlphabet(std::string_view bytes);

}  // namespace mimo

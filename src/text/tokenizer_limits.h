#pragma once
// What this program takes of a tokenizer file. Far above the published models (152 thousand tokens), and low
// enough that a hostile file cannot claim memory it does not itself contain.

#include <cstddef>
#include <cstdint>

namespace mimo {

inline constexpr uint32_t kVocabularySizeMax = 1 << 21;
inline constexpr size_t kAddedTokenBytesMax = 1024;

}  // namespace mimo

#pragma once

#include <cstdint>
#include <span>

namespace mimo {

// assets/qwen2_vocabulary.zst, as it is on disk; part of the program's read-only data.
std::span<const uint8_t> Qwen2VocabularyAsset();

}  // namespace mimo

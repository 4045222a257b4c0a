// The assembler copies the file: half a megabyte as a C++ array would take the compiler minutes.

#include "text/builtin_vocabulary_asset.h"

__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".globl mimo_qwen2_vocabulary_begin, mimo_qwen2_vocabulary_end\n"
    ".hidden mimo_qwen2_vocabulary_begin, mimo_qwen2_vocabulary_end\n"
    "mimo_qwen2_vocabulary_begin:\n"
    ".incbin \"" MIMO_QWEN2_VOCABULARY
    "\"\n"
    "mimo_qwen2_vocabulary_end:\n"
    ".popsection\n");

extern "C" {
extern const uint8_t mimo_qwen2_vocabulary_begin[];
extern const uint8_t mimo_qwen2_vocabulary_end[];
}

namespace mimo {

std::span<const uint8_t> Qwen2VocabularyAsset() {
  return {mimo_qwen2_vocabulary_begin, mimo_qwen2_vocabulary_end};
}

}  // namespace mimo

// The assembler copies the file: half a megabyte as a C++ array would take the compiler minutes.

#include "text/builtin_vocabulary_asset.h"

__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".globl kMimoQwen2VocabularyBegin, kMimoQwen2VocabularyEnd\n"
    ".hidden kMimoQwen2VocabularyBegin, kMimoQwen2VocabularyEnd\n"
    "kMimoQwen2VocabularyBegin:\n"
    ".incbin \"" MIMO_QWEN2_VOCABULARY
    "\"\n"
    "kMimoQwen2VocabularyEnd:\n"
    ".popsection\n");

extern "C" {
extern const uint8_t kMimoQwen2VocabularyBegin[];
extern const uint8_t kMimoQwen2VocabularyEnd[];
}

namespace mimo {

std::span<const uint8_t> Qwen2VocabularyAsset() {
  return {kMimoQwen2VocabularyBegin, kMimoQwen2VocabularyEnd};
}

}  // namespace mimo

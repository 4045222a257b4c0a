// The assembler copies the file into a section; pages that nobody reads are never loaded.

#include "weights/default_model.h"

#ifdef MIMO_DEFAULT_MODEL

// 4096: weights are made resident by pages.
__asm__(
    ".pushsection .rodata\n"
    ".balign 4096\n"
    ".globl kMimoDefaultModelBegin, kMimoDefaultModelEnd\n"
    ".hidden kMimoDefaultModelBegin, kMimoDefaultModelEnd\n"
    "kMimoDefaultModelBegin:\n"
    ".incbin \"" MIMO_DEFAULT_MODEL
    "\"\n"
    "kMimoDefaultModelEnd:\n"
    ".popsection\n");

extern "C" {
extern const std::byte kMimoDefaultModelBegin[];
extern const std::byte kMimoDefaultModelEnd[];
}

namespace mimo {

std::span<const std::byte> DefaultModelFile() { return {kMimoDefaultModelBegin, kMimoDefaultModelEnd}; }

}  // namespace mimo

#else

namespace mimo {

std::span<const std::byte> DefaultModelFile() { return {}; }

}  // namespace mimo

#endif

#pragma once
// Files inside the program. The assembler copies them: as a C++ array, half a megabyte takes the compiler
// minutes, and pages that nobody reads are never loaded.

// Defines `const type NAMEBegin[]` and `NAMEEnd[]` around the bytes of the file `path`, a string literal that
// CMake defines (with the file in OBJECT_DEPENDS). `type` is a byte: char, uint8_t or std::byte. `alignment`
// is a power of two, as a number. At namespace scope, in one .cc; names are of the whole program.
#define MIMO_EMBED_FILE(type, name, path, alignment) \
  __asm__(                                           \
      ".pushsection .rodata\n"                       \
      ".balign " #alignment                          \
      "\n"                                           \
      ".globl " #name "Begin, " #name                \
      "End\n"                                        \
      ".hidden " #name "Begin, " #name "End\n" #name \
      "Begin:\n"                                     \
      ".incbin \"" path "\"\n" #name                 \
      "End:\n"                                       \
      ".popsection\n");                              \
  extern "C" {                                       \
  extern const type name##Begin[];                   \
  extern const type name##End[];                     \
  }

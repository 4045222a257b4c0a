// The assembler copies the files, which CMake lists in language_assets.inc: adding a file to languages/ is
// all it takes.

#include "data/language_assets.h"

#define MIMO_LANGUAGE_ASSET(index, tag, path)                      \
  __asm__(                                                         \
      ".pushsection .rodata\n"                                     \
      ".globl kMimoLanguage" #index "Begin, kMimoLanguage" #index  \
      "End\n"                                                      \
      ".hidden kMimoLanguage" #index "Begin, kMimoLanguage" #index \
      "End\n"                                                      \
      "kMimoLanguage" #index                                       \
      "Begin:\n"                                                   \
      ".incbin \"" path                                            \
      "\"\n"                                                       \
      "kMimoLanguage" #index                                       \
      "End:\n"                                                     \
      ".popsection\n");                                            \
  extern "C" {                                                     \
  extern const char kMimoLanguage##index##Begin[];                 \
  extern const char kMimoLanguage##index##End[];                   \
  }
#include <language_assets.inc>  // made by CMake
#undef MIMO_LANGUAGE_ASSET

namespace mimo {

std::span<const LanguageAsset> LanguageAssets() {
#define MIMO_LANGUAGE_ASSET(index, tag, path) \
  {tag, std::string_view(kMimoLanguage##index##Begin, kMimoLanguage##index##End)},
  static const LanguageAsset assets[] = {
#include <language_assets.inc>  // made by CMake
  };
#undef MIMO_LANGUAGE_ASSET
  return assets;
}

}  // namespace mimo

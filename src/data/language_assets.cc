// CMake lists the files in language_assets.inc: adding a file to languages/ is
// all it takes.

#include "data/language_assets.h"

#include "base/embedded_file.h"

#define MIMO_LANGUAGE_ASSET(index, tag, path) MIMO_EMBED_FILE(char, kMimoLanguage##index, path, 1)
#include <language_assets.inc>  // made by CMake
#undef MIMO_LANGUAGE_ASSET

namespace mimo {

std::span<const LanguageAsset> LanguageAssets() {
#define MIMO_LANGUAGE_ASSET(index, tag, path) \
  {tag, std::string_view(kMimoLanguage##index##Begin, kMimoLanguage##index##End)},
  static const LanguageAsset kAssets[] = {
#include <language_assets.inc>  // made by CMake
  };
#undef MIMO_LANGUAGE_ASSET
  return kAssets;
}

}  // namespace mimo

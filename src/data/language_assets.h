#pragma once

#include <span>
#include <string_view>

namespace mimo {

// A file of languages/ as it was compiled in.
struct LanguageAsset {
  std::string_view tag;
  std::string_view text;
};

// Sorted by tag.
std::span<const LanguageAsset> LanguageAssets();

}  // namespace mimo

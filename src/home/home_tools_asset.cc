#include "home/home_tools_asset.h"

#include <cstddef>

__asm__(
    ".pushsection .rodata\n"
    ".globl kMimoHomeToolsBegin, kMimoHomeToolsEnd\n"
    ".hidden kMimoHomeToolsBegin, kMimoHomeToolsEnd\n"
    "kMimoHomeToolsBegin:\n"
    ".incbin \"" MIMO_HOME_TOOLS
    "\"\n"
    "kMimoHomeToolsEnd:\n"
    ".popsection\n");

extern "C" {
extern const char kMimoHomeToolsBegin[];
extern const char kMimoHomeToolsEnd[];
}

namespace mimo {

std::string_view HomeToolsAsset() {
  return {kMimoHomeToolsBegin, static_cast<size_t>(kMimoHomeToolsEnd - kMimoHomeToolsBegin)};
}

}  // namespace mimo

// The files are copied by the assembler, so that they stay files an editor understands.

#include "server/page_assets.h"

#define MIMO_EMBED(name, path)                       \
  __asm__(                                           \
      ".pushsection .rodata\n"                       \
      ".globl " #name "Begin, " #name                \
      "End\n"                                        \
      ".hidden " #name "Begin, " #name "End\n" #name \
      "Begin:\n"                                     \
      ".incbin \"" path "\"\n" #name                 \
      "End:\n"                                       \
      ".popsection\n");                              \
  extern "C" {                                       \
  extern const char name##Begin[];                   \
  extern const char name##End[];                     \
  }

MIMO_EMBED(kMimoPage, MIMO_PAGE)
MIMO_EMBED(kMimoDemoHome, MIMO_DEMO_HOME)

namespace mimo {

std::string_view PageAsset() { return {kMimoPageBegin, kMimoPageEnd}; }
std::string_view DemoHomeAsset() { return {kMimoDemoHomeBegin, kMimoDemoHomeEnd}; }

}  // namespace mimo

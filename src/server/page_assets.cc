#include "server/page_assets.h"

#include "base/embedded_file.h"

MIMO_EMBED_FILE(char, kMimoPage, MIMO_PAGE, 1)
MIMO_EMBED_FILE(char, kMimoDemoHome, MIMO_DEMO_HOME, 1)

namespace mimo {

std::string_view PageAsset() { return {kMimoPageBegin, kMimoPageEnd}; }
std::string_view DemoHomeAsset() { return {kMimoDemoHomeBegin, kMimoDemoHomeEnd}; }

}  // namespace mimo

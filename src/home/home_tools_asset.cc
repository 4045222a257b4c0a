#include "home/home_tools_asset.h"

#include "base/embedded_file.h"

MIMO_EMBED_FILE(char, kMimoHomeTools, MIMO_HOME_TOOLS, 1)

namespace mimo {

std::string_view HomeToolsAsset() { return {kMimoHomeToolsBegin, kMimoHomeToolsEnd}; }

}  // namespace mimo

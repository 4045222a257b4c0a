#include "data/chat_template_asset.h"

#include "base/embedded_file.h"

MIMO_EMBED_FILE(char, kMimoHomeChatTemplate, MIMO_HOME_CHAT_TEMPLATE, 1)

namespace mimo {

std::string_view HomeChatTemplate() { return {kMimoHomeChatTemplateBegin, kMimoHomeChatTemplateEnd}; }

}  // namespace mimo

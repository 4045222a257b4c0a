#pragma once

#include <string_view>

namespace mimo {

// assets/home_chat_template.jinja: the format of RenderConversation (V2.6's, thinking off unless asked for),
// for other programs and as the mark by which ChatTemplate::Recognize knows it.
std::string_view HomeChatTemplate();

}  // namespace mimo

// Bytes -> JSON -> Anthropic's messages -> a conversation -> its prompt.

#include <cstdlib>
#include <string_view>

#include "base/log.h"
#include "server/messages_conversation.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  SetLogLevel(LogLevel::kError);
  const Result<Json> body = ParseJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!body) return 0;
  const Result<ChatRequest> chat = ParseMessagesConversation(*body);
  if (!chat) {
    if (chat.error().message.empty()) std::abort();
    return 0;
  }
  for (const auto kind : {ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
    if (!ChatTemplate(kind).RenderPrompt(*chat)) std::abort();
  }
  return 0;
}

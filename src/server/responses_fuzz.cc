// Bytes -> JSON -> a body of the Responses API -> a conversation -> its prompt.

#include <cstdlib>
#include <string_view>

#include "base/log.h"
#include "server/responses_conversation.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  SetLogLevel(LogLevel::kError);
  const Result<Json> body = ParseJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!body || !body->is_object()) return 0;
  const Result<Json> items = ResponsesInputItems(*body, Json::array());
  if (!items) return 0;
  const Result<ResponsesConversation> conversation = ParseResponsesConversation(*body, *items);
  if (!conversation) {
    if (conversation.error().message.empty()) std::abort();
    return 0;
  }
  if (conversation->tools.size() != conversation->chat.tools.size()) std::abort();
  for (const auto kind : {ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
    if (!ChatTemplate(kind).RenderPrompt(conversation->chat)) std::abort();
  }
  return 0;
}

// Bytes -> JSON -> chat request -> every template; and the same bytes as a template text.

#include <cstdlib>
#include <string_view>

#include "base/log.h"
#include "text/chat_template.h"

namespace mimo {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void RenderAll(const ChatRequest& request) {
  for (const auto kind : {ChatTemplateKind::kMimo7B, ChatTemplateKind::kMimoV2Flash,
                          ChatTemplateKind::kMimoV25, ChatTemplateKind::kMimoV26}) {
    const Result<RenderedPrompt> prompt = ChatTemplate(kind).RenderPrompt(request);
    Require(prompt.has_value());
    size_t end = 0;
    for (const TextRange& range : prompt->plain_text_ranges) {
      Require(range.begin >= end && range.begin < range.end && range.end <= prompt->text.size());
      end = range.end;
    }
  }
}

}  // namespace
}  // namespace mimo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  SetLogLevel(LogLevel::kError);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto recognized = ChatTemplate::Recognize(text)) (void)recognized->thinking_default();
  if (const Result<Json> json = ParseJson(text)) {
    if (const Result<ChatRequest> request = ParseChatRequest(*json)) RenderAll(*request);
  }
  return 0;
}

#include "text/chat_template.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/log.h"
#include "text/chat_template_render.h"

namespace mimo {
namespace {

// Template texts differ in layout between releases and converters; white space and the kind of quote carry
// nothing that tells them apart.
std::string Squeeze(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) == 0) out += c == '"' ? '\'' : c;
  }
  return out;
}

bool Contains(std::string_view text, std::string_view mark) {
  return text.find(mark) != std::string_view::npos;
}

// Qwen2's own template knows neither tools nor thinking. It stands in tokenizer files that other models took
// over unchanged, so it says nothing about how this model was trained.
bool IsPlainChatMl(std::string_view squeezed) {
  return Contains(squeezed, "<|im_start|>") && Contains(squeezed, "<|im_end|>") &&
         !Contains(squeezed, "tool") && !Contains(squeezed, "think");
}

}  // namespace

ChatTemplate::ChatTemplate(ChatTemplateKind kind)
    : kind_(kind), thinking_default_(kind != ChatTemplateKind::kMimoV2Flash) {}

Result<ChatTemplate> ChatTemplate::Recognize(std::string_view template_text) {
  const std::string text = Squeeze(template_text);
  if (text.empty()) return ChatTemplate(ChatTemplateKind::kMimoV26);
  const std::string_view prompt_end =
      std::string_view(text).substr(std::min(text.size(), text.rfind("add_generation_prompt")));
  const bool opens_reasoning =
      Contains(prompt_end, "'<think>'") || Contains(prompt_end, "assistant\\n<think>'");
  if (Contains(text, "<tool_call><function=") && Contains(text, "Youareprovidedwiththefollowingtools:")) {
    ChatTemplate result(ChatTemplateKind::kMimoV26);
    result.thinking_default_ = !Contains(text, "ifenable_thinkingisdefinedelsefalse");
    result.opens_reasoning_ = opens_reasoning;
    return result;
  }
  if (Contains(text, "engineeredbyXiaomi") && Contains(text, "<parameter=")) {
    const bool thinks = !Contains(text, "setenable_thinking=false");
    ChatTemplate result(thinks ? ChatTemplateKind::kMimoV25 : ChatTemplateKind::kMimoV2Flash);
    result.keep_all_reasoning_default_ = !Contains(text, "setkeep_all_reasoning=false");
    result.opens_reasoning_ = opens_reasoning;
    return result;
  }
  if (Contains(text, "YouareMiMo,anAIassistantdevelopedbyXiaomi.")) {
    return ChatTemplate(ChatTemplateKind::kMimo7B);
  }
  if (IsPlainChatMl(text)) {
    LogWarning("the checkpoint carries Qwen2's plain chat template; using MiMo-V2.6's");
    return ChatTemplate(ChatTemplateKind::kMimoV26);
  }
  return Unimplemented(
      "the checkpoint's chat template is none of the known ones: MiMo-7B, MiMo-V2-Flash, MiMo-V2.5, "
      "MiMo-V2.6");
}

Result<RenderedPrompt> ChatTemplate::RenderPrompt(const ChatRequest& request) const {
  if (request.messages.empty()) return InvalidArgument("'messages' must hold at least one message");
  const RenderSwitches switches = {
      .enable_thinking = request.enable_thinking.value_or(thinking_default_),
      .keep_all_reasoning = request.keep_all_reasoning.value_or(keep_all_reasoning_default_),
      .opens_reasoning = opens_reasoning_,
  };
  PromptWriter writer;
  switch (kind_) {
    case ChatTemplateKind::kMimo7B:
      RenderMimo7B(request, &writer);
      break;
    case ChatTemplateKind::kMimoV2Flash:
    case ChatTemplateKind::kMimoV25:
      RenderMimoV25(request, switches, &writer);
      break;
    case ChatTemplateKind::kMimoV26:
      RenderMimoV26(request, switches, &writer);
      break;
  }
  return std::move(writer).Finish();
}

Result<std::string> ChatTemplate::Render(const ChatRequest& request) const {
  MIMO_ASSIGN_OR_RETURN(RenderedPrompt prompt, RenderPrompt(request));
  return std::move(prompt.text);
}

bool ChatTemplate::StartsInReasoning(const ChatRequest& request) const {
  return opens_reasoning_ && request.add_generation_prompt &&
         request.enable_thinking.value_or(thinking_default_);
}

}  // namespace mimo

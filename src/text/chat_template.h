#pragma once
// Messages -> prompt text, natively for each published MiMo template.

#include <string>
#include <string_view>

#include "base/status.h"
#include "text/chat_message.h"

namespace mimo {

enum class ChatTemplateKind {
  kMimo7B,
  kMimoV2Flash,
  kMimoV25,
  kMimoV26,
};

class ChatTemplate {
 public:
  // Recognises the checkpoint's own template text by what it prints; an empty text means the newest kind.
  // kUnimplemented for a template of another model.
  static Result<ChatTemplate> Recognize(std::string_view template_text);
  explicit ChatTemplate(ChatTemplateKind kind) : kind_(kind) {}

  ChatTemplateKind kind() const { return kind_; }
  bool thinking_default() const;

  // The prompt, special tokens spelled out; tokenise with AddedTokens::kParse.
  Result<std::string> Render(const ChatRequest& request) const;
  // What the prompt's end leaves the model in: true when the generated text begins inside a reasoning block.
  bool StartsInReasoning(const ChatRequest& request) const;

 private:
  ChatTemplateKind kind_;
};

}  // namespace mimo

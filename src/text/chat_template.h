#pragma once
// Messages -> prompt text, natively for each published MiMo template. The reference is the checkpoint's own
// Jinja text; docs/formats/chat-template.md says for each kind how far the two are compared.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "text/chat_message.h"
#include "text/text_range.h"

namespace mimo {

enum class ChatTemplateKind {
  kMimo7B,
  kMimoV2Flash,
  kMimoV25,
  kMimoV26,
};

struct RenderedPrompt {
  std::string text;
  // Spellings of control tokens ("<|im_end|>") that stand in messages or tools instead of the template:
  // ordered and disjoint. Tokenise them with AddedTokens::kPlainText and everything between them with kParse,
  // so that nobody's text can end a turn. <think>, <tool_call> and the other tags are never among them,
  // because a replayed answer must become the tokens that the model generated.
  std::vector<TextRange> plain_text_ranges;
  // Past turns of the assistant, ascending: what stands after "<|im_start|>", its <|im_end|> included. They
  // begin behind a control token because there every tokenizer has a boundary: "assistant\n<think></think>"
  // is one token of the home's model.
  std::vector<TextRange> assistant_turns;
  // Where such a turn begins that the model is to write; the end of the text without a generation prompt.
  size_t reply_begin = 0;
};

// A small value; any thread may use it.
class ChatTemplate {
 public:
  // Recognises the checkpoint's own template text by what it prints; an empty text means the newest kind, and
  // so does Qwen2's plain ChatML, which tokenizer files carry along without the model knowing it.
  // kUnimplemented for a template of another model.
  static Result<ChatTemplate> Recognize(std::string_view template_text);
  explicit ChatTemplate(ChatTemplateKind kind);

  ChatTemplateKind kind() const { return kind_; }
  bool thinking_default() const { return thinking_default_; }

  // The prompt, special tokens spelled out. kInvalidArgument when there is no message.
  Result<RenderedPrompt> RenderPrompt(const ChatRequest& request) const;
  // The text alone.
  Result<std::string> Render(const ChatRequest& request) const;
  // What the prompt's end leaves the model in: true when the generated text begins inside a reasoning block.
  // The published templates leave the opening tag to the model, edited ones may write it.
  bool StartsInReasoning(const ChatRequest& request) const;

 private:
  ChatTemplateKind kind_;
  bool thinking_default_;
  bool keep_all_reasoning_default_ = true;
  bool opens_reasoning_ = false;  // the generation prompt ends in "<think>"
};

}  // namespace mimo

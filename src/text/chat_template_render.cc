#include "text/chat_template_render.h"

#include <algorithm>
#include <array>
#include <utility>

namespace mimo {
namespace {

// The tokens that shape a conversation or stand for media: what a message must not be able to write. The tags
// <think>, <tool_call> and <tool_response> are left out on purpose (docs/decisions/0004-chat-template.md).
constexpr std::array<std::string_view, 28> kControlTokens = {
    "<|endoftext|>",        "<|im_start|>",         "<|im_end|>",         "<|object_ref_start|>",
    "<|object_ref_end|>",   "<|box_start|>",        "<|box_end|>",        "<|quad_start|>",
    "<|quad_end|>",         "<|vision_start|>",     "<|vision_end|>",     "<|vision_pad|>",
    "<|image_pad|>",        "<|video_pad|>",        "<|fim_prefix|>",     "<|fim_middle|>",
    "<|fim_suffix|>",       "<|fim_pad|>",          "<|repo_name|>",      "<|file_sep|>",
    "<|audio_pad|>",        "<|mimo_video_start|>", "<|mimo_video_end|>", "<|mimo_audio_eod|>",
    "<|mimo_audio_start|>", "<|mimo_audio_end|>",   "<|audio_start|>",    "<|audio_end|>"};

// The control tokens spelled in `text`, in order. Linear: a token is looked for only where "<|" stands.
std::vector<TextRange> FindControlTokens(std::string_view text) {
  std::vector<TextRange> ranges;
  size_t position = 0;
  while ((position = text.find("<|", position)) != std::string_view::npos) {
    const std::string_view rest = text.substr(position);
    const auto* token = std::find_if(kControlTokens.begin(), kControlTokens.end(),
                                     [&](std::string_view spelling) { return rest.starts_with(spelling); });
    if (token == kControlTokens.end()) {
      position += 2;
    } else {
      ranges.push_back({position, position + token->size()});
      position += token->size();
    }
  }
  return ranges;
}

}  // namespace

void PromptWriter::Markup(std::string_view text) {
  for (const TextRange& token : FindControlTokens(text)) markup_tokens_.push_back(text_.size() + token.begin);
  text_ += text;
}

void PromptWriter::BeginAssistantTurn() {
  Markup("<|im_start|>");
  turn_begin_ = text_.size();
  Markup("assistant");
}

void PromptWriter::EndAssistantTurn() {
  Markup("<|im_end|>");
  assistant_turns_.push_back({*turn_begin_, text_.size()});
  turn_begin_.reset();
}

RenderedPrompt PromptWriter::Finish() && {
  RenderedPrompt prompt;
  prompt.assistant_turns = std::move(assistant_turns_);
  prompt.reply_begin = turn_begin_.value_or(text_.size());
  // The whole text is searched, not each message: a name that ends in "<|im_end|" would be completed by the
  // '>' that the template writes after it.
  for (const TextRange& token : FindControlTokens(text_)) {
    if (!std::binary_search(markup_tokens_.begin(), markup_tokens_.end(), token.begin)) {
      prompt.plain_text_ranges.push_back(token);
    }
  }
  prompt.text = std::move(text_);
  return prompt;
}

std::string_view TemplateRole(const ChatMessage& message) {
  return message.role == "developer" ? std::string_view("system") : std::string_view(message.role);
}

void WriteGenerationPrompt(const RenderSwitches& switches, PromptWriter* writer) {
  writer->BeginAssistantTurn();
  writer->Markup("\n");
  if (!switches.enable_thinking) {
    writer->Markup("<think></think>");
  } else if (switches.opens_reasoning) {
    writer->Markup("<think>");
  }
}

}  // namespace mimo

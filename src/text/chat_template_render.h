#pragma once
// Internal to the chat templates: the writer they share, and one function per template.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_message.h"
#include "text/chat_template.h"

namespace mimo {

// Builds a prompt and remembers which control tokens the template itself wrote.
class PromptWriter {
 public:
  // Text of the template.
  void Markup(std::string_view text);
  // Text of messages and tools.
  void Text(std::string_view text) { text_ += text; }

  // Writes the begin of an assistant's turn, of a past one or of the reply. A past one is ended.
  void BeginAssistantTurn();
  void EndAssistantTurn();

  RenderedPrompt Finish() &&;

 private:
  std::string text_;
  std::vector<size_t> markup_tokens_;  // positions, ascending
  std::vector<TextRange> assistant_turns_;
  std::optional<size_t> turn_begin_;  // of the one that has not ended
};

struct RenderSwitches {
  bool enable_thinking = true;
  bool keep_all_reasoning = true;
  bool opens_reasoning = false;
};

// "developer" is OpenAI's newer name of the system role; no MiMo template knows it.
std::string_view TemplateRole(const ChatMessage& message);

// What V2's prompts end with: the assistant's turn, opened, and the mark of the thinking switch.
void WriteGenerationPrompt(const RenderSwitches& switches, PromptWriter* writer);

// Each requires at least one message.
void RenderMimo7B(const ChatRequest& request, PromptWriter* writer);
void RenderMimoV25(const ChatRequest& request, const RenderSwitches& switches, PromptWriter* writer);
void RenderMimoV26(const ChatRequest& request, const RenderSwitches& switches, PromptWriter* writer);

}  // namespace mimo

// MiMo-7B and MiMo-VL-7B: Qwen2.5's form, with a newline after each turn and tool calls as JSON. Thinking has
// no switch, and past reasoning is not shown to the model again.

#include "text/chat_template_render.h"
#include "text/chat_template_values.h"

namespace mimo {
namespace {

constexpr std::string_view kToolsHeading =
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
constexpr std::string_view kToolsFormat =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
    "<args-json-object>}\n</tool_call>";

void WriteSystemTurn(const ChatRequest& request, PromptWriter* writer) {
  writer->Markup("<|im_start|>system\n");
  if (TemplateRole(request.messages.front()) == "system") {
    writer->Text(request.messages.front().content);
  } else {
    writer->Markup("You are MiMo, an AI assistant developed by Xiaomi.");
  }
  if (!request.tools.empty()) {
    writer->Markup(kToolsHeading);
    for (const ToolDefinition& tool : request.tools) {
      writer->Markup("\n");
      writer->Text(PythonJson(tool.raw));
    }
    writer->Markup(kToolsFormat);
  }
  writer->Markup("<|im_end|>\n");
}

void WriteAssistantTurn(const ChatMessage& message, PromptWriter* writer) {
  writer->BeginAssistantTurn();
  if (message.tool_calls.empty() || !message.content.empty()) {
    writer->Markup("\n");
    writer->Text(message.content);
  }
  for (const ToolCall& call : message.tool_calls) {
    writer->Markup("\n<tool_call>\n{\"name\": \"");
    writer->Text(call.name);
    writer->Markup("\", \"arguments\": ");
    writer->Text(PythonJson(call.arguments));
    writer->Markup("}\n</tool_call>");
  }
  writer->EndAssistantTurn();
  writer->Markup("\n");
}

}  // namespace

void RenderMimo7B(const ChatRequest& request, PromptWriter* writer) {
  WriteSystemTurn(request, writer);
  const std::vector<ChatMessage>& messages = request.messages;
  for (size_t i = 0; i < messages.size(); ++i) {
    const ChatMessage& message = messages[i];
    const std::string_view role = TemplateRole(message);
    if (role == "assistant") {
      WriteAssistantTurn(message, writer);
    } else if (role == "tool") {
      if (i == 0 || messages[i - 1].role != "tool") writer->Markup("<|im_start|>user");
      writer->Markup("\n<tool_response>\n");
      writer->Text(message.content);
      writer->Markup("\n</tool_response>");
      if (i + 1 == messages.size() || messages[i + 1].role != "tool") writer->Markup("<|im_end|>\n");
    } else if (role == "user" || i > 0) {
      writer->Markup(role == "user" ? "<|im_start|>user\n" : "<|im_start|>system\n");
      writer->Text(message.content);
      writer->Markup("<|im_end|>\n");
    }
  }
  if (!request.add_generation_prompt) return;
  writer->BeginAssistantTurn();
  writer->Markup("\n");
}

}  // namespace mimo

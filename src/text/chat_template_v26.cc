// MiMo-V2.6: no default system text, tools as JSON in a system turn of their own, tool calls on one line.

#include "text/chat_template_render.h"
#include "text/chat_template_values.h"

namespace mimo {
namespace {

void WriteTools(const std::vector<ToolDefinition>& tools, PromptWriter* writer) {
  writer->Markup("You are provided with the following tools:\n\n<tools>");
  for (const ToolDefinition& tool : tools) {
    writer->Markup("\n");
    writer->Text(PythonJson(tool.raw));
  }
  writer->Markup("\n</tools>");
}

void WriteToolCall(const ToolCall& call, PromptWriter* writer) {
  writer->Markup("<tool_call><function=");
  writer->Text(call.name);
  writer->Markup(">");
  for (const auto& [name, value] : call.arguments.items()) {
    writer->Markup("<parameter=");
    writer->Text(name);
    writer->Markup(">");
    writer->Text(value.is_string() ? value.get<std::string>() : PythonJson(value));
    writer->Markup("</parameter>");
  }
  writer->Markup("</function></tool_call>");
}

void WriteAssistantTurn(const ChatMessage& message, PromptWriter* writer) {
  writer->BeginAssistantTurn();
  writer->Markup("\n<think>");
  if (message.reasoning_content) writer->Text(*message.reasoning_content);
  writer->Markup("</think>");
  writer->Text(message.content);
  for (const ToolCall& call : message.tool_calls) WriteToolCall(call, writer);
  writer->EndAssistantTurn();
}

}  // namespace

void RenderMimoV26(const ChatRequest& request, const RenderSwitches& switches, PromptWriter* writer) {
  if (!request.tools.empty()) {
    writer->Markup("<|im_start|>system\n");
    WriteTools(request.tools, writer);
    writer->Markup("<|im_end|>");
  }
  for (const ChatMessage& message : request.messages) {
    const std::string_view role = TemplateRole(message);
    if (role == "assistant") {
      WriteAssistantTurn(message, writer);
      continue;
    }
    writer->Markup("<|im_start|>");
    writer->Text(role);
    writer->Markup("\n");
    writer->Text(message.content);
    if (!message.tools.empty()) {
      if (!message.content.empty()) writer->Markup("\n\n");
      WriteTools(message.tools, writer);
    }
    writer->Markup("<|im_end|>");
  }
  if (request.add_generation_prompt) WriteGenerationPrompt(switches, writer);
}

}  // namespace mimo

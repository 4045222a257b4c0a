// MiMo-V2-Flash and V2.5: tools as XML inside the first system turn, tool calls over several lines.

#include <algorithm>
#include <array>
#include <span>

#include "text/chat_template_render.h"
#include "text/chat_template_values.h"

namespace mimo {
namespace {

constexpr std::string_view kDefaultSystem = "You are MiMo, a helpful AI assistant engineered by Xiaomi.";
constexpr std::string_view kToolsHeading =
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You have access to the following functions:\n\n<tools>";
constexpr std::string_view kToolsFormat =
    "\n</tools>\n\nFor each function call, output the function name and arguments in the following format:\n"
    "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>value_1</parameter>\n"
    "<parameter=example_parameter_2>This is the value for the second parameter\nthat can span\nmultiple "
    "lines</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\n- Function calls MUST follow the specified "
    "format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML "
    "tags\n"
    "- DO NOT use function calls inside <think></think> tags.\n- The value enclosed between parameter tags "
    "is "
    "preserved exactly as-is, including newlines and spaces.\n</IMPORTANT>";

// Lists and objects are JSON, everything else is what Python's str() gives.
std::string ValueText(const Json& value) {
  return value.is_structured() ? PythonJson(value) : PythonStr(value);
}

void WriteElement(std::string_view name, std::string_view value, PromptWriter* writer) {
  writer->Markup("\n<");
  writer->Text(name);
  writer->Markup(">");
  writer->Text(value);
  writer->Markup("</");
  writer->Text(name);
  writer->Markup(">");
}

void WriteOtherKeys(const Json& object, std::span<const std::string_view> written, PromptWriter* writer) {
  if (!object.is_object()) return;
  for (const auto& [key, value] : object.items()) {
    if (std::find(written.begin(), written.end(), key) == written.end()) {
      WriteElement(key, ValueText(value), writer);
    }
  }
}

void WriteParameter(const std::string& name, const Json& fields, PromptWriter* writer) {
  constexpr std::array<std::string_view, 3> kWritten = {"name", "type", "description"};
  writer->Markup("\n<parameter>");
  WriteElement("name", name, writer);
  if (fields.is_object() && fields.contains("type")) {
    WriteElement("type", PythonStr(fields["type"]), writer);
  }
  if (fields.is_object() && fields.contains("description")) {
    WriteElement("description", PythonStrip(PythonStr(fields["description"])), writer);
  }
  WriteOtherKeys(fields, kWritten, writer);
  writer->Markup("\n</parameter>");
}

void WriteTool(const ToolDefinition& tool, PromptWriter* writer) {
  constexpr std::array<std::string_view, 2> kWrittenOfParameters = {"type", "properties"};
  constexpr std::array<std::string_view, 4> kWrittenOfTool = {"type", "name", "description", "parameters"};
  const auto function = tool.raw.find("function");
  writer->Markup("\n<function>");
  WriteElement("name", tool.name, writer);
  // A null description is taken as none; Jinja would print the word None.
  if (function != tool.raw.end() && function->contains("description") &&
      !(*function)["description"].is_null()) {
    WriteElement("description", PythonStrip(tool.description), writer);
  }
  writer->Markup("\n<parameters>");
  const auto properties = tool.parameters.find("properties");
  if (properties != tool.parameters.end() && properties->is_object()) {
    for (const auto& [name, fields] : properties->items()) WriteParameter(name, fields, writer);
  }
  WriteOtherKeys(tool.parameters, kWrittenOfParameters, writer);
  writer->Markup("\n</parameters>");
  if (function != tool.raw.end()) WriteOtherKeys(*function, kWrittenOfTool, writer);
  writer->Markup("\n</function>");
}

void WriteToolCall(const ToolCall& call, PromptWriter* writer) {
  writer->Markup("<tool_call>\n<function=");
  writer->Text(call.name);
  writer->Markup(">\n");
  for (const auto& [name, value] : call.arguments.items()) {
    writer->Markup("<parameter=");
    writer->Text(name);
    writer->Markup(">");
    writer->Text(ValueText(value));
    writer->Markup("</parameter>\n");
  }
  writer->Markup("</function>\n</tool_call>");
}

void WriteAssistantTurn(const ChatMessage& message, bool keep_reasoning, PromptWriter* writer) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  std::string_view reasoning, content = message.content;
  if (message.reasoning_content) {
    reasoning = *message.reasoning_content;
  } else if (content.find(kClose) != std::string_view::npos) {
    // A client that does not separate the two sends the reasoning inside the answer.
    reasoning = content.substr(0, content.find(kClose));
    if (const size_t open = reasoning.rfind(kOpen); open != std::string_view::npos) {
      reasoning.remove_prefix(open + kOpen.size());
    }
    content.remove_prefix(content.rfind(kClose) + kClose.size());
  }
  writer->BeginAssistantTurn();
  writer->Markup("\n<think>");
  if (keep_reasoning) writer->Text(reasoning);
  writer->Markup("</think>");
  writer->Text(content);
  for (const ToolCall& call : message.tool_calls) WriteToolCall(call, writer);
  writer->EndAssistantTurn();
}

// Consecutive results share a turn. A result with nothing before it has no turn of its own: the published
// template opens one only after another message, and this follows it.
void WriteToolResult(std::span<const ChatMessage> messages, size_t i, PromptWriter* writer) {
  if (i > 0 && messages[i - 1].role != "tool") writer->Markup("<|im_start|>tool\n");
  writer->Markup("<tool_response>\n");
  writer->Text(messages[i].content);
  writer->Markup("\n</tool_response>\n");
  if (i + 1 == messages.size() || messages[i + 1].role != "tool") writer->Markup("<|im_end|>");
}

}  // namespace

void RenderMimoV25(const ChatRequest& request, const RenderSwitches& switches, PromptWriter* writer) {
  std::span<const ChatMessage> messages = request.messages;
  writer->Markup("<|im_start|>system\n");
  if (TemplateRole(messages.front()) == "system") {
    writer->Text(messages.front().content);
    messages = messages.subspan(1);
  } else {
    writer->Markup(kDefaultSystem);
  }
  if (!request.tools.empty()) {
    writer->Markup(kToolsHeading);
    for (const ToolDefinition& tool : request.tools) WriteTool(tool, writer);
    writer->Markup(kToolsFormat);
  }
  writer->Markup("<|im_end|>");

  size_t num_past = 0;  // messages up to the last one of the user
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role == "user") num_past = i + 1;
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string_view role = TemplateRole(messages[i]);
    if (role == "assistant") {
      WriteAssistantTurn(messages[i], switches.keep_all_reasoning || i >= num_past, writer);
    } else if (role == "tool") {
      WriteToolResult(messages, i, writer);
    } else {
      writer->Markup(role == "user" ? "<|im_start|>user\n" : "<|im_start|>system\n");
      writer->Text(messages[i].content);
      writer->Markup("<|im_end|>");
    }
  }
  if (request.add_generation_prompt) WriteGenerationPrompt(switches, writer);
}

}  // namespace mimo

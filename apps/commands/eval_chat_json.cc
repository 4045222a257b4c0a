#include "apps/commands/eval_chat_json.h"

namespace mimo {
namespace {

Json MessageJson(const ChatMessage& message) {
  Json json = {{"role", message.role}, {"content", message.content}};
  if (!message.tool_call_id.empty()) json["tool_call_id"] = message.tool_call_id;
  for (const ToolCall& call : message.tool_calls) {
    json["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", DumpJson(call.arguments)}}}});
  }
  return json;
}

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || !found->is_string() ? "" : found->get<std::string>();
}

ToolCall ParseCall(const Json& json) {
  ToolCall call;
  call.id = TextOf(json, "id");
  call.arguments = Json::object();
  const auto function = json.find("function");
  if (function == json.end()) return call;
  call.name = TextOf(*function, "name");
  const Result<Json> arguments = ParseJson(TextOf(*function, "arguments"));
  if (arguments && arguments->is_object()) call.arguments = *arguments;
  return call;
}

}  // namespace

Json ChatRequestJson(const ChatRequest& request, const std::string& model, uint32_t tokens_max) {
  Json json = {{"model", model}, {"temperature", 0}, {"max_tokens", tokens_max}, {"stream", false}};
  json["chat_template_kwargs"] = {{"enable_thinking", false}};
  json["messages"] = Json::array();
  for (const ChatMessage& message : request.messages) json["messages"].push_back(MessageJson(message));
  for (const ToolDefinition& tool : request.tools) json["tools"].push_back(tool.raw);
  return json;
}

Result<EvalReply> ParseChatReply(std::string_view body) {
  MIMO_ASSIGN_OR_RETURN(const Json json, ParseJson(body));
  const auto choices = json.find("choices");
  const bool has_choice = choices != json.end() && choices->is_array() && !choices->empty();
  if (!has_choice || !choices->front().is_object() || !choices->front().contains("message")) {
    return InvalidArgument("the answer has no 'choices[0].message'");
  }
  const Json& message = choices->front()["message"];
  EvalReply reply;
  reply.text = TextOf(message, "content");
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return reply;
  for (const Json& call : *calls) reply.calls.push_back(ParseCall(call));
  return reply;
}

}  // namespace mimo

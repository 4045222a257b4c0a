#include "text/chat_message.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "text/given_fields.h"

namespace mimo {
namespace {

constexpr std::array<std::string_view, 5> kRoles = {"system", "developer", "user", "assistant", "tool"};

Result<std::optional<bool>> ReadBool(const Json& object, std::string_view key, const std::string& prefix) {
  const Json* value = FindGiven(object, key);
  if (value == nullptr) return std::optional<bool>();
  if (!value->is_boolean()) return InvalidArgument("'{}{}' must be true or false", prefix, key);
  return std::optional<bool>(value->get<bool>());
}

// A media part is recognised by its type or by the key that holds it, as the templates do.
bool IsMedia(const Json& part, std::string_view type) {
  constexpr std::array<std::string_view, 13> kMedia = {
      "image",     "image_url",   "input_image", "audio",      "audio_url", "input_audio", "video",
      "video_url", "input_video", "file",        "input_file", "document",  "file_url"};
  return std::find(kMedia.begin(), kMedia.end(), type) != kMedia.end() ||
         (type.empty() && std::any_of(kMedia.begin(), kMedia.end(),
                                      [&](std::string_view key) { return part.contains(key); }));
}

Result<std::string> ReadPart(const Json& part, const std::string& where) {
  if (part.is_string()) return part.get<std::string>();
  if (!part.is_object()) return InvalidArgument("'{}' must be an object", where);
  MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(part, "type", where));
  if (IsMedia(part, type)) {
    return Unimplemented("'{}' is of type '{}': this program reads text parts only", where,
                         type.empty() ? "media" : type);
  }
  const bool is_text = type.empty() || type == "text" || type == "input_text" || type == "output_text";
  if (!is_text && type != "refusal") return InvalidArgument("'{}.type' is unknown: '{}'", where, type);
  return ReadString(part, is_text ? "text" : "refusal", where);
}

// null and missing are the empty text; parts are joined without anything between them.
Result<std::string> ReadContent(const Json& message, const std::string& where) {
  const Json* content = FindGiven(message, "content");
  if (content == nullptr) return std::string();
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return InvalidArgument("'{}.content' must be a string or a list of parts", where);
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    MIMO_ASSIGN_OR_RETURN(const std::string part,
                          ReadPart((*content)[i], fmt::format("{}.content[{}]", where, i)));
    text += part;
  }
  return text;
}

// OpenAI's clients send the arguments as JSON inside a string; some libraries send the object itself.
Result<Json> ReadArguments(const Json& function, const std::string& where) {
  const Json* arguments = FindGiven(function, "arguments");
  if (arguments == nullptr) return Json::object();
  if (arguments->is_object()) return *arguments;
  if (!arguments->is_string()) {
    return InvalidArgument("'{}.arguments' must be a string holding a JSON object", where);
  }
  const std::string text = arguments->get<std::string>();
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return Json::object();
  Result<Json> parsed = ParseJson(text);
  if (!parsed) return InvalidArgument("'{}.arguments': {}", where, parsed.error().message);
  if (!parsed->is_object()) return InvalidArgument("'{}.arguments' must hold a JSON object", where);
  return parsed;
}

Result<ToolCall> ReadToolCall(const Json& call, const std::string& where) {
  if (!call.is_object()) return InvalidArgument("'{}' must be an object", where);
  const Json* function = FindGiven(call, "function");
  if (function == nullptr || !function->is_object()) {
    return InvalidArgument("'{}.function' must be an object", where);
  }
  const std::string function_where = where + ".function";
  ToolCall result;
  MIMO_ASSIGN_OR_RETURN(result.id, ReadString(call, "id", where));
  MIMO_ASSIGN_OR_RETURN(result.name, ReadString(*function, "name", function_where));
  if (result.name.empty()) return InvalidArgument("'{}.name' must be a string", function_where);
  MIMO_ASSIGN_OR_RETURN(result.arguments, ReadArguments(*function, function_where));
  return result;
}

Result<ToolDefinition> ReadFunctionTool(const Json& tool, const std::string& where) {
  const Json* function = FindGiven(tool, "function");
  if (function == nullptr || !function->is_object()) {
    return InvalidArgument("'{}.function' must be an object", where);
  }
  const std::string function_where = where + ".function";
  ToolDefinition result;
  result.raw = tool;
  MIMO_ASSIGN_OR_RETURN(result.name, ReadString(*function, "name", function_where));
  if (result.name.empty()) return InvalidArgument("'{}.name' must be a string", function_where);
  MIMO_ASSIGN_OR_RETURN(result.description, ReadString(*function, "description", function_where));
  if (const Json* parameters = FindGiven(*function, "parameters")) {
    if (!parameters->is_object()) return InvalidArgument("'{}.parameters' must be an object", function_where);
    result.parameters = *parameters;
  }
  return result;
}

Result<std::vector<ToolDefinition>> ReadTools(const Json& object, const std::string& where) {
  std::vector<ToolDefinition> result;
  const Json* tools = FindGiven(object, "tools");
  if (tools == nullptr) return result;
  if (!tools->is_array()) return InvalidArgument("'{}' must be a list", where);
  for (size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    const std::string tool_where = fmt::format("{}[{}]", where, i);
    if (!tool.is_object()) return InvalidArgument("'{}' must be an object", tool_where);
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(tool, "type", tool_where));
    if (!type.empty() && type != "function") {
      // Hosted tools (web search and the like) run at the vendor; agents offer them to every server.
      LogInfo("skipping {}: this program has no tool of type '{}'", tool_where, type);
      continue;
    }
    MIMO_ASSIGN_OR_RETURN(ToolDefinition definition, ReadFunctionTool(tool, tool_where));
    result.push_back(std::move(definition));
  }
  return result;
}

Status ReadAssistantFields(const Json& json, const std::string& where, ChatMessage* message) {
  // Servers disagree on the name; "reasoning_content" is MiMo's own.
  const bool has_own_name = FindGiven(json, "reasoning_content") != nullptr;
  const char* reasoning_key = has_own_name ? "reasoning_content" : "reasoning";
  if (FindGiven(json, reasoning_key) != nullptr) {
    MIMO_ASSIGN_OR_RETURN(message->reasoning_content, ReadString(json, reasoning_key, where));
  }
  const Json* calls = FindGiven(json, "tool_calls");
  if (calls == nullptr) return {};
  if (!calls->is_array()) return InvalidArgument("'{}.tool_calls' must be a list", where);
  for (size_t i = 0; i < calls->size(); ++i) {
    MIMO_ASSIGN_OR_RETURN(ToolCall call,
                          ReadToolCall((*calls)[i], fmt::format("{}.tool_calls[{}]", where, i)));
    message->tool_calls.push_back(std::move(call));
  }
  return {};
}

Result<ChatMessage> ReadMessage(const Json& json, const std::string& where) {
  if (!json.is_object()) return InvalidArgument("'{}' must be an object", where);
  ChatMessage message;
  MIMO_ASSIGN_OR_RETURN(message.role, ReadString(json, "role", where));
  if (std::find(kRoles.begin(), kRoles.end(), message.role) == kRoles.end()) {
    return InvalidArgument("'{}.role' must be one of system, developer, user, assistant, tool", where);
  }
  MIMO_ASSIGN_OR_RETURN(message.content, ReadContent(json, where));
  if (message.role == "assistant") {
    MIMO_RETURN_IF_ERROR(ReadAssistantFields(json, where, &message));
  } else {
    MIMO_ASSIGN_OR_RETURN(message.tools, ReadTools(json, where + ".tools"));
  }
  if (message.role == "tool") {
    MIMO_ASSIGN_OR_RETURN(message.tool_call_id, ReadString(json, "tool_call_id", where));
  }
  return message;
}

Result<std::optional<bool>> ReadThinkingObject(const Json& json) {
  const Json* thinking = FindGiven(json, "thinking");
  if (thinking == nullptr) return std::optional<bool>();
  if (thinking->is_boolean()) return std::optional<bool>(thinking->get<bool>());
  if (!thinking->is_object()) return InvalidArgument("'thinking' must be an object");
  MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(*thinking, "type", "thinking"));
  if (type.empty()) return std::optional<bool>();
  // "adaptive" and "auto" leave the depth to the model, and MiMo's only choice is on or off.
  return std::optional<bool>(type != "disabled");
}

Result<std::optional<bool>> ReadReasoningEffort(const Json& json) {
  const Json* effort = FindGiven(json, "reasoning_effort");
  if (effort == nullptr) return std::optional<bool>();
  if (!effort->is_string()) return InvalidArgument("'reasoning_effort' must be a string");
  return std::optional<bool>(effort->get<std::string>() != "none");
}

Status ReadThinking(const Json& json, ChatRequest* request) {
  MIMO_ASSIGN_OR_RETURN(request->enable_thinking, ReadReasoningEffort(json));
  MIMO_ASSIGN_OR_RETURN(const std::optional<bool> thinking, ReadThinkingObject(json));
  if (thinking) request->enable_thinking = thinking;
  MIMO_ASSIGN_OR_RETURN(const std::optional<bool> enable_thinking, ReadBool(json, "enable_thinking", ""));
  if (enable_thinking) request->enable_thinking = enable_thinking;
  const Json* arguments = FindGiven(json, "chat_template_kwargs");
  if (arguments == nullptr) return {};
  if (!arguments->is_object()) return InvalidArgument("'chat_template_kwargs' must be an object");
  const std::string prefix = "chat_template_kwargs.";
  MIMO_ASSIGN_OR_RETURN(const std::optional<bool> argument, ReadBool(*arguments, "enable_thinking", prefix));
  if (argument) request->enable_thinking = argument;
  MIMO_ASSIGN_OR_RETURN(request->keep_all_reasoning, ReadBool(*arguments, "keep_all_reasoning", prefix));
  return {};
}

}  // namespace

ChatMessage TextMessage(std::string role, std::string content) {
  ChatMessage message;
  message.role = std::move(role);
  message.content = std::move(content);
  return message;
}

Result<ChatRequest> ParseChatRequest(const Json& json) {
  if (!json.is_object()) return InvalidArgument("the request must be a JSON object");
  const Json* messages = FindGiven(json, "messages");
  if (messages == nullptr || !messages->is_array()) return InvalidArgument("'messages' must be a list");
  if (messages->empty()) return InvalidArgument("'messages' must hold at least one message");
  ChatRequest request;
  for (size_t i = 0; i < messages->size(); ++i) {
    MIMO_ASSIGN_OR_RETURN(ChatMessage message, ReadMessage((*messages)[i], fmt::format("messages[{}]", i)));
    request.messages.push_back(std::move(message));
  }
  MIMO_ASSIGN_OR_RETURN(request.tools, ReadTools(json, "tools"));
  if (const Json* tools = FindGiven(json, "tools")) {
    request.num_tools_skipped = static_cast<uint32_t>(tools->size() - request.tools.size());
  }
  MIMO_RETURN_IF_ERROR(ReadThinking(json, &request));
  MIMO_ASSIGN_OR_RETURN(const std::optional<bool> prompt, ReadBool(json, "add_generation_prompt", ""));
  request.add_generation_prompt = prompt.value_or(true);
  return request;
}

}  // namespace mimo

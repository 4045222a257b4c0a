#include "server/messages_conversation.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "server/opaque_text.h"
#include "text/given_fields.h"

namespace mimo {
namespace {

// Claude Code's first system block. It may hold a hash that differs in every request, with which no prompt
// would share its beginning with the one before.
constexpr std::string_view kBillingHeader = "x-anthropic-billing-header:";
// Between the blocks of one message of a user or the system, which are paragraphs of their own. The blocks of
// an answer are joined without anything, as they were generated.
constexpr std::string_view kBlockSeparator = "\n\n";

constexpr size_t kToolsMax = 4096;

void AppendParagraph(std::string_view text, std::string* result) {
  if (text.empty()) return;
  if (!result->empty()) *result += kBlockSeparator;
  *result += text;
}

std::string At(const std::string& where, size_t index) { return fmt::format("{}[{}]", where, index); }

// A list of blocks; a string stands for one text block.
Result<std::vector<const Json*>> BlocksOf(const Json& content, const std::string& where) {
  std::vector<const Json*> blocks;
  if (content.is_string()) {
    blocks.push_back(&content);
    return blocks;
  }
  if (!content.is_array()) return InvalidArgument("'{}' must be a string or a list of blocks", where);
  for (size_t i = 0; i < content.size(); ++i) {
    if (!content[i].is_object()) return InvalidArgument("'{}' must be an object", At(where, i));
    blocks.push_back(&content[i]);
  }
  return blocks;
}

Result<std::string> ReadType(const Json& block, const std::string& where) {
  if (block.is_string()) return std::string("text");
  MIMO_ASSIGN_OR_RETURN(std::string type, ReadString(block, "type", where));
  if (type.empty()) return InvalidArgument("'{}.type' must be a string", where);
  return type;
}

tl::unexpected<Error> TextOnly(const std::string& where, std::string_view type) {
  return Unimplemented("'{}' is of type '{}': this program reads text blocks only", where, type);
}

Result<std::string> ReadText(const Json& block, const std::string& where) {
  if (block.is_string()) return block.get<std::string>();
  return ReadString(block, "text", where);
}

// The texts of a list of blocks, as paragraphs; what is neither text nor media is skipped.
Result<std::string> ReadParagraphs(const Json& content, const std::string& where) {
  MIMO_ASSIGN_OR_RETURN(const std::vector<const Json*> blocks, BlocksOf(content, where));
  std::string result;
  for (size_t i = 0; i < blocks.size(); ++i) {
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadType(*blocks[i], At(where, i)));
    if (type == "image") return TextOnly(At(where, i), type);
    if (type != "text") continue;
    MIMO_ASSIGN_OR_RETURN(const std::string text, ReadText(*blocks[i], At(where, i)));
    AppendParagraph(text, &result);
  }
  return result;
}

// {"title", "context", "source": {"type": "text", "data"} | {"type": "content", "content"}}
Result<std::string> ReadDocument(const Json& block, const std::string& where) {
  std::string result;
  for (const char* key : {"title", "context"}) {
    MIMO_ASSIGN_OR_RETURN(const std::string text, ReadString(block, key, where));
    AppendParagraph(text, &result);
  }
  const Json* source = FindGiven(block, "source");
  if (source == nullptr || !source->is_object())
    return InvalidArgument("'{}.source' must be an object", where);
  MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(*source, "type", where + ".source"));
  std::string text;
  if (type == "text") {
    MIMO_ASSIGN_OR_RETURN(text, ReadString(*source, "data", where + ".source"));
  } else if (type == "content") {
    const Json* content = FindGiven(*source, "content");
    if (content == nullptr) return InvalidArgument("'{}.source.content' is missing", where);
    MIMO_ASSIGN_OR_RETURN(text, ReadParagraphs(*content, where + ".source.content"));
  } else {
    return Unimplemented("'{}.source' is of type '{}': this program reads documents of type text only", where,
                         type);
  }
  AppendParagraph(text, &result);
  return result;
}

// {"title", "source", "content": [text blocks]}
Result<std::string> ReadSearchResult(const Json& block, const std::string& where) {
  std::string result;
  for (const char* key : {"title", "source"}) {
    MIMO_ASSIGN_OR_RETURN(const std::string text, ReadString(block, key, where));
    AppendParagraph(text, &result);
  }
  if (const Json* content = FindGiven(block, "content")) {
    MIMO_ASSIGN_OR_RETURN(const std::string text, ReadParagraphs(*content, where + ".content"));
    AppendParagraph(text, &result);
  }
  return result;
}

// A block that shows as text wherever it stands; nothing for the others.
Result<std::optional<std::string>> ReadShownBlock(const Json& block, std::string_view type,
                                                  const std::string& where) {
  Result<std::string> text = std::string();
  if (type == "text") {
    text = ReadText(block, where);
  } else if (type == "document") {
    text = ReadDocument(block, where);
  } else if (type == "search_result") {
    text = ReadSearchResult(block, where);
  } else if (type == "image") {
    return TextOnly(where, type);
  } else {
    return std::optional<std::string>();
  }
  if (!text) return tl::unexpected(text.error());
  return std::optional<std::string>(std::move(*text));
}

Result<ChatMessage> ReadToolResult(const Json& block, const std::string& where) {
  ChatMessage message = TextMessage("tool", {});
  MIMO_ASSIGN_OR_RETURN(message.tool_call_id, ReadString(block, "tool_use_id", where));
  if (const Json* content = FindGiven(block, "content")) {
    const std::string content_where = where + ".content";
    MIMO_ASSIGN_OR_RETURN(const std::vector<const Json*> parts, BlocksOf(*content, content_where));
    for (size_t i = 0; i < parts.size(); ++i) {
      MIMO_ASSIGN_OR_RETURN(const std::string type, ReadType(*parts[i], At(content_where, i)));
      if (type == "image") {
        // An agent's tool returned it unasked. A refusal would end every later turn of the conversation, and
        // the model is told instead.
        AppendParagraph("[an image, which this model cannot see]", &message.content);
        continue;
      }
      MIMO_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                            ReadShownBlock(*parts[i], type, At(content_where, i)));
      AppendParagraph(text.value_or(""), &message.content);
    }
  }
  const Json* is_error = FindGiven(block, "is_error");
  // The templates have no place for the mark.
  if (is_error != nullptr && is_error->is_boolean() && is_error->get<bool>())
    message.content = "Error: " + message.content;
  return message;
}

Result<ToolDefinition> ReadTool(const Json& tool, const std::string& where) {
  ToolDefinition result;
  MIMO_ASSIGN_OR_RETURN(result.name, ReadString(tool, "name", where));
  if (result.name.empty()) return InvalidArgument("'{}.name' must be a string", where);
  MIMO_ASSIGN_OR_RETURN(result.description, ReadString(tool, "description", where));
  // Templates print tools as OpenAI writes them.
  Json function{{"name", result.name}};
  if (FindGiven(tool, "description") != nullptr) function["description"] = result.description;
  if (const Json* schema = FindGiven(tool, "input_schema")) {
    if (!schema->is_object()) return InvalidArgument("'{}.input_schema' must be an object", where);
    result.parameters = *schema;
    function["parameters"] = *schema;
  }
  result.raw = Json{{"type", "function"}, {"function", std::move(function)}};
  return result;
}

// Adds a tool. Those of other types than "custom" run at the vendor or have schemas that only its models
// know.
Status AddTool(const Json& tool, const std::string& where, ChatRequest* request) {
  if (!tool.is_object()) return InvalidArgument("'{}' must be an object", where);
  MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(tool, "type", where));
  if (!type.empty() && type != "custom") {
    LogInfo("skipping {}: this program has no tool of type '{}'", where, type);
    ++request->num_tools_skipped;
    return {};
  }
  MIMO_ASSIGN_OR_RETURN(ToolDefinition definition, ReadTool(tool, where));
  if (request->tools.size() == kToolsMax)
    return InvalidArgument("'{}': more than {} tools", where, kToolsMax);
  request->tools.push_back(std::move(definition));
  return {};
}

// Reads one message after the other into a request.
class ConversationReader {
 public:
  explicit ConversationReader(ChatRequest* request) : request_(*request) {}

  Status ReadMessage(const Json& message, const std::string& where) {
    if (!message.is_object()) return InvalidArgument("'{}' must be an object", where);
    MIMO_ASSIGN_OR_RETURN(const std::string role, ReadString(message, "role", where));
    if (role.empty()) return InvalidArgument("'{}.role' must be a string", where);
    const Json* content = FindGiven(message, "content");
    // A system message may carry settings alone.
    if (content == nullptr && role == "system") return {};
    if (content == nullptr) return InvalidArgument("'{}.content' is missing", where);
    if (role == "assistant") return ReadAnswer(*content, where + ".content");
    const bool is_system = role == "system" || role == "developer";
    return ReadTurn(*content, is_system ? "system" : "user", where + ".content");
  }

 private:
  Status ReadAnswer(const Json& content, const std::string& where) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<const Json*> blocks, BlocksOf(content, where));
    ChatMessage message = TextMessage("assistant", {});
    for (size_t i = 0; i < blocks.size(); ++i) {
      MIMO_RETURN_IF_ERROR(ReadAnswerBlock(*blocks[i], At(where, i), &message));
    }
    request_.messages.push_back(std::move(message));
    return {};
  }

  static Status ReadAnswerBlock(const Json& block, const std::string& where, ChatMessage* message) {
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadType(block, where));
    if (type == "thinking") {
      MIMO_ASSIGN_OR_RETURN(std::string text, ReadString(block, "thinking", where));
      MIMO_ASSIGN_OR_RETURN(const std::string signature, ReadString(block, "signature", where));
      // A client that asked not to see the text returns the block without it.
      if (text.empty()) text = UnpackOpaqueText(signature).value_or("");
      message->reasoning_content = message->reasoning_content.value_or("") + text;
    } else if (type == "redacted_thinking") {
      MIMO_ASSIGN_OR_RETURN(const std::string data, ReadString(block, "data", where));
      const std::optional<std::string> text = UnpackOpaqueText(data);
      if (text) message->reasoning_content = message->reasoning_content.value_or("") + *text;
    } else if (type == "tool_use") {
      ToolCall call;
      MIMO_ASSIGN_OR_RETURN(call.id, ReadString(block, "id", where));
      MIMO_ASSIGN_OR_RETURN(call.name, ReadString(block, "name", where));
      if (call.name.empty()) return InvalidArgument("'{}.name' must be a string", where);
      const Json* input = FindGiven(block, "input");
      if (input != nullptr && !input->is_object())
        return InvalidArgument("'{}.input' must be an object", where);
      call.arguments = input == nullptr ? Json::object() : *input;
      message->tool_calls.push_back(std::move(call));
    } else {
      MIMO_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadShownBlock(block, type, where));
      message->content += text.value_or("");
    }
    return {};
  }

  // A turn of the user or the system: texts become one message, each tool result one of its own, in order.
  Status ReadTurn(const Json& content, const char* role, const std::string& where) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<const Json*> blocks, BlocksOf(content, where));
    std::string text;
    bool has_text = false;
    const auto flush = [&] {
      if (has_text) request_.messages.push_back(TextMessage(role, std::move(text)));
      text.clear();
      has_text = false;
    };
    for (size_t i = 0; i < blocks.size(); ++i) {
      MIMO_ASSIGN_OR_RETURN(const std::string type, ReadType(*blocks[i], At(where, i)));
      if (type == "tool_result") {
        flush();
        MIMO_ASSIGN_OR_RETURN(ChatMessage message, ReadToolResult(*blocks[i], At(where, i)));
        request_.messages.push_back(std::move(message));
        continue;
      }
      if (type == "tool_addition" || type == "tool_removal") {
        MIMO_RETURN_IF_ERROR(ChangeTools(*blocks[i], type, At(where, i)));
        continue;
      }
      MIMO_ASSIGN_OR_RETURN(const std::optional<std::string> shown,
                            ReadShownBlock(*blocks[i], type, At(where, i)));
      if (!shown || shown->starts_with(kBillingHeader)) continue;
      has_text = true;
      AppendParagraph(*shown, &text);
    }
    flush();
    return {};
  }

  // {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": TOOL}
  //                                 | {"type": "tool_reference", "name": NAME}}
  // A reference adds nothing: every declared tool is offered from the start.
  Status ChangeTools(const Json& block, std::string_view type, const std::string& where) {
    const Json* tool = FindGiven(block, "tool");
    if (tool == nullptr || !tool->is_object()) return InvalidArgument("'{}.tool' must be an object", where);
    const Json* definition = FindGiven(*tool, "definition");
    if (type == "tool_addition" && definition == nullptr) return {};
    const bool is_removal = type == "tool_removal" || !definition->is_object();
    MIMO_ASSIGN_OR_RETURN(const std::string name,
                          ReadString(is_removal ? *tool : *definition, "name", where + ".tool"));
    // Also a tool that is defined anew.
    std::erase_if(request_.tools, [&](const ToolDefinition& other) { return other.name == name; });
    return is_removal ? Status() : AddTool(*definition, where + ".tool.definition", &request_);
  }

  ChatRequest& request_;
};

Status ReadSystem(const Json& body, ChatRequest* request) {
  const Json* system = FindGiven(body, "system");
  if (system == nullptr) return {};
  MIMO_ASSIGN_OR_RETURN(const std::vector<const Json*> blocks, BlocksOf(*system, "system"));
  std::string result;
  for (size_t i = 0; i < blocks.size(); ++i) {
    MIMO_ASSIGN_OR_RETURN(const std::string text, ReadText(*blocks[i], At("system", i)));
    if (!text.starts_with(kBillingHeader)) AppendParagraph(text, &result);
  }
  if (!result.empty()) request->messages.push_back(TextMessage("system", std::move(result)));
  return {};
}

// {"type": "enabled" | "adaptive" | "disabled"}: MiMo's only choice is on or off.
Status ReadThinking(const Json& body, ChatRequest* request) {
  const Json* thinking = FindGiven(body, "thinking");
  if (thinking == nullptr) return {};
  if (!thinking->is_object()) return InvalidArgument("'thinking' must be an object");
  MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(*thinking, "type", "thinking"));
  constexpr std::array<std::string_view, 4> kTypes = {"enabled", "adaptive", "auto", "disabled"};
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
    return InvalidArgument("'thinking.type' must be enabled, adaptive or disabled");
  }
  request->enable_thinking = type != "disabled";
  return {};
}

// True for a system message that is to be shown for the turn it follows only, once that turn is over.
bool IsPast(const Json& message, bool user_message_follows) {
  return user_message_follows && message.is_object() && message.value("role", Json()) == "system" &&
         message.value("clear_at", Json()) == "next_user_message";
}

}  // namespace

Result<ChatRequest> ParseMessagesConversation(const Json& body) {
  if (!body.is_object()) return InvalidArgument("the request must be a JSON object");
  ChatRequest request;
  if (const Json* tools = FindGiven(body, "tools")) {
    if (!tools->is_array()) return InvalidArgument("'tools' must be a list");
    for (size_t i = 0; i < tools->size(); ++i) {
      MIMO_RETURN_IF_ERROR(AddTool((*tools)[i], At("tools", i), &request));
    }
  }
  MIMO_RETURN_IF_ERROR(ReadSystem(body, &request));
  MIMO_RETURN_IF_ERROR(ReadThinking(body, &request));
  const Json* messages = FindGiven(body, "messages");
  if (messages == nullptr || !messages->is_array()) return InvalidArgument("'messages' must be a list");
  if (messages->empty()) return InvalidArgument("'messages' must hold at least one message");
  size_t last_user = 0;
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    if (message.is_object() && message.value("role", Json()) == "user") last_user = i;
  }
  ConversationReader reader(&request);
  for (size_t i = 0; i < messages->size(); ++i) {
    if (IsPast((*messages)[i], i < last_user)) continue;
    MIMO_RETURN_IF_ERROR(reader.ReadMessage((*messages)[i], At("messages", i)));
  }
  if (request.messages.empty()) return InvalidArgument("'messages' hold no text");
  return request;
}

}  // namespace mimo

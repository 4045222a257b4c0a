#include "server/responses_conversation.h"

#include <string_view>
#include <utility>

#include "base/log.h"
#include "server/opaque_text.h"
#include "server/responses_tools.h"
#include "text/given_fields.h"

namespace mimo {
namespace {

constexpr std::string_view kParagraph = "\n\n";

std::string At(const std::string& where, size_t index) { return fmt::format("{}[{}]", where, index); }

// Whether a part that the model cannot read is refused or described to it.
enum class Media { kRefused, kDescribed };

// A string, or a list of parts that are joined without anything between them. Parts of unknown types are
// skipped.
Result<std::string> ReadParts(const Json& object, const char* key, const std::string& where, Media media) {
  const Json* content = FindGiven(object, key);
  if (content == nullptr) return std::string();
  if (content->is_string()) return content->get<std::string>();
  const std::string content_where = fmt::format("{}.{}", where, key);
  if (!content->is_array()) return InvalidArgument("'{}' must be a string or a list of parts", content_where);
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    const Json& part = (*content)[i];
    const std::string part_where = At(content_where, i);
    if (!part.is_object()) return InvalidArgument("'{}' must be an object", part_where);
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(part, "type", part_where));
    const bool is_media = type == "input_image" || type == "input_file" || type == "input_audio";
    if (is_media && media == Media::kRefused) {
      return Unimplemented("'{}' is of type '{}': this program reads text parts only", part_where, type);
    }
    // A tool returned it unasked; a refusal would end every later turn of the conversation.
    if (is_media) text += fmt::format("[{}, which this model cannot see]", type);
    const char* text_key = type == "refusal" ? "refusal" : "text";
    MIMO_ASSIGN_OR_RETURN(const std::string part_text, ReadString(part, text_key, part_where));
    text += part_text;
  }
  return text;
}

// Reads one item after the other into messages. An answer arrives in pieces (reasoning, message, calls) that
// the template writes as one turn.
class ItemsReader {
 public:
  explicit ItemsReader(std::vector<ChatMessage>* messages) : messages_(*messages) {}

  Status Read(const Json& item, const std::string& where) {
    if (!item.is_object()) return InvalidArgument("'{}' must be an object", where);
    MIMO_ASSIGN_OR_RETURN(const std::string type, ReadString(item, "type", where));
    if (type == "message" || (type.empty() && FindGiven(item, "role") != nullptr))
      return ReadMessage(item, where);
    if (type == "function_call" || type == "custom_tool_call") return ReadCall(item, type, where);
    if (type == "function_call_output" || type == "custom_tool_call_output") return ReadOutput(item, where);
    if (type == "reasoning") return ReadReasoning(item, where);
    LogInfo("skipping {}: an item of type '{}'", where, type);
    return {};
  }

 private:
  // The assistant's turn that takes the next piece.
  ChatMessage& Answer() {
    if (messages_.empty() || messages_.back().role != "assistant") {
      messages_.push_back(TextMessage("assistant", {}));
      has_message_ = false;
    }
    return messages_.back();
  }
  void BeginAnswer() {
    messages_.push_back(TextMessage("assistant", {}));
    has_message_ = false;
  }

  Status ReadMessage(const Json& item, const std::string& where) {
    MIMO_ASSIGN_OR_RETURN(const std::string role, ReadString(item, "role", where));
    MIMO_ASSIGN_OR_RETURN(std::string text, ReadParts(item, "content", where, Media::kRefused));
    if (role == "assistant") {
      // A second message without a call in between is another answer.
      if (has_message_ && Answer().tool_calls.empty()) BeginAnswer();
      Answer().content += text;
      has_message_ = true;
    } else if (role == "user" || role == "system" || role == "developer") {
      messages_.push_back(TextMessage(role, std::move(text)));
    } else {
      return InvalidArgument("'{}.role' must be one of user, assistant, system, developer", where);
    }
    return {};
  }

  Status ReadReasoning(const Json& item, const std::string& where) {
    MIMO_ASSIGN_OR_RETURN(const std::string packed, ReadString(item, "encrypted_content", where));
    std::string text;
    if (std::optional<std::string> unpacked = UnpackOpaqueText(packed)) {
      text = std::move(*unpacked);
    } else {
      MIMO_ASSIGN_OR_RETURN(text, ReadParts(item, "content", where, Media::kRefused));
      // What this server calls a summary is all of it.
      if (text.empty()) {
        MIMO_ASSIGN_OR_RETURN(text, ReadParts(item, "summary", where, Media::kRefused));
      }
    }
    const ChatMessage& open = Answer();
    if (!open.content.empty() || !open.tool_calls.empty()) BeginAnswer();
    ChatMessage& answer = Answer();
    answer.reasoning_content = answer.reasoning_content.value_or("") + text;
    return {};
  }

  Status ReadCall(const Json& item, std::string_view type, const std::string& where) {
    ToolCall call;
    MIMO_ASSIGN_OR_RETURN(call.id, ReadString(item, "call_id", where));
    MIMO_ASSIGN_OR_RETURN(const std::string name, ReadString(item, "name", where));
    MIMO_ASSIGN_OR_RETURN(const std::string name_space, ReadString(item, "namespace", where));
    if (name.empty()) return InvalidArgument("'{}.name' must be a string", where);
    call.name = FlatToolName(name_space, name);
    if (type == "custom_tool_call") {
      MIMO_ASSIGN_OR_RETURN(const std::string input, ReadString(item, "input", where));
      call.arguments = Json{{kCustomToolInput, input}};
    } else {
      MIMO_ASSIGN_OR_RETURN(const std::string text, ReadString(item, "arguments", where));
      call.arguments = Json::object();
      if (text.find_first_not_of(" \t\r\n") != std::string::npos) {
        Result<Json> parsed = ParseJson(text);
        if (!parsed) return InvalidArgument("'{}.arguments': {}", where, parsed.error().message);
        if (!parsed->is_object()) return InvalidArgument("'{}.arguments' must hold a JSON object", where);
        call.arguments = std::move(*parsed);
      }
    }
    Answer().tool_calls.push_back(std::move(call));
    return {};
  }

  Status ReadOutput(const Json& item, const std::string& where) {
    ChatMessage message = TextMessage("tool", {});
    MIMO_ASSIGN_OR_RETURN(message.tool_call_id, ReadString(item, "call_id", where));
    MIMO_ASSIGN_OR_RETURN(message.content, ReadParts(item, "output", where, Media::kDescribed));
    messages_.push_back(std::move(message));
    return {};
  }

  std::vector<ChatMessage>& messages_;
  bool has_message_ = false;  // the assistant's open turn already holds a message item
};

bool IsSystem(const ChatMessage& message) { return message.role == "system" || message.role == "developer"; }

// Templates have one system turn at the start: the instructions and what agents send as developer messages
// before the first turn become one.
void JoinSystemMessages(std::string instructions, std::vector<ChatMessage>* messages) {
  size_t count = 0;
  while (count < messages->size() && IsSystem((*messages)[count])) {
    const std::string& text = (*messages)[count++].content;
    if (text.empty()) continue;
    if (!instructions.empty()) instructions += kParagraph;
    instructions += text;
  }
  messages->erase(messages->begin(), messages->begin() + static_cast<std::ptrdiff_t>(count));
  if (!instructions.empty())
    messages->insert(messages->begin(), TextMessage("system", std::move(instructions)));
}

// {"effort": "none" | ...}: MiMo's only choice is on or off.
Status ReadReasoningEffort(const Json& body, ChatRequest* chat) {
  const Json* reasoning = FindGiven(body, "reasoning");
  if (reasoning == nullptr) return {};
  if (!reasoning->is_object()) return InvalidArgument("'reasoning' must be an object");
  MIMO_ASSIGN_OR_RETURN(const std::string effort, ReadString(*reasoning, "effort", "reasoning"));
  if (!effort.empty()) chat->enable_thinking = effort != "none";
  return {};
}

}  // namespace

Result<Json> ResponsesInputItems(const Json& body, Json items_before) {
  const Json* input = FindGiven(body, "input");
  if (input == nullptr) return InvalidArgument("'input' is missing");
  if (input->is_string()) {
    items_before.push_back(Json{{"type", "message"},
                                {"role", "user"},
                                {"content", Json::array({Json{{"type", "input_text"}, {"text", *input}}})}});
    return items_before;
  }
  if (!input->is_array()) return InvalidArgument("'input' must be a string or a list of items");
  for (const Json& item : *input) items_before.push_back(item);
  return items_before;
}

Result<ResponsesConversation> ParseResponsesConversation(const Json& body, const Json& items) {
  ResponsesConversation conversation;
  MIMO_RETURN_IF_ERROR(ReadResponsesTools(body, &conversation));
  std::vector<ChatMessage>& messages = conversation.chat.messages;
  ItemsReader reader(&messages);
  for (size_t i = 0; i < items.size(); ++i) MIMO_RETURN_IF_ERROR(reader.Read(items[i], At("input", i)));
  const Json* instructions = FindGiven(body, "instructions");
  if (instructions != nullptr && !instructions->is_string())
    return InvalidArgument("'instructions' must be a string");
  JoinSystemMessages(instructions == nullptr ? std::string() : instructions->get<std::string>(), &messages);
  if (messages.empty()) return InvalidArgument("'input' holds no message");
  MIMO_RETURN_IF_ERROR(ReadReasoningEffort(body, &conversation.chat));
  return conversation;
}

}  // namespace mimo

#include "server/messages_request.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "server/json_fields.h"
#include "server/messages_conversation.h"
#include "server/sampling_fields.h"

namespace mimo {
namespace {

ApiResult<void> CheckModel(JsonFields& fields, const ServedModel& model) {
  const std::string name = fields.String("model").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  return CheckModelName(model, name);
}

// {"type": "auto" | "any" | "tool" | "none", "name", "disable_parallel_tool_use"}
void ApplyToolChoice(JsonFields& fields, ChatRequest* chat, MessagesRequest* request) {
  const Json* choice = fields.Object("tool_choice");
  if (choice == nullptr) return;
  JsonFields choice_fields(*choice, "tool_choice.");
  const std::string type = choice_fields.String("type").value_or("");
  request->parallel_tool_calls = !choice_fields.Bool("disable_parallel_tool_use").value_or(false);
  if (type == "none") {
    chat->tools.clear();
  } else if (type == "any" || type == "tool") {
    fields.Fail("tool_choice", "that forces a call is not implemented yet: use {\"type\": \"auto\"}",
                ErrorCode::kUnimplemented);
  } else if (type != "auto") {
    fields.Fail("tool_choice", "must have a 'type' of auto, any, tool or none");
  }
  if (choice_fields.error()) fields.Fail("tool_choice", "has a field of a wrong type");
}

void ReadOutputFormat(JsonFields& fields) {
  const Json* format = fields.Object("output_format");  // the name before output_config
  if (const Json* config = fields.Object("output_config")) {
    const auto found = config->find("format");
    if (found != config->end() && !found->is_null()) format = &*found;
  }
  if (format == nullptr) return;
  fields.Fail("output_config", "with a format is not implemented yet", ErrorCode::kUnimplemented);
}

MessagesRequest ReadOptions(JsonFields& fields, const ServedModel& model) {
  MessagesRequest request;
  request.stream = fields.Bool("stream").value_or(false);
  request.generation.sampling = ReadSampling(fields, model.defaults);
  request.generation.stop_strings = ReadStopStrings(fields, "stop_sequences");
  request.generation.stop_token_ids = ReadStopTokenIds(fields);
  request.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  request.generation.max_tokens = static_cast<uint32_t>(fields.Integer("max_tokens", 1, kMax).value_or(0));
  if (const Json* thinking = fields.Object("thinking")) {
    JsonFields thinking_fields(*thinking, "thinking.");
    request.shows_thinking = thinking_fields.String("display").value_or("") != "omitted";
    if (thinking_fields.error()) fields.Fail("thinking", "has a 'display' that is not a string");
  }
  ReadOutputFormat(fields);
  return request;
}

ApiResult<ChatRequest> ReadConversation(const Json& body) {
  Result<ChatRequest> chat = ParseMessagesConversation(body);
  if (!chat) return tl::unexpected(WithParamFromMessage(ToApiError(chat.error())));
  // As at Anthropic: whoever does not ask for thinking reads the answer in the first block.
  if (!chat->enable_thinking) chat->enable_thinking = false;
  return std::move(*chat);
}

// These texts are read by programs.
ApiResult<void> CheckContext(const GenerationRequest& request, uint64_t context_max) {
  const uint64_t prompt_tokens = request.prompt.size();
  std::string message;
  if (prompt_tokens >= context_max) {
    message = fmt::format("prompt is too long: {} tokens > {} maximum", prompt_tokens, context_max - 1);
  } else if (prompt_tokens + request.max_tokens > context_max) {
    message = fmt::format("input length and `max_tokens` exceed context limit: {} + {} > {}", prompt_tokens,
                          request.max_tokens, context_max);
  } else {
    return {};
  }
  return tl::unexpected(ApiError{.code = ErrorCode::kInvalidArgument,
                                 .message = std::move(message),
                                 .param = {},
                                 .reason = "context_length_exceeded"});
}

}  // namespace

ApiResult<MessagesRequest> ParseMessagesRequest(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  if (auto known = CheckModel(fields, model); !known) return tl::unexpected(known.error());
  MessagesRequest request = ReadOptions(fields, model);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (Status status = CheckSamplingParams(request.generation.sampling, model.engine->config().vocab_size);
      !status) {
    return tl::unexpected(WithParamFromMessage(ToApiError(status.error())));
  }
  ApiResult<ChatRequest> chat = ReadConversation(body);
  if (!chat) return tl::unexpected(chat.error());
  ApplyToolChoice(fields, &*chat, &request);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (auto set = SetConversation(std::move(*chat), model, &request); !set) return tl::unexpected(set.error());
  if (auto fits = CheckContext(request.generation, model.engine->context_max()); !fits)
    return tl::unexpected(fits.error());
  return request;
}

ApiResult<uint64_t> CountMessagesTokens(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  if (auto known = CheckModel(fields, model); !known) return tl::unexpected(known.error());
  ApiResult<ChatRequest> chat = ReadConversation(body);
  if (!chat) return tl::unexpected(chat.error());
  MessagesRequest request;
  ApplyToolChoice(fields, &*chat, &request);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (auto set = SetConversation(std::move(*chat), model, &request); !set) return tl::unexpected(set.error());
  return request.generation.prompt.size();
}

}  // namespace mimo

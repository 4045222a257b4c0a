#include "server/messages_request.h"

#include <limits>
#include <string>
#include <utility>

#include "server/json_fields.h"
#include "server/messages_conversation.h"
#include "server/sampling_fields.h"

namespace mimo {
namespace {

ApiResult<RequestedModel> FindModelOf(JsonFields& fields, const ServedModel& model) {
  const std::string name = fields.String("model").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  return FindModel(model, name);
}

// {"type": "auto" | "any" | "tool" | "none", "name", "disable_parallel_tool_use"}
void ReadToolChoice(JsonFields& fields, ReplyShape* shape) {
  const Json* choice = fields.Object("tool_choice");
  if (choice == nullptr) return;
  JsonFields choice_fields(*choice, "tool_choice.");
  const std::string type = choice_fields.String("type").value_or("");
  shape->parallel_tool_calls = !choice_fields.Bool("disable_parallel_tool_use").value_or(false);
  if (type == "none") {
    shape->tool_use = ToolUse::kNone;
  } else if (type == "any" || type == "tool") {
    shape->tool_use = ToolUse::kRequired;
  } else if (type != "auto") {
    fields.Fail("tool_choice", "must have a 'type' of auto, any, tool or none");
  }
  if (type == "tool") {
    const std::string name = choice_fields.String("name").value_or("");
    if (name.empty()) fields.Fail("tool_choice", "of type tool must have a 'name'");
    shape->allowed_tools = {name};
    shape->parallel_tool_calls = false;  // one call of that tool is what was asked for
  }
  if (choice_fields.error()) fields.Fail("tool_choice", "has a field of a wrong type");
}

// {"type": "json_schema", "schema": {...}} in output_config.format, or in the older output_format.
OutputFormat ReadFormat(JsonFields& fields) {
  const char* name = "output_format";
  const Json* format = fields.Object(name);
  if (const Json* config = fields.Object("output_config")) {
    const auto found = config->find("format");
    if (found != config->end() && !found->is_null()) {
      name = "output_config";
      format = &*found;
    }
  }
  if (format == nullptr) return {};
  const bool is_schema = format->is_object() && format->value("type", Json()) == "json_schema";
  if (!is_schema || !format->value("schema", Json()).is_object()) {
    fields.Fail(name, "must hold a format {\"type\": \"json_schema\", \"schema\": {...}}");
    return {};
  }
  return {.kind = OutputFormat::Kind::kJsonSchema, .schema = (*format)["schema"], .param = name};
}

ReplyShape ReadShape(JsonFields& fields) {
  ReplyShape shape;
  ReadToolChoice(fields, &shape);
  shape.format = ReadFormat(fields);
  return shape;
}

MessagesRequest ReadOptions(JsonFields& fields, const RequestedModel& requested) {
  MessagesRequest request;
  request.model_name = requested.name;
  request.booked_as = requested.booked_as;
  request.stream = fields.Bool("stream").value_or(false);
  request.generation.sampling = ReadSampling(fields, requested.defaults);
  request.generation.stop_strings = ReadStopStrings(fields, "stop_sequences");
  request.generation.stop_token_ids = ReadStopTokenIds(fields);
  request.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  request.generation.max_tokens = static_cast<uint32_t>(
      fields.Integer("max_tokens", 1, kMax).value_or(requested.defaults.max_tokens.value_or(0)));
  request.generation.priority = ReadPriority(fields);
  request.generation.cache_salt = ReadCacheSalt(fields);
  if (const Json* thinking = fields.Object("thinking")) {
    JsonFields thinking_fields(*thinking, "thinking.");
    request.shows_thinking = thinking_fields.String("display").value_or("") != "omitted";
    if (thinking_fields.error()) fields.Fail("thinking", "has a 'display' that is not a string");
  }
  return request;
}

// Reads and renders the conversation.
ApiResult<void> SetMessages(const Json& body, const RequestedModel& requested, const ServedModel& model,
                            MessagesRequest* request) {
  JsonFields fields(body);
  const ReplyShape shape = ReadShape(fields);
  if (fields.error()) return tl::unexpected(*fields.error());
  Result<ChatRequest> chat = ParseMessagesConversation(body);
  if (!chat) return tl::unexpected(WithParamFromMessage(ToApiError(chat.error())));
  // As at Anthropic: whoever does not ask for thinking reads the answer in the first block.
  if (!chat->enable_thinking) chat->enable_thinking = requested.defaults.thinking.value_or(false);
  request->parallel_tool_calls = shape.parallel_tool_calls;
  return SetConversation(std::move(*chat), shape, model, request);
}

// Anthropic's older models continue such an answer; its words for those that do not.
ApiResult<void> CheckEnd(const Json& body) {
  const auto messages = body.find("messages");
  const bool has_messages = messages != body.end() && messages->is_array() && !messages->empty();
  const bool ends_with_answer =
      has_messages && messages->back().is_object() && messages->back().value("role", Json()) == "assistant";
  if (!ends_with_answer) return {};
  return tl::unexpected(ApiError{.code = ErrorCode::kInvalidArgument,
                                 .message = "This model does not support assistant message prefill. The "
                                            "conversation must end with a user message.",
                                 .param = "messages",
                                 .reason = {}});
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
  const ApiResult<RequestedModel> requested = FindModelOf(fields, model);
  if (!requested) return tl::unexpected(requested.error());
  MessagesRequest request = ReadOptions(fields, *requested);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (Status status = CheckSamplingParams(request.generation.sampling, model.engine->config().vocab_size);
      !status) {
    return tl::unexpected(WithParamFromMessage(ToApiError(status.error())));
  }
  if (auto set = SetMessages(body, *requested, model, &request); !set) return tl::unexpected(set.error());
  if (auto ends = CheckEnd(body); !ends) return tl::unexpected(ends.error());
  if (auto fits = CheckContext(request.generation, model.engine->context_max()); !fits)
    return tl::unexpected(fits.error());
  return request;
}

ApiResult<uint64_t> CountMessagesTokens(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  const ApiResult<RequestedModel> requested = FindModelOf(fields, model);
  if (!requested) return tl::unexpected(requested.error());
  MessagesRequest request;
  if (auto set = SetMessages(body, *requested, model, &request); !set) return tl::unexpected(set.error());
  return request.generation.prompt.size();
}

}  // namespace mimo

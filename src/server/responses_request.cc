#include "server/responses_request.h"

#include <limits>
#include <set>
#include <utility>

#include "server/json_fields.h"
#include "server/sampling_fields.h"
#include "server/tool_choice_field.h"

namespace mimo {
namespace {

ApiError NotFoundError(std::string message, const char* param, const char* reason) {
  return {.code = ErrorCode::kNotFound, .message = std::move(message), .param = param, .reason = reason};
}

// What was stored was JSON of our own.
Json ParseStored(const std::string& text) { return ParseJson(text).value_or(Json::array()); }

// The conversation that `previous_response_id` stands for.
ApiResult<Json> ItemsBefore(const std::string& previous_id, const OwnedResponses& stored) {
  if (previous_id.empty()) return Json::array();
  const std::optional<StoredResponse> previous = stored.store.Find(stored.owner, previous_id);
  if (!previous) {
    return tl::unexpected(NotFoundError(fmt::format("Previous response with id '{}' not found.", previous_id),
                                        "previous_response_id", "previous_response_not_found"));
  }
  Json items = ParseStored(previous->input);
  Json response = ParseStored(previous->response);
  for (Json& item : response["output"]) items.push_back(std::move(item));
  return items;
}

// {"type": "item_reference", "id"} -> the item of an earlier response.
ApiResult<void> ResolveReferences(Json* items, const OwnedResponses& stored) {
  for (Json& item : *items) {
    if (!item.is_object() || item.value("type", Json()) != "item_reference") continue;
    const Json id = item.value("id", Json());
    const std::string text = id.is_string() ? id.get<std::string>() : "";
    const std::optional<StoredResponse> source = stored.store.FindByItem(stored.owner, text);
    if (!source) {
      return tl::unexpected(
          NotFoundError(fmt::format("Item with id '{}' not found.", text), "input", "item_not_found"));
    }
    Json response = ParseStored(source->response);
    for (Json& output : response["output"]) {
      if (output["id"] == text) item = std::move(output);
    }
  }
  return {};
}

void RejectUnsupported(JsonFields& fields) {
  constexpr auto kUnimplemented = ErrorCode::kUnimplemented;
  if (fields.Bool("background").value_or(false))
    fields.Fail("background", "is not implemented: leave it out or ask for a stream", kUnimplemented);
  for (const char* name : {"conversation", "prompt"}) {
    if (fields.Any(name) != nullptr) fields.Fail(name, "is not implemented", kUnimplemented);
  }
}

// {"format": {"type": "text" | "json_object" | "json_schema", ...}}
ApiResult<OutputFormat> ReadTextFormat(JsonFields& fields) {
  const Json* text = fields.Object("text");
  if (text == nullptr) return OutputFormat();
  JsonFields text_fields(*text, "text.");
  OutputFormat format = ReadFormatObject(text_fields, "format");
  if (text_fields.error()) return tl::unexpected(*text_fields.error());
  format.param = "text.format";
  return format;
}

// A choice names tools as the client knows them, also those of namespaces.
void AllowFlatNames(const std::map<std::string, ResponsesTool>& tools, ReplyShape* shape) {
  if (!shape->allowed_tools) return;
  std::set<std::string> allowed;
  for (const auto& [flat_name, tool] : tools) {
    if (shape->allowed_tools->contains(tool.name)) allowed.insert(flat_name);
  }
  if (!allowed.empty()) shape->allowed_tools = std::move(allowed);
}

void ReadIncludes(JsonFields& fields, ResponsesRequest* request) {
  if (const Json* include = fields.Array("include")) {
    for (const Json& entry : *include) {
      if (entry == "reasoning.encrypted_content") request->encrypts_reasoning = true;
      if (entry == "message.output_text.logprobs") request->report_logprobs = true;
    }
  }
  const auto top_logprobs = fields.Integer("top_logprobs", 0, kLogprobsMax);
  if (top_logprobs.value_or(0) > 0) request->report_logprobs = true;
  request->generation.sampling.report_logprobs = request->report_logprobs;
  request->generation.sampling.logprobs = static_cast<uint32_t>(top_logprobs.value_or(0));
  if (const Json* reasoning = fields.Object("reasoning")) {
    JsonFields reasoning_fields(*reasoning, "reasoning.");
    request->summarizes_reasoning = reasoning_fields.String("summary").has_value();
  }
}

ResponsesRequest ReadOptions(JsonFields& fields, const RequestedModel& requested) {
  ResponsesRequest request;
  request.model_name = requested.name;
  request.booked_as = requested.booked_as;
  request.stream = fields.Bool("stream").value_or(false);
  request.store = fields.Bool("store").value_or(true);
  request.parallel_tool_calls = fields.Bool("parallel_tool_calls").value_or(true);
  request.generation.sampling = ReadSampling(fields, requested.defaults);
  request.generation.stop_strings = ReadStopStrings(fields, "stop");
  request.generation.stop_token_ids = ReadStopTokenIds(fields);
  request.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  request.generation.max_tokens = static_cast<uint32_t>(
      fields.Integer("max_output_tokens", 1, kMax).value_or(requested.defaults.max_tokens.value_or(0)));
  request.generation.priority = ReadPriority(fields);
  request.generation.cache_salt = ReadCacheSalt(fields);
  ReadIncludes(fields, &request);
  return request;
}

Json OrNull(const Json* value) { return value == nullptr ? Json(nullptr) : *value; }
Json Or(const Json* value, const Json& otherwise) { return value == nullptr ? otherwise : *value; }

// Every key of a response object that the request decides.
Json Echo(const JsonFields& fields, const ResponsesRequest& request) {
  const SamplingParams& sampling = request.generation.sampling;
  Json reasoning{{"effort", nullptr}, {"summary", nullptr}};
  if (const Json* given = fields.Any("reasoning")) reasoning.update(*given);
  Json text{{"format", {{"type", "text"}}}};
  if (const Json* given = fields.Any("text")) text.update(*given);
  if (text["format"].is_null()) text["format"] = Json{{"type", "text"}};
  return Json{{"background", false},
              {"instructions", OrNull(fields.Any("instructions"))},
              {"max_output_tokens", OrNull(fields.Any("max_output_tokens"))},
              {"max_tool_calls", OrNull(fields.Any("max_tool_calls"))},
              {"metadata", Or(fields.Any("metadata"), Json::object())},
              {"parallel_tool_calls", request.parallel_tool_calls},
              {"previous_response_id", OrNull(fields.Any("previous_response_id"))},
              {"prompt_cache_key", OrNull(fields.Any("prompt_cache_key"))},
              {"reasoning", std::move(reasoning)},
              {"safety_identifier", OrNull(fields.Any("safety_identifier"))},
              {"service_tier", "default"},
              {"store", request.store},
              {"temperature", sampling.temperature},
              {"text", std::move(text)},
              {"tool_choice", Or(fields.Any("tool_choice"), "auto")},
              {"tools", Or(fields.Any("tools"), Json::array())},
              {"top_logprobs", sampling.logprobs},
              {"top_p", sampling.top_p},
              {"presence_penalty", sampling.presence_penalty},
              {"frequency_penalty", sampling.frequency_penalty},
              {"truncation", "disabled"},
              {"user", OrNull(fields.Any("user"))}};
}

// The items of the whole conversation.
ApiResult<Json> ReadItems(JsonFields& fields, const Json& body, const OwnedResponses& stored) {
  const std::string previous_id = fields.String("previous_response_id").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  ApiResult<Json> before = ItemsBefore(previous_id, stored);
  if (!before) return before;
  Result<Json> items = ResponsesInputItems(body, std::move(*before));
  if (!items) return tl::unexpected(WithParamFromMessage(ToApiError(items.error())));
  if (auto resolved = ResolveReferences(&*items, stored); !resolved) return tl::unexpected(resolved.error());
  return std::move(*items);
}

// Sets the items, the tools and the prompt.
ApiResult<void> SetInput(const Json& body, const RequestedModel& requested, const ServedModel& model,
                         const OwnedResponses& stored, ResponsesRequest* request) {
  JsonFields fields(body);
  ReplyShape shape = {.parallel_tool_calls = request->parallel_tool_calls};
  ReadToolChoice(fields, &shape);
  ApiResult<OutputFormat> format = ReadTextFormat(fields);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (!format) return tl::unexpected(format.error());
  shape.format = std::move(*format);
  ApiResult<Json> items = ReadItems(fields, body, stored);
  if (!items) return tl::unexpected(items.error());
  Result<ResponsesConversation> conversation = ParseResponsesConversation(body, *items);
  if (!conversation) return tl::unexpected(WithParamFromMessage(ToApiError(conversation.error())));
  ChatRequest& chat = conversation->chat;
  if (!chat.enable_thinking) chat.enable_thinking = requested.defaults.thinking;
  AllowFlatNames(conversation->tools, &shape);
  request->items = std::move(*items);
  request->tools = std::move(conversation->tools);
  return SetConversation(std::move(chat), shape, model, request);
}

ApiResult<void> CheckContext(size_t prompt_tokens, uint32_t context_max) {
  if (prompt_tokens < context_max) return {};
  return tl::unexpected(ApiError{
      .code = ErrorCode::kInvalidArgument,
      .message = fmt::format("Your input exceeds the context window of this model: it has {} tokens, and the "
                             "window holds {}. Please shorten the input.",
                             prompt_tokens, context_max),
      .param = "input",
      .reason = "context_length_exceeded"});
}

ApiResult<RequestedModel> FindModelOf(JsonFields& fields, const ServedModel& model) {
  const std::string name = fields.String("model").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  return FindModel(model, name);
}

}  // namespace

ApiResult<ResponsesRequest> ParseResponsesRequest(const Json& body, const ServedModel& model,
                                                  const OwnedResponses& stored) {
  JsonFields fields(body);
  const ApiResult<RequestedModel> requested = FindModelOf(fields, model);
  if (!requested) return tl::unexpected(requested.error());
  RejectUnsupported(fields);
  ResponsesRequest request = ReadOptions(fields, *requested);
  if (fields.error()) return tl::unexpected(*fields.error());
  if (Status status = CheckSamplingParams(request.generation.sampling, model.engine->config().vocab_size);
      !status) {
    return tl::unexpected(WithParamFromMessage(ToApiError(status.error())));
  }
  if (auto set = SetInput(body, *requested, model, stored, &request); !set)
    return tl::unexpected(set.error());
  if (auto fits = CheckContext(request.generation.prompt.size(), model.engine->context_max()); !fits)
    return tl::unexpected(fits.error());
  request.echo = Echo(fields, request);
  return request;
}

ApiResult<uint64_t> CountResponsesTokens(const Json& body, const ServedModel& model,
                                         const OwnedResponses& stored) {
  JsonFields fields(body);
  const ApiResult<RequestedModel> requested = FindModelOf(fields, model);
  if (!requested) return tl::unexpected(requested.error());
  ResponsesRequest request;
  if (auto set = SetInput(body, *requested, model, stored, &request); !set)
    return tl::unexpected(set.error());
  return request.generation.prompt.size();
}

}  // namespace mimo

#include "server/chat_completions.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <string>

#include "server/json_fields.h"
#include "text/chat_message.h"
#include "text/encode_prompt.h"

namespace mimo {
namespace {

constexpr int64_t kChoicesMax = 128;  // OpenAI's limit
constexpr size_t kStopStringsMax = 64;
constexpr size_t kStopStringBytesMax = 1024;

// Fields that force a shape on the reply. Ignoring them would hand the client text it cannot use.
constexpr const char* kConstraintFields[] = {"guided_json",    "guided_regex",       "guided_choice",
                                             "guided_grammar", "structured_outputs", "grammar",
                                             "json_schema"};

void RejectUnsupported(JsonFields& fields) {
  constexpr auto kUnimplemented = ErrorCode::kUnimplemented;
  if (const Json* format = fields.Object("response_format")) {
    const auto type = format->find("type");
    if (type == format->end() || !type->is_string()) {
      fields.Fail("response_format", "must have a string 'type'");
    } else if (*type == "json_object" || *type == "json_schema") {
      fields.Fail("response_format", "of this type is not implemented yet: use {\"type\": \"text\"}",
                  kUnimplemented);
    } else if (*type != "text") {
      fields.Fail("response_format", "has an unknown type");
    }
  }
  for (const char* name : kConstraintFields) {
    if (fields.Any(name) != nullptr)
      fields.Fail(name, "(constrained output) is not implemented yet", kUnimplemented);
  }
  const Json* functions = fields.Any("functions");
  if (functions != nullptr && !functions->empty()) fields.Fail("functions", "is obsolete: use 'tools'");
  if (fields.Any("audio") != nullptr) fields.Fail("audio", "output is not implemented", kUnimplemented);
  if (const Json* modalities = fields.Array("modalities")) {
    const bool only_text = std::all_of(modalities->begin(), modalities->end(),
                                       [](const Json& entry) { return entry == "text"; });
    if (!only_text) fields.Fail("modalities", "other than text are not implemented", kUnimplemented);
  }
}

std::optional<float> Float(JsonFields& fields, const char* name, double min, double max) {
  const std::optional<double> value = fields.Number(name, min, max);
  return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
}

std::vector<std::pair<TokenId, float>> ReadLogitBias(JsonFields& fields) {
  std::vector<std::pair<TokenId, float>> result;
  const Json* object = fields.Object("logit_bias");
  if (object == nullptr) return result;
  for (const auto& [key, value] : object->items()) {
    TokenId token = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token);
    if (parsed.ec != std::errc() || parsed.ptr != key.data() + key.size() || !value.is_number()) {
      fields.Fail("logit_bias", "must map token ids to numbers");
      return result;
    }
    result.emplace_back(token, value.get<float>());
  }
  return result;
}

SamplingParams ReadSampling(JsonFields& fields, const ServedModel& model) {
  SamplingParams params;
  params.temperature = Float(fields, "temperature", 0, 2).value_or(model.temperature_default);
  params.top_p = Float(fields, "top_p", 0, 1).value_or(model.top_p_default);
  params.min_p = Float(fields, "min_p", 0, 1).value_or(params.min_p);
  params.typical_p = Float(fields, "typical_p", 0, 1).value_or(params.typical_p);
  // -1 means all tokens, as in vLLM.
  const int64_t top_k = fields.Integer("top_k", -1, std::numeric_limits<int32_t>::max()).value_or(0);
  params.top_k = static_cast<uint32_t>(std::max<int64_t>(top_k, 0));
  // vLLM's name, then llama.cpp's.
  const auto repeat_penalty = Float(fields, "repeat_penalty", 0, 100);
  params.repetition_penalty = Float(fields, "repetition_penalty", 0, 100)
                                  .value_or(repeat_penalty.value_or(params.repetition_penalty));
  params.presence_penalty = Float(fields, "presence_penalty", -2, 2).value_or(0.0F);
  params.frequency_penalty = Float(fields, "frequency_penalty", -2, 2).value_or(0.0F);
  params.logit_bias = ReadLogitBias(fields);
  if (const auto seed =
          fields.Integer("seed", std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max())) {
    params.seed = static_cast<uint64_t>(*seed);
  }
  params.report_logprobs = fields.Bool("logprobs").value_or(false);
  if (const auto top_logprobs = fields.Integer("top_logprobs", 0, kLogprobsMax)) {
    if (*top_logprobs > 0 && !params.report_logprobs)
      fields.Fail("top_logprobs", "needs 'logprobs' to be true");
    params.logprobs = static_cast<uint32_t>(*top_logprobs);
  }
  return params;
}

uint32_t ReadMaxTokens(JsonFields& fields) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  // -1 means no limit, as llama.cpp's clients send it.
  const auto new_name = fields.Integer("max_completion_tokens", -1, kMax);
  const auto old_name = fields.Integer("max_tokens", -1, kMax);
  const int64_t tokens = new_name.value_or(old_name.value_or(-1));
  if (tokens == 0) fields.Fail(new_name ? "max_completion_tokens" : "max_tokens", "must be at least 1");
  return static_cast<uint32_t>(std::max<int64_t>(tokens, 0));
}

std::vector<std::string> ReadStopStrings(JsonFields& fields) {
  std::vector<std::string> result;
  const Json* stop = fields.Any("stop");
  if (stop == nullptr) return result;
  const Json list = stop->is_array() ? *stop : Json::array({*stop});
  if (list.size() > kStopStringsMax)
    fields.Fail("stop", fmt::format("has more than {} entries", kStopStringsMax));
  for (const Json& entry : list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty() ||
        entry.get_ref<const std::string&>().size() > kStopStringBytesMax) {
      fields.Fail("stop", fmt::format("must be a string or an array of strings of 1 to {} bytes",
                                      kStopStringBytesMax));
      return {};
    }
    result.push_back(entry.get<std::string>());
  }
  return result;
}

std::vector<TokenId> ReadStopTokenIds(JsonFields& fields) {
  std::vector<TokenId> result;
  const Json* ids = fields.Array("stop_token_ids");
  if (ids == nullptr) return result;
  for (const Json& id : *ids) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<TokenId>::max()) {
      fields.Fail("stop_token_ids", "must be an array of token ids");
      return {};
    }
    result.push_back(id.get<TokenId>());
  }
  return result;
}

// Which of the declared tools the model may call.
struct ToolChoice {
  bool may_call = true;
  std::optional<std::set<std::string>> allowed;  // absent: all
};

// {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function":
// {...}}]}}
ToolChoice ReadAllowedTools(JsonFields& fields, const Json& choice) {
  ToolChoice result{.may_call = true, .allowed = std::set<std::string>()};
  const Json& allowed = choice.contains("allowed_tools") ? choice["allowed_tools"] : choice;
  if (!allowed.is_object() || !allowed.contains("tools") || !allowed["tools"].is_array()) {
    fields.Fail("tool_choice", "of type allowed_tools must have an array 'tools'");
    return result;
  }
  if (allowed.contains("mode") && allowed["mode"] != "auto") {
    fields.Fail("tool_choice", "that forces a call is not implemented yet: use mode \"auto\"",
                ErrorCode::kUnimplemented);
  }
  for (const Json& tool : allowed["tools"]) {
    if (!tool.is_object()) continue;
    const Json& function = tool.contains("function") ? tool["function"] : tool;
    if (function.is_object() && function.contains("name") && function["name"].is_string()) {
      result.allowed->insert(function["name"].get<std::string>());
    }
  }
  return result;
}

ToolChoice ReadToolChoice(JsonFields& fields) {
  const Json* choice = fields.Any("tool_choice");
  if (choice == nullptr || *choice == "auto") return {};
  if (*choice == "none") return {.may_call = false, .allowed = std::nullopt};
  if (choice->is_object() && choice->contains("type")) {
    if ((*choice)["type"] == "allowed_tools") return ReadAllowedTools(fields, *choice);
    if ((*choice)["type"] == "function") {
      fields.Fail("tool_choice", "that names a function is not implemented yet: use \"auto\"",
                  ErrorCode::kUnimplemented);
      return {};
    }
  }
  if (*choice == "required") {
    fields.Fail("tool_choice", "\"required\" is not implemented yet: use \"auto\"",
                ErrorCode::kUnimplemented);
  } else {
    fields.Fail("tool_choice", "must be \"none\", \"auto\", \"required\" or an object that names a function");
  }
  return {};
}

// Tools the model must not call are not shown to it either: it would only try.
void ApplyToolChoice(const ToolChoice& choice, ChatRequest& chat) {
  if (!choice.may_call) chat.tools.clear();
  if (choice.allowed) {
    std::erase_if(chat.tools,
                  [&](const ToolDefinition& tool) { return !choice.allowed->contains(tool.name); });
  }
}

ApiError ContextTooLong(size_t prompt_tokens, uint32_t context_max) {
  return {.code = ErrorCode::kInvalidArgument,
          .message =
              fmt::format("This model's maximum context length is {} tokens. However, your messages resulted "
                          "in {} tokens. Please reduce the length of the messages.",
                          context_max, prompt_tokens),
          .param = "messages",
          .reason = "context_length_exceeded"};
}

// Everything of the body but the conversation and its tools.
ChatCompletion ReadOptions(JsonFields& fields, const Json& body, const ServedModel& model) {
  ChatCompletion result;
  result.stream = fields.Bool("stream").value_or(false);
  if (const Json* options = fields.Object("stream_options")) {
    JsonFields stream_fields(*options, "stream_options.");
    result.include_usage = stream_fields.Bool("include_usage").value_or(false);
    if (stream_fields.error()) fields.Fail("stream_options", "has an 'include_usage' that is not a boolean");
  }
  result.num_choices = static_cast<uint32_t>(fields.Integer("n", 1, kChoicesMax).value_or(1));
  result.parallel_tool_calls = fields.Bool("parallel_tool_calls").value_or(true);
  result.generation.sampling = ReadSampling(fields, model);
  result.generation.max_tokens = ReadMaxTokens(fields);
  result.generation.stop_strings = ReadStopStrings(fields);
  result.generation.stop_token_ids = ReadStopTokenIds(fields);
  result.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  if (!body.contains("messages")) fields.Fail("messages", "is missing");
  return result;
}

}  // namespace

std::vector<GenerationRequest> ChatCompletion::EngineRequests() const {
  std::vector<GenerationRequest> requests(num_choices, generation);
  for (uint32_t index = 0; index < num_choices; ++index) {
    if (generation.sampling.seed) requests[index].sampling.seed = *generation.sampling.seed + index;
  }
  return requests;
}

ApiError WithParamFromMessage(ApiError error) {
  if (error.param.empty() && error.message.starts_with('\'')) {
    const size_t end = error.message.find('\'', 1);
    if (end != std::string::npos) error.param = error.message.substr(1, end - 1);
  }
  return error;
}

ApiResult<ChatCompletion> ParseChatCompletion(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  const std::string model_name = fields.String("model").value_or("");
  if (!fields.error()) {
    if (auto known = CheckModelName(model, model_name); !known)
      return tl::unexpected(std::move(known).error());
  }
  RejectUnsupported(fields);
  ChatCompletion result = ReadOptions(fields, body, model);
  const ToolChoice tool_choice = ReadToolChoice(fields);
  if (fields.error()) return tl::unexpected(*fields.error());
  const auto fail = [](const Error& error) {
    return tl::unexpected(WithParamFromMessage(ToApiError(error)));
  };
  if (Status status = CheckSamplingParams(result.generation.sampling, model.engine->config().vocab_size);
      !status) {
    return fail(status.error());
  }

  Result<ChatRequest> chat = ParseChatRequest(body);
  if (!chat) return fail(chat.error());
  ApplyToolChoice(tool_choice, *chat);
  const Result<RenderedPrompt> prompt = model.chat_template.RenderPrompt(*chat);
  if (!prompt) return fail(prompt.error());
  result.generation.prompt = EncodePrompt(*model.tokenizer, *prompt);
  if (result.generation.prompt.size() >= model.engine->context_max()) {
    return tl::unexpected(ContextTooLong(result.generation.prompt.size(), model.engine->context_max()));
  }
  result.parser = {.starts_in_reasoning = model.chat_template.StartsInReasoning(*chat),
                   .parse_tool_calls = !chat->tools.empty(),
                   .tools = std::move(chat->tools)};
  if (!result.parser.parse_tool_calls) ForbidToolCalls(model, result.generation.sampling);
  return result;
}

}  // namespace mimo

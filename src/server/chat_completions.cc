#include "server/chat_completions.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "server/json_fields.h"
#include "server/sampling_fields.h"
#include "text/chat_message.h"

namespace mimo {
namespace {

constexpr int64_t kChoicesMax = 128;  // OpenAI's limit

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

void ReadLogprobs(JsonFields& fields, SamplingParams* params) {
  params->report_logprobs = fields.Bool("logprobs").value_or(false);
  if (const auto top_logprobs = fields.Integer("top_logprobs", 0, kLogprobsMax)) {
    if (*top_logprobs > 0 && !params->report_logprobs)
      fields.Fail("top_logprobs", "needs 'logprobs' to be true");
    params->logprobs = static_cast<uint32_t>(*top_logprobs);
  }
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
  ReadLogprobs(fields, &result.generation.sampling);
  result.generation.max_tokens = ReadMaxTokens(fields);
  result.generation.stop_strings = ReadStopStrings(fields, "stop");
  result.generation.stop_token_ids = ReadStopTokenIds(fields);
  result.generation.priority = ReadPriority(fields);
  result.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  if (!body.contains("messages")) fields.Fail("messages", "is missing");
  return result;
}

}  // namespace

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
  if (auto set = SetConversation(std::move(*chat), model, &result); !set) return tl::unexpected(set.error());
  if (result.generation.prompt.size() >= model.engine->context_max()) {
    return tl::unexpected(
        ContextOverflowError({.prompt_tokens = static_cast<uint32_t>(result.generation.prompt.size()),
                              .context_max = model.engine->context_max()}));
  }
  return result;
}

}  // namespace mimo

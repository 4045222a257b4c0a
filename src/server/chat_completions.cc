#include "server/chat_completions.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/json_fields.h"
#include "server/output_format.h"
#include "server/reply_shape.h"
#include "server/sampling_fields.h"
#include "server/tool_choice_field.h"
#include "text/chat_message.h"

namespace mimo {
namespace {

constexpr int64_t kChoicesMax = 128;  // OpenAI's limit

void RefuseWhatIsMissing(JsonFields& fields) {
  constexpr auto kUnimplemented = ErrorCode::kUnimplemented;
  const Json* functions = fields.Any("functions");
  if (functions != nullptr && !functions->empty()) fields.Fail("functions", "is obsolete: use 'tools'");
  if (fields.Any("audio") != nullptr) fields.Fail("audio", "output is not implemented", kUnimplemented);
  if (const Json* modalities = fields.Array("modalities")) {
    const bool only_text = std::all_of(modalities->begin(), modalities->end(),
                                       [](const Json& entry) { return entry == "text"; });
    if (!only_text) fields.Fail("modalities", "other than text are not implemented", kUnimplemented);
  }
  if (fields.Bool("continue_final_message").value_or(false)) {
    fields.Fail("continue_final_message", "is not implemented", kUnimplemented);
  }
  if (const Json* prompt_logprobs = fields.Any("prompt_logprobs");
      prompt_logprobs != nullptr && *prompt_logprobs != 0) {
    fields.Fail("prompt_logprobs", "is not implemented", kUnimplemented);
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

// Everything of the body but the conversation, its tools and what the reply must look like.
ChatCompletion ReadOptions(JsonFields& fields, const RequestedModel& requested) {
  ChatCompletion result;
  result.model_name = requested.name;
  result.booked_as = requested.booked_as;
  result.streaming = ReadStreamOptions(fields);
  result.stream = result.streaming.stream;
  result.num_choices = static_cast<uint32_t>(fields.Integer("n", 1, kChoicesMax).value_or(1));
  result.parallel_tool_calls = fields.Bool("parallel_tool_calls").value_or(true);
  result.return_token_ids = fields.Bool("return_token_ids").value_or(false);
  result.generation.sampling = ReadSampling(fields, requested.defaults);
  ReadLogprobs(fields, &result.generation.sampling);
  result.generation.max_tokens = ReadMaxTokens(fields, requested.defaults.max_tokens);
  result.generation.stop_strings = ReadStopStrings(fields, "stop");
  result.generation.stop_token_ids = ReadStopTokenIds(fields);
  result.generation.priority = ReadPriority(fields);
  result.generation.cache_salt = ReadCacheSalt(fields);
  result.generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  if (fields.Any("messages") == nullptr) fields.Fail("messages", "is missing");
  return result;
}

ReplyShape ReadReplyShape(JsonFields& fields, bool parallel_tool_calls) {
  ReplyShape shape;
  shape.parallel_tool_calls = parallel_tool_calls;
  ReadToolChoice(fields, &shape);
  shape.format = ReadOutputFormat(fields);
  return shape;
}

}  // namespace

ApiResult<ChatCompletion> ParseChatCompletion(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  const std::string model_name = fields.String("model").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  const ApiResult<RequestedModel> requested = FindModel(model, model_name);
  if (!requested) return tl::unexpected(requested.error());
  RefuseWhatIsMissing(fields);
  ChatCompletion result = ReadOptions(fields, *requested);
  const ReplyShape shape = ReadReplyShape(fields, result.parallel_tool_calls);
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
  if (!chat->enable_thinking) chat->enable_thinking = requested->defaults.thinking;
  if (auto set = SetConversation(std::move(*chat), shape, model, &result); !set)
    return tl::unexpected(set.error());
  if (result.generation.prompt.size() >= model.engine->context_max()) {
    return tl::unexpected(
        ContextOverflowError({.prompt_tokens = static_cast<uint32_t>(result.generation.prompt.size()),
                              .context_max = model.engine->context_max()}));
  }
  return result;
}

}  // namespace mimo

#include "server/completions_request.h"

#include <limits>
#include <utility>

#include "server/json_fields.h"
#include "server/output_format.h"
#include "server/sampling_fields.h"

namespace mimo {
namespace {

constexpr int64_t kCompletionsMax = 128;
constexpr uint32_t kMaxTokensDefault = 16;  // OpenAI's

bool IsTokenId(const Json& value, uint32_t vocab_size) {
  return value.is_number_unsigned() && value.get<uint64_t>() < vocab_size;
}

std::optional<std::vector<TokenId>> TokensOf(const Json& list, uint32_t vocab_size) {
  std::vector<TokenId> tokens;
  for (const Json& token : list) {
    if (!IsTokenId(token, vocab_size)) return std::nullopt;
    tokens.push_back(token.get<TokenId>());
  }
  return tokens;
}

// What was typed by hand may hold a whole rendered conversation, so control tokens in it count as such.
std::vector<TokenId> TokensOf(const std::string& text, const ServedModel& model) {
  return model.tokenizer->Encode(text, AddedTokens::kParse);
}

std::vector<std::vector<TokenId>> ReadPrompts(JsonFields& fields, const ServedModel& model) {
  std::vector<std::vector<TokenId>> prompts;
  const Json* prompt = fields.Any("prompt");
  if (prompt == nullptr) {
    fields.Fail("prompt", "is missing");
    return prompts;
  }
  const uint32_t vocab_size = model.engine->config().vocab_size;
  const bool is_one =
      prompt->is_string() || (prompt->is_array() && !prompt->empty() && prompt->front().is_number());
  const Json list = is_one ? Json::array({*prompt}) : *prompt;
  if (!list.is_array() || list.empty()) {
    fields.Fail("prompt", "must be a string, an array of strings, or token ids");
    return prompts;
  }
  for (const Json& entry : list) {
    std::optional<std::vector<TokenId>> tokens;
    if (entry.is_string()) tokens = TokensOf(entry.get_ref<const std::string&>(), model);
    if (entry.is_array()) tokens = TokensOf(entry, vocab_size);
    if (!tokens) {
      fields.Fail("prompt",
                  fmt::format("must be a string, an array of strings, or token ids below {}", vocab_size));
      return {};
    }
    if (tokens->empty()) {
      fields.Fail("prompt", "must not be empty");
      return {};
    }
    prompts.push_back(std::move(*tokens));
  }
  return prompts;
}

void RefuseWhatCompletionsLack(JsonFields& fields) {
  constexpr auto kUnimplemented = ErrorCode::kUnimplemented;
  const std::optional<std::string> suffix = fields.String("suffix");
  if (suffix && !suffix->empty())
    fields.Fail("suffix", "(text to insert before) is not implemented", kUnimplemented);
  if (const Json* prompt_logprobs = fields.Any("prompt_logprobs");
      prompt_logprobs != nullptr && *prompt_logprobs != 0) {
    fields.Fail("prompt_logprobs", "is not implemented", kUnimplemented);
  }
}

void ReadChoiceCount(JsonFields& fields, size_t num_prompts, TextCompletion& result) {
  const int64_t n = fields.Integer("n", 1, kCompletionsMax).value_or(1);
  const int64_t best_of = fields.Integer("best_of", 1, kCompletionsMax).value_or(n);
  if (best_of < n) fields.Fail("best_of", "must be at least 'n'");
  if (best_of > n) {
    fields.Fail("best_of", "above 'n' is not implemented: ask for more answers with 'n'",
                ErrorCode::kUnimplemented);
  }
  if (static_cast<int64_t>(num_prompts) * n > kCompletionsMax) {
    fields.Fail("prompt", fmt::format("and 'n' ask for more than {} answers", kCompletionsMax));
  }
  result.num_choices = static_cast<uint32_t>(n);
}

void ReadLogprobs(JsonFields& fields, bool echoes, SamplingParams& sampling) {
  const Json* given = fields.Any("logprobs");
  if (given == nullptr || *given == false) return;
  const auto logprobs = fields.Integer("logprobs", 0, kLogprobsMax);
  if (!logprobs) return;
  if (echoes) {
    fields.Fail("logprobs", "together with 'echo' needs those of the prompt, which is not implemented",
                ErrorCode::kUnimplemented);
  }
  sampling.report_logprobs = true;
  sampling.logprobs = static_cast<uint32_t>(*logprobs);
}

ApiError ContextTooLong(size_t prompt_tokens, uint32_t context_max) {
  return {.code = ErrorCode::kInvalidArgument,
          .message = fmt::format(
              "This model's maximum context length is {} tokens. However, your prompt resulted in {} "
              "tokens. Please reduce the length of the prompt.",
              context_max, prompt_tokens),
          .param = "prompt",
          .reason = "context_length_exceeded"};
}

}  // namespace

ApiResult<TextCompletion> ParseTextCompletion(const Json& body, const ServedModel& model) {
  JsonFields fields(body);
  const std::string model_name = fields.String("model").value_or("");
  if (fields.error()) return tl::unexpected(*fields.error());
  const ApiResult<RequestedModel> requested = FindModel(model, model_name);
  if (!requested) return tl::unexpected(requested.error());

  TextCompletion result;
  result.model_name = requested->name;
  result.booked_as = requested->booked_as;
  RefuseWhatCompletionsLack(fields);
  result.prompts = ReadPrompts(fields, model);
  ReadChoiceCount(fields, result.prompts.size(), result);
  result.streaming = ReadStreamOptions(fields);
  result.stream = result.streaming.stream;
  result.return_token_ids = fields.Bool("return_token_ids").value_or(false);
  GenerationRequest& generation = result.generation;
  generation.sampling = ReadSampling(fields, requested->defaults);
  const bool echoes = fields.Bool("echo").value_or(false);
  ReadLogprobs(fields, echoes, generation.sampling);
  generation.max_tokens = ReadMaxTokens(fields, requested->defaults.max_tokens.value_or(kMaxTokensDefault));
  generation.stop_strings = ReadStopStrings(fields, "stop");
  generation.stop_token_ids = ReadStopTokenIds(fields);
  generation.priority = ReadPriority(fields);
  generation.cache_salt = ReadCacheSalt(fields);
  generation.ignore_eos = fields.Bool("ignore_eos").value_or(false);
  const OutputFormat format = ReadOutputFormat(fields);
  if (fields.error()) return tl::unexpected(*fields.error());

  for (const std::vector<TokenId>& prompt : result.prompts) {
    if (prompt.size() >= model.engine->context_max()) {
      return tl::unexpected(ContextTooLong(prompt.size(), model.engine->context_max()));
    }
    if (echoes) result.echoed.push_back(model.tokenizer->Decode(prompt));
  }
  if (Status status = CheckSamplingParams(generation.sampling, model.engine->config().vocab_size); !status) {
    return tl::unexpected(WithParamFromMessage(ToApiError(status.error())));
  }
  result.parser.is_plain_text = true;
  if (auto set = SetFormat(format, model, &result); !set) return tl::unexpected(set.error());
  return result;
}

}  // namespace mimo

#include "server/served_model.h"

#include <fmt/chrono.h>

#include <algorithm>

#include "server/model_name.h"

namespace mimo {

ApiResult<void> CheckModelName(const ServedModel& model, std::string_view requested) {
  if (requested.empty()) return {};
  const std::string name = ComparableModelName(requested);
  const bool known = name == ComparableModelName(model.id) ||
                     std::any_of(model.aliases.begin(), model.aliases.end(), [&](const std::string& alias) {
                       return ComparableModelName(alias) == name;
                     });
  if (known) return {};
  return tl::unexpected(ApiError{
      .code = ErrorCode::kNotFound,
      .message = fmt::format("the model '{}' does not exist here: this server has '{}'", requested, model.id),
      .param = "model",
      .reason = "model_not_found"});
}

std::vector<TokenId> ToolCallOpeners(const Tokenizer& tokenizer) {
  std::vector<TokenId> openers;
  for (TokenId token = 0; token < tokenizer.vocab_size(); ++token) {
    if (tokenizer.TokenBytes(token).find("<tool_call>") != std::string_view::npos) openers.push_back(token);
  }
  return openers;
}

void ForbidToolCalls(const ServedModel& model, SamplingParams& sampling) {
  for (const TokenId token : model.tool_call_openers) {
    if (token < model.engine->config().vocab_size) sampling.banned_tokens.push_back(token);
  }
}

Json ModelJson(const ServedModel& model) {
  const uint32_t context = model.engine->context_max();
  return Json{{"id", model.id},
              {"object", "model"},
              {"type", "model"},
              {"display_name", model.id},
              {"created", model.created_unix_seconds},
              {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                         fmt::gmtime(static_cast<std::time_t>(model.created_unix_seconds)))},
              {"owned_by", "xiaomi"},
              {"max_model_len", context},
              {"max_input_tokens", context},
              {"max_tokens", context}};
}

Json ModelListJson(const ServedModel& model) {
  return Json{{"object", "list"},
              {"data", Json::array({ModelJson(model)})},
              {"has_more", false},
              {"first_id", model.id},
              {"last_id", model.id}};
}

}  // namespace mimo

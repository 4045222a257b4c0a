#include "server/served_model.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <utility>

#include "server/model_name.h"

namespace mimo {
namespace {

struct ThinkingSuffix {
  std::string_view text;
  bool thinking;
};
constexpr ThinkingSuffix kThinkingSuffixes[] = {
    {"-nothinking", false}, {"-no-thinking", false}, {"-nothink", false}, {"-thinking", true}};

const ModelAlias* FindAlias(const ServedModel& model, const std::string& name, bool is_pattern) {
  for (const ModelAlias& alias : model.aliases) {
    if (alias.is_pattern() != is_pattern) continue;
    const std::string comparable = ComparableModelName(alias.name);
    if (is_pattern ? MatchesPattern(name, comparable) : comparable == name) return &alias;
  }
  return nullptr;
}

// `name` is comparable.
std::optional<RequestedModel> FindSpelledOut(const ServedModel& model, const std::string& name) {
  if (name == ComparableModelName(model.id))
    return RequestedModel{.name = model.id, .booked_as = model.id, .defaults = model.defaults};
  const ModelAlias* alias = FindAlias(model, name, false);
  if (alias == nullptr) return std::nullopt;
  return RequestedModel{
      .name = alias->name, .booked_as = alias->name, .defaults = Merge(alias->defaults, model.defaults)};
}

// `name` is comparable; `requested` as the client wrote it.
std::optional<RequestedModel> FindByPattern(const ServedModel& model, const std::string& name,
                                            std::string_view requested) {
  const ModelAlias* alias = FindAlias(model, name, true);
  if (alias == nullptr) return std::nullopt;
  return RequestedModel{.name = std::string(requested),
                        .booked_as = alias->name,
                        .defaults = Merge(alias->defaults, model.defaults)};
}

std::optional<RequestedModel> FindWithThinkingSuffix(const ServedModel& model, const std::string& name,
                                                     std::string_view requested) {
  for (const ThinkingSuffix& suffix : kThinkingSuffixes) {
    if (!name.ends_with(suffix.text)) continue;
    const std::string base = name.substr(0, name.size() - suffix.text.size());
    std::optional<RequestedModel> found = FindSpelledOut(model, base);
    if (found) {
      found->name += suffix.text;
      found->booked_as = found->name;
    } else {
      found = FindByPattern(model, base, requested);
    }
    if (!found) continue;
    found->defaults.thinking = suffix.thinking;
    return found;
  }
  return std::nullopt;
}

}  // namespace

void KeepSampledTurns(const Engine& engine, uint64_t cache_bytes_max, ServedModel* model) {
  constexpr uint64_t kShareOfCache = 32;
  std::string folder = engine.cache_folder();
  if (folder.empty()) return;
  model->sampled_turns_file = std::make_unique<SampledTurnsFile>(
      std::move(folder), std::min<uint64_t>(kSampledTurnsBytesMax, cache_bytes_max / kShareOfCache),
      *model->sampled_turns);
}

ApiResult<RequestedModel> FindModel(const ServedModel& model, std::string_view requested) {
  if (requested.empty()) {
    return RequestedModel{.name = model.id, .booked_as = model.id, .defaults = model.defaults};
  }
  const std::string name = ComparableModelName(requested);
  if (auto found = FindSpelledOut(model, name)) return *std::move(found);
  if (auto found = FindWithThinkingSuffix(model, name, requested)) return *std::move(found);
  if (auto found = FindByPattern(model, name, requested)) return *std::move(found);
  return tl::unexpected(ApiError{
      .code = ErrorCode::kNotFound,
      .message = fmt::format("the model '{}' does not exist here: this server has '{}'", requested, model.id),
      .param = "model",
      .reason = "model_not_found"});
}

ApiResult<void> CheckModelName(const ServedModel& model, std::string_view requested) {
  if (const auto found = FindModel(model, requested); !found) return tl::unexpected(found.error());
  return {};
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

Json ModelJson(const ServedModel& model, const std::string& name) {
  const uint32_t context = model.engine->context_max();
  return Json{{"id", name},
              {"object", "model"},
              {"type", "model"},
              {"display_name", name},
              {"created", model.created_unix_seconds},
              {"created_at", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                         fmt::gmtime(static_cast<std::time_t>(model.created_unix_seconds)))},
              {"owned_by", "xiaomi"},
              {"root", model.id},
              {"max_model_len", context},
              {"max_input_tokens", context},
              {"max_tokens", context}};
}

Json ModelListJson(const ServedModel& model) {
  std::vector<std::string> names = {model.id, model.id + "-thinking", model.id + "-nothink"};
  for (const ModelAlias& alias : model.aliases) {
    if (!alias.is_pattern()) names.push_back(alias.name);
  }
  Json list = Json::array();
  for (const std::string& name : names) list.push_back(ModelJson(model, name));
  return Json{{"object", "list"},
              {"data", std::move(list)},
              {"has_more", false},
              {"first_id", names.front()},
              {"last_id", names.back()}};
}

}  // namespace mimo

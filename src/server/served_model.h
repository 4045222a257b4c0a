#pragma once
// The model behind the server, under all the names clients call it by.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "engine/sampled_turns_file.h"
#include "server/api_error.h"
#include "server/grammar_cache.h"
#include "server/model_alias.h"
#include "text/chat_template.h"
#include "text/sampled_turns.h"
#include "text/tokenizer.h"

namespace mimo {

// Where servers and clients differ about conversations, what this one does.
struct ChatPolicy {
  // With thinking on, refuse an assistant turn that calls tools and comes without its reasoning, in the words
  // of Xiaomi's platform. Otherwise such a turn is rendered with empty reasoning, and counted.
  bool strict_reasoning_replay = false;
  // With thinking on, ignore the request's temperature and top_p for 1.0 and 0.95, as the platform does.
  bool platform_sampling = false;
  // Repeat `reasoning_content` under vLLM's newer name `reasoning`.
  bool reasoning_field = false;
};

// Some ten thousand turns of an agent.
constexpr size_t kSampledTurnsBytesMax = size_t{64} << 20;

struct ServedModel {
  std::string id;                   // "mimo-v2-flash"
  std::vector<ModelAlias> aliases;  // further names, such as "XiaomiMiMo/MiMo-V2-Flash" or "claude-*"
  int64_t created_unix_seconds = 0;
  ChatTemplate chat_template{ChatTemplateKind::kMimoV26};
  // For requests that leave them open: what Xiaomi's platform documents as its defaults.
  RequestDefaults defaults = {.temperature = 1.0F, .top_p = 0.95F};
  ChatPolicy policy;
  std::vector<TokenId> tool_call_openers;  // ToolCallOpeners; ApiServer and BatchRun fill it
  std::unique_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<SampledTurns> sampled_turns = std::make_unique<SampledTurns>(kSampledTurnsBytesMax);
  std::unique_ptr<SampledTurnsFile> sampled_turns_file;  // null: they do not outlive the process
  std::unique_ptr<Engine> engine;  // after the tokenizer: it is destroyed first and uses it until then
  std::unique_ptr<GrammarCache> grammars = std::make_unique<GrammarCache>();
};

// From now on turns as sampled outlive the process, where the engine's prefix cache does. They take a small
// share of what it may take on disk.
void KeepSampledTurns(const Engine& engine, uint64_t cache_bytes_max, ServedModel* model);

// The model as a request names it.
struct RequestedModel {
  std::string name;  // for the reply: the model's id, or the alias that was used
  // For the accounts: the same, but of a pattern the pattern. Clients may invent names without end that match
  // it, and each name makes a row a day.
  std::string booked_as;
  RequestDefaults defaults;  // the alias's, then the model's
};

// FindModel without what it finds.
ApiResult<void> CheckModelName(const ServedModel& model, std::string_view requested);

// By its id or an alias, in any case, with or without the vendor before a slash and a "[1m]"-like suffix.
// Each of these may end in "-thinking" or "-nothink", for clients that have no other switch. Empty means the
// only model there is. Else kNotFound with reason "model_not_found". An alias that is spelled out comes
// before patterns, and these in their order.
ApiResult<RequestedModel> FindModel(const ServedModel& model, std::string_view requested);

// Every token that holds the marker of a call: the marker itself, and longer ones where the vocabulary was
// learnt from calls.
std::vector<TokenId> ToolCallOpeners(const Tokenizer& tokenizer);

// For a conversation in which no tool is offered. A model that is trained on calls makes one up all the same;
// without the tokens that open one it has to answer in words.
void ForbidToolCalls(const ServedModel& model, SamplingParams& sampling);

// The body of GET /v1/models: one object that OpenAI's and Anthropic's clients both read. The model's id
// comes first, then its names that are no patterns.
Json ModelListJson(const ServedModel& model);
// One entry of it, under a name that FindModel gave.
Json ModelJson(const ServedModel& model, const std::string& name);

}  // namespace mimo

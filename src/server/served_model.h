#pragma once
// The model behind the server, under all the names clients call it by.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"
#include "server/api_error.h"
#include "text/chat_template.h"
#include "text/sampled_turns.h"
#include "text/tokenizer.h"

namespace mimo {

struct ServedModel {
  std::string id;                    // "mimo-v2-flash"
  std::vector<std::string> aliases;  // further names, such as "XiaomiMiMo/MiMo-V2-Flash"
  int64_t created_unix_seconds = 0;
  ChatTemplate chat_template{ChatTemplateKind::kMimoV26};
  // For requests that leave them open: what Xiaomi's platform documents as its defaults.
  float temperature_default = 1.0F;
  float top_p_default = 0.95F;
  std::vector<TokenId> tool_call_openers;  // ToolCallOpeners of the tokenizer; ApiServer::SetModel fills it
  std::unique_ptr<const Tokenizer> tokenizer;
  // Some ten thousand turns of an agent.
  std::unique_ptr<SampledTurns> sampled_turns = std::make_unique<SampledTurns>(size_t{64} << 20);
  std::unique_ptr<Engine> engine;  // after the tokenizer: it is destroyed first and uses it until then
};

// Ok when a request's `model` means `model`: its id or an alias, in any case, with or without the vendor
// before a slash and a "[1m]"-like suffix; empty means the only one there is. Else kNotFound with reason
// "model_not_found".
ApiResult<void> CheckModelName(const ServedModel& model, std::string_view requested);

// Every token that holds the marker of a call: the marker itself, and longer ones where the vocabulary was
// learnt from calls.
std::vector<TokenId> ToolCallOpeners(const Tokenizer& tokenizer);

// For a conversation in which no tool is offered. A model that is trained on calls makes one up all the same;
// without the tokens that open one it has to answer in words.
void ForbidToolCalls(const ServedModel& model, SamplingParams& sampling);

// The body of GET /v1/models: one object that OpenAI's and Anthropic's clients both read.
Json ModelListJson(const ServedModel& model);
// One entry of it.
Json ModelJson(const ServedModel& model);

}  // namespace mimo

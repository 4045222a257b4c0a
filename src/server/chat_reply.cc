#include "server/chat_reply.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "server/generation_route.h"

namespace mimo {
namespace {

// One token may be part of a character: `bytes` is exact, `token` shows U+FFFD there.
Json TokenJson(TokenId token, float logprob, const Tokenizer& tokenizer) {
  const std::string_view bytes = tokenizer.TokenBytes(token);
  Json array = Json::array();
  for (const char byte : bytes) array.push_back(static_cast<uint8_t>(byte));
  // JSON has no infinity; OpenAI writes this for what cannot happen.
  return Json{
      {"token", std::string(bytes)}, {"logprob", std::max(logprob, -9999.0F)}, {"bytes", std::move(array)}};
}

Json Envelope(const ReplyIdentity& identity, const char* object) {
  return Json{{"id", identity.id},
              {"object", object},
              {"created", identity.created_unix_seconds},
              {"model", identity.model}};
}

void AppendTokenIds(const std::vector<SampledToken>& tokens, Json& result) {
  for (const SampledToken& token : tokens) result.push_back(token.token);
}

Json DeltaOf(const OutputEvent& event, bool reasoning_field) {
  switch (event.kind) {
    case OutputEvent::Kind::kReasoning:
      if (reasoning_field) return Json{{"reasoning_content", event.text}, {"reasoning", event.text}};
      return Json{{"reasoning_content", event.text}};
    case OutputEvent::Kind::kContent:
      return Json{{"content", event.text}};
    case OutputEvent::Kind::kToolCallBegin:
      return Json{
          {"tool_calls", Json::array({Json{{"index", event.tool_index},
                                           {"id", RandomId("call_")},
                                           {"type", "function"},
                                           {"function", {{"name", event.text}, {"arguments", ""}}}}})}};
    case OutputEvent::Kind::kToolArguments:
      return Json{{"tool_calls", Json::array({Json{{"index", event.tool_index},
                                                   {"function", {{"arguments", event.text}}}}})}};
    case OutputEvent::Kind::kToolCallEnd:
      break;
  }
  return nullptr;
}

}  // namespace

ReplyIdentity NewReplyIdentity(std::string_view prefix, const std::string& model) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {.id = RandomId(prefix),
          .created_unix_seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count(),
          .model = model};
}

TokenCounts TotalsOf(const ChoicePieces& pieces) {
  return {.prompt = pieces.usage.prompt_tokens,
          .cached = pieces.usage.cached_tokens,
          .completion = pieces.usage.completion_tokens,
          .reasoning = pieces.reasoning_tokens};
}

Json UsageJson(const TokenCounts& counts, const RequestMeter* meter) {
  Json usage{{"prompt_tokens", counts.prompt},
             {"completion_tokens", counts.completion},
             {"total_tokens", counts.prompt + counts.completion},
             {"prompt_tokens_details", {{"cached_tokens", counts.cached}}},
             {"completion_tokens_details", {{"reasoning_tokens", counts.reasoning}}}};
  AddCost(meter, counts, &usage);
  return usage;
}

void AppendLogprobs(const std::vector<SampledToken>& tokens, const Tokenizer& tokenizer, Json& result) {
  for (const SampledToken& token : tokens) {
    Json entry = TokenJson(token.token, token.logprob, tokenizer);
    Json top = Json::array();
    for (const TokenLogprob& candidate : token.top) {
      top.push_back(TokenJson(candidate.token, candidate.logprob, tokenizer));
    }
    entry["top_logprobs"] = std::move(top);
    result.push_back(std::move(entry));
  }
}

std::string_view FinishReasonName(ChoiceEnd end) {
  switch (end) {
    case ChoiceEnd::kLength:
      return "length";
    case ChoiceEnd::kToolCalls:
      return "tool_calls";
    default:
      return "stop";
  }
}

Json ChatChunks::Chunk(Json delta, Json finish_reason) {
  Json choice{{"index", index_}, {"delta", std::move(delta)}};
  if (options_.return_token_ids) choice["token_ids"] = std::exchange(token_ids_, Json::array());
  if (options_.report_logprobs) {
    choice["logprobs"] = logprobs_.empty() ? Json(nullptr) : Json{{"content", std::move(logprobs_)}};
    logprobs_ = Json::array();
  }
  choice["finish_reason"] = std::move(finish_reason);
  Json chunk = Envelope(identity_, "chat.completion.chunk");
  chunk["choices"] = Json::array({std::move(choice)});
  return chunk;
}

std::vector<Json> ChatChunks::Add(const ChoicePieces& pieces) {
  std::vector<Json> chunks;
  if (!role_sent_) {
    role_sent_ = true;
    chunks.push_back(Chunk(Json{{"role", "assistant"}, {"content", ""}}, nullptr));
  }
  if (options_.report_logprobs) AppendLogprobs(pieces.tokens, tokenizer_, logprobs_);
  if (options_.return_token_ids) AppendTokenIds(pieces.tokens, token_ids_);
  for (const OutputEvent& event : pieces.events) {
    Json delta = DeltaOf(event, options_.reasoning_field);
    if (!delta.is_null()) chunks.push_back(Chunk(std::move(delta), nullptr));
  }
  if (pieces.end) chunks.push_back(Chunk(Json::object(), FinishReasonName(*pieces.end)));
  return chunks;
}

Json ChatChunks::UsageChunk(const ReplyIdentity& identity, Json usage) {
  Json chunk = Envelope(identity, "chat.completion.chunk");
  chunk["choices"] = Json::array();
  chunk["usage"] = std::move(usage);
  return chunk;
}

void ChatMessageBuilder::Add(const ChoicePieces& pieces) {
  if (options_.report_logprobs) AppendLogprobs(pieces.tokens, tokenizer_, logprobs_);
  if (options_.return_token_ids) AppendTokenIds(pieces.tokens, token_ids_);
  for (const OutputEvent& event : pieces.events) {
    switch (event.kind) {
      case OutputEvent::Kind::kReasoning:
        reasoning_ += event.text;
        break;
      case OutputEvent::Kind::kContent:
        content_ += event.text;
        break;
      case OutputEvent::Kind::kToolCallBegin:
        calls_.push_back({.id = RandomId("call_"), .name = event.text, .arguments = {}, .ended = false});
        break;
      case OutputEvent::Kind::kToolArguments:
        calls_.back().arguments += event.text;
        break;
      case OutputEvent::Kind::kToolCallEnd:
        calls_.back().ended = true;
        break;
    }
  }
  if (pieces.end) end_ = pieces.end;
}

Json ChatMessageBuilder::Choice() const {
  MIMO_CHECK(end_.has_value());
  Json calls = Json::array();
  for (const Call& call : calls_) {
    if (!call.ended) continue;
    calls.push_back(Json{{"id", call.id},
                         {"type", "function"},
                         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  Json message{{"role", "assistant"}};
  message["content"] = content_.empty() && !calls.empty() ? Json(nullptr) : Json(content_);
  if (!reasoning_.empty()) {
    message["reasoning_content"] = reasoning_;
    if (options_.reasoning_field) message["reasoning"] = reasoning_;
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  Json choice{{"index", index_},
              {"message", std::move(message)},
              {"logprobs", options_.report_logprobs ? Json{{"content", logprobs_}} : Json(nullptr)},
              {"finish_reason", FinishReasonName(*end_)}};
  if (options_.return_token_ids) choice["token_ids"] = token_ids_;
  return choice;
}

Json CompletionJson(const ReplyIdentity& identity, const std::vector<ChatMessageBuilder>& choices,
                    Json usage) {
  Json result = Envelope(identity, "chat.completion");
  Json array = Json::array();
  for (const ChatMessageBuilder& choice : choices) array.push_back(choice.Choice());
  result["choices"] = std::move(array);
  result["usage"] = std::move(usage);
  return result;
}

}  // namespace mimo

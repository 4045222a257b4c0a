#include "server/messages_reply.h"

#include <memory>
#include <optional>
#include <utility>

#include "server/messages_error.h"
#include "server/opaque_text.h"

namespace mimo {
namespace {

// What a signature holds when the block shows its text.
constexpr std::string_view kSignatureOfShownText = "";

std::string_view StopReason(ChoiceEnd end, bool stopped_by_string, bool reached_limit) {
  if (end == ChoiceEnd::kToolCalls) return "tool_use";
  if (end == ChoiceEnd::kLength) return reached_limit ? "max_tokens" : "model_context_window_exceeded";
  return stopped_by_string ? "stop_sequence" : "end_turn";
}

}  // namespace

Json MessagesUsageJson(const TokenCounts& counts) {
  return Json{{"input_tokens", counts.prompt - counts.cached},
              {"cache_creation_input_tokens", 0},
              {"cache_read_input_tokens", counts.cached},
              {"output_tokens", counts.completion},
              {"output_tokens_details", {{"thinking_tokens", counts.reasoning}}}};
}

void MessageBlocks::Start(Open kind, Json block, std::vector<Json>* events) {
  Stop(events);
  open_ = kind;
  ++index_;
  block_ = std::move(block);
  text_.clear();
  call_ended_ = false;
  events->push_back(Json{{"type", "content_block_start"}, {"index", index_}, {"content_block", block_}});
}

void MessageBlocks::Delta(Json delta, std::vector<Json>* events) const {
  events->push_back(Json{{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
}

void MessageBlocks::Stop(std::vector<Json>* events) {
  switch (open_) {
    case Open::kNothing:
      return;
    case Open::kThinking: {
      const std::string signature = PackOpaqueText(shows_thinking_ ? kSignatureOfShownText : text_);
      Delta(Json{{"type", "signature_delta"}, {"signature", signature}}, events);
      block_["thinking"] = shows_thinking_ ? text_ : "";
      block_["signature"] = signature;
      content_.push_back(block_);
      break;
    }
    case Open::kText:
      block_["text"] = text_;
      content_.push_back(block_);
      break;
    case Open::kToolUse:
      if (!call_ended_) break;
      if (Result<Json> input = ParseJson(text_)) {
        block_["input"] = std::move(*input);
        content_.push_back(block_);
      }
      break;
  }
  events->push_back(Json{{"type", "content_block_stop"}, {"index", index_}});
  open_ = Open::kNothing;
}

void MessageBlocks::AddText(Open kind, const std::string& text, std::vector<Json>* events) {
  if (text.empty()) return;
  const bool is_thinking = kind == Open::kThinking;
  if (open_ != kind) {
    Start(kind,
          is_thinking ? Json{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}
                      : Json{{"type", "text"}, {"text", ""}},
          events);
  }
  text_ += text;
  if (is_thinking && shows_thinking_) {
    Delta(Json{{"type", "thinking_delta"}, {"thinking", text}}, events);
  } else if (!is_thinking) {
    Delta(Json{{"type", "text_delta"}, {"text", text}}, events);
  }
}

std::vector<Json> MessageBlocks::Add(const std::vector<OutputEvent>& pieces) {
  std::vector<Json> events;
  for (const OutputEvent& piece : pieces) {
    switch (piece.kind) {
      case OutputEvent::Kind::kReasoning:
        AddText(Open::kThinking, piece.text, &events);
        break;
      case OutputEvent::Kind::kContent:
        AddText(Open::kText, piece.text, &events);
        break;
      case OutputEvent::Kind::kToolCallBegin:
        Start(Open::kToolUse,
              Json{{"type", "tool_use"},
                   {"id", RandomId("toolu_")},
                   {"name", piece.text},
                   {"input", Json::object()}},
              &events);
        break;
      case OutputEvent::Kind::kToolArguments:
        text_ += piece.text;
        Delta(Json{{"type", "input_json_delta"}, {"partial_json", piece.text}}, &events);
        break;
      case OutputEvent::Kind::kToolCallEnd:
        call_ended_ = true;
        Stop(&events);
        break;
    }
  }
  return events;
}

std::vector<Json> MessageBlocks::Close() {
  std::vector<Json> events;
  Stop(&events);
  return events;
}

namespace {

class MessagesFormat final : public ReplyFormat {
 public:
  MessagesFormat(const MessagesRequest& request, const GenerationRoute& route)
      : stream_(request.stream),
        max_tokens_(request.generation.max_tokens),
        id_(RandomId("msg_")),
        model_(request.model_name),
        request_id_(route.request.id),
        meter_(route.meter),
        blocks_(request.shows_thinking) {}

  std::string Begin(const GenerationUsage& usage) override {
    const Json start{
        {"type", "message_start"},
        {"message",
         MessageJson(Json::array(), nullptr,
                     MessagesUsageJson({.prompt = usage.prompt_tokens, .cached = usage.cached_tokens}))}};
    return Events({start, Json{{"type", "ping"}}});
  }

  std::string Add(uint32_t /*choice*/, const ChoicePieces& pieces) override {
    std::string text = Events(blocks_.Add(pieces.events));
    if (!pieces.end) return text;
    end_ = *pieces.end;
    stop_string_ = pieces.stop_string;
    return text + Events(blocks_.Close());
  }

  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    const TokenCounts counts = CountTokens(choices);
    const bool reached_limit = max_tokens_ > 0 && counts.completion >= max_tokens_;
    const std::string_view reason = StopReason(end_, !stop_string_.empty(), reached_limit);
    Json usage = MessagesUsageJson(counts);
    AddCost(meter_.get(), counts, &usage);
    if (!stream_) return DumpJson(MessageJson(blocks_.content(), reason, usage));
    const Json delta{{"type", "message_delta"},
                     {"delta", {{"stop_reason", reason}, {"stop_sequence", StopSequence()}}},
                     {"usage", usage}};
    return Events({delta, Json{{"type", "message_stop"}}});
  }

  HttpReply Refuse(const ApiError& error) override { return MessagesErrorReply(error, request_id_); }
  std::string Fail(const ApiError& error) override {
    return ServerSentEvent("error", MessagesErrorJson(error, request_id_));
  }
  std::string KeepAlive() override { return Events({Json{{"type", "ping"}}}); }

 private:
  // Named as their types.
  std::string Events(const std::vector<Json>& events) const {
    std::string text;
    if (!stream_) return text;
    for (const Json& event : events) {
      text += ServerSentEvent(event["type"].get_ref<const std::string&>(), event);
    }
    return text;
  }

  Json StopSequence() const { return stop_string_.empty() ? Json(nullptr) : Json(stop_string_); }

  Json MessageJson(Json content, Json stop_reason, Json usage) const {
    return Json{{"id", id_},
                {"type", "message"},
                {"role", "assistant"},
                {"model", model_},
                {"content", std::move(content)},
                {"stop_reason", std::move(stop_reason)},
                {"stop_sequence", StopSequence()},
                {"usage", std::move(usage)}};
  }

  const bool stream_;
  const uint32_t max_tokens_;
  const std::string id_;
  const std::string model_;
  const std::string request_id_;
  const std::shared_ptr<const RequestMeter> meter_;
  MessageBlocks blocks_;
  ChoiceEnd end_ = ChoiceEnd::kStop;
  std::string stop_string_;
};

}  // namespace

std::unique_ptr<ReplyFormat> MakeMessagesFormat(const MessagesRequest& request,
                                                const GenerationRoute& route) {
  return std::make_unique<MessagesFormat>(request, route);
}

}  // namespace mimo

#include "server/responses_reply.h"

#include <chrono>
#include <optional>
#include <utility>

#include "server/chat_reply.h"
#include "server/request_meter.h"
#include "server/responses_items.h"

namespace mimo {
namespace {

int64_t NowUnixSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Json ResponsesUsageJson(const TokenCounts& counts, const RequestMeter* meter) {
  Json usage{{"input_tokens", counts.prompt},
             {"input_tokens_details", {{"cached_tokens", counts.cached}, {"cache_write_tokens", 0}}},
             {"output_tokens", counts.completion},
             {"output_tokens_details", {{"reasoning_tokens", counts.reasoning}}},
             {"total_tokens", counts.prompt + counts.completion}};
  AddCost(meter, counts, &usage);
  return usage;
}

class ResponsesFormat final : public ReplyFormat {
 public:
  ResponsesFormat(ResponsesRequest& request, const GenerationRoute& route, const OwnedResponses& stored)
      : stream_(request.stream),
        report_logprobs_(request.report_logprobs),
        id_(RandomId("resp_")),
        created_at_(NowUnixSeconds()),
        model_(request.model_name),
        tokenizer_(*route.model.tokenizer),
        echo_(std::move(request.echo)),
        input_(request.store ? std::move(request.items) : Json()),
        stores_(request.store),
        stored_(stored),
        meter_(route.meter),
        items_({.encrypts_reasoning = request.encrypts_reasoning,
                .summarizes_reasoning = request.summarizes_reasoning,
                .tools = std::move(request.tools)}) {}

  std::string Begin(const GenerationUsage& /*usage*/) override {
    const Json response = ResponseJson("in_progress");
    return Events({Json{{"type", "response.created"}, {"response", response}},
                   Json{{"type", "response.in_progress"}, {"response", response}}});
  }

  std::string Add(uint32_t /*choice*/, const ChoicePieces& pieces) override {
    if (report_logprobs_) AppendLogprobs(pieces.tokens, tokenizer_, logprobs_);
    std::string text = Events(items_.Add(pieces.events, logprobs_));
    // Tokens wait for the text they end in; those of reasoning and of calls have none here.
    if (!pieces.events.empty() || !items_.message_is_open()) logprobs_ = Json::array();
    if (!pieces.end) return text;
    is_incomplete_ = pieces.end == ChoiceEnd::kLength;
    return text + Events(items_.Close(is_incomplete_ ? "incomplete" : "completed"));
  }

  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    usage_ = ResponsesUsageJson(CountTokens(choices), meter_.get());
    const Json response = ResponseJson(is_incomplete_ ? "incomplete" : "completed");
    if (stores_) Store(response);
    if (!stream_) return DumpJson(response);
    return Events({Json{{"type", is_incomplete_ ? "response.incomplete" : "response.completed"},
                        {"response", response}}});
  }

  std::string Fail(const ApiError& error) override {
    Json response = ResponseJson("failed");
    const bool is_overload = HttpStatusOf(error.code) == 429;
    response["error"] =
        Json{{"code", is_overload ? "rate_limit_exceeded" : "server_error"}, {"message", error.message}};
    return Events({Json{{"type", "response.failed"}, {"response", std::move(response)}}});
  }

 private:
  std::string Events(const std::vector<Json>& events) {
    std::string text;
    if (!stream_) return text;
    for (Json event : events) {
      event["sequence_number"] = sequence_number_++;
      text += ServerSentEvent(event["type"].get_ref<const std::string&>(), event);
    }
    return text;
  }

  // Every key that strict checkers of the schema look for.
  Json ResponseJson(const char* status) const {
    const bool is_completed = std::string_view(status) == "completed";
    Json response{
        {"id", id_},
        {"object", "response"},
        {"created_at", created_at_},
        {"status", status},
        {"completed_at", is_completed ? Json(NowUnixSeconds()) : Json(nullptr)},
        {"error", nullptr},
        {"incomplete_details", is_incomplete_ ? Json{{"reason", "max_output_tokens"}} : Json(nullptr)},
        {"model", model_},
        {"output", items_.output()},
        {"usage", usage_}};
    response.update(echo_);
    return response;
  }

  void Store(const Json& response) {
    StoredResponse stored{.owner = stored_.owner, .response = DumpJson(response), .input = DumpJson(input_)};
    for (const Json& item : items_.output()) stored.output_ids.push_back(item["id"].get<std::string>());
    stored_.store.Put(id_, std::move(stored));
  }

  const bool stream_;
  const bool report_logprobs_;
  const std::string id_;
  const int64_t created_at_;
  const std::string model_;
  const Tokenizer& tokenizer_;
  const Json echo_;
  const Json input_;
  const bool stores_;
  const OwnedResponses stored_;
  const std::shared_ptr<const RequestMeter> meter_;
  ResponsesItems items_;
  Json logprobs_ = Json::array();  // of tokens whose text has not come yet
  Json usage_;
  bool is_incomplete_ = false;
  int64_t sequence_number_ = 0;
};

}  // namespace

std::unique_ptr<ReplyFormat> MakeResponsesFormat(ResponsesRequest& request, const GenerationRoute& route,
                                                 const OwnedResponses& stored) {
  return std::make_unique<ResponsesFormat>(request, route, stored);
}

}  // namespace mimo

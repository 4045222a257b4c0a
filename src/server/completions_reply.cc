#include "server/completions_reply.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "server/chat_reply.h"

namespace mimo {
namespace {

size_t NumCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// A token that is not whole characters is written as its bytes, so that two of them never look the same.
std::string TokenText(TokenId token, const Tokenizer& tokenizer) {
  std::string bytes(tokenizer.TokenBytes(token));
  const Result<Json> parsed = ParseJson(DumpJson(Json(bytes)));
  if (parsed && parsed->get<std::string>() == bytes) return bytes;
  std::string text = "bytes:";
  for (const char byte : bytes) text += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
  return text;
}

float FiniteLogprob(float logprob) { return std::max(logprob, -9999.0F); }

// One choice: the text and everything that goes with it, since it was last taken.
class CompletionChoice {
 public:
  CompletionChoice(const TextCompletion& request, uint32_t index, const ServedModel& model)
      : index_(index),
        report_logprobs_(request.generation.sampling.report_logprobs),
        return_token_ids_(request.return_token_ids),
        prompt_(request.prompts.at(index / request.num_choices)),
        text_(request.echoed.empty() ? "" : request.echoed.at(index / request.num_choices)),
        logprobs_(NumCharacters(text_), *model.tokenizer) {}

  void Add(const ChoicePieces& pieces) {
    for (const OutputEvent& event : pieces.events) text_ += event.text;
    if (report_logprobs_) logprobs_.Add(pieces.tokens);
    if (return_token_ids_) {
      for (const SampledToken& token : pieces.tokens) token_ids_.push_back(token.token);
    }
    if (pieces.end) end_ = pieces.end;
  }
  bool HasNews() const { return !text_.empty() || end_.has_value() || !token_ids_.empty(); }
  Json Take() {
    Json choice{{"index", index_}, {"text", std::exchange(text_, {})}};
    choice["logprobs"] = report_logprobs_ ? logprobs_.Take() : Json(nullptr);
    choice["finish_reason"] = end_ ? Json(FinishReasonName(*end_)) : Json(nullptr);
    if (return_token_ids_) {
      choice["token_ids"] = std::exchange(token_ids_, Json::array());
      if (!prompt_.empty()) choice["prompt_token_ids"] = std::exchange(prompt_, {});
    }
    return choice;
  }

 private:
  uint32_t index_;
  bool report_logprobs_;
  bool return_token_ids_;
  std::vector<TokenId> prompt_;  // until it is sent
  std::string text_;
  CompletionLogprobs logprobs_;
  Json token_ids_ = Json::array();
  std::optional<ChoiceEnd> end_;
};

class CompletionFormat : public ReplyFormat {
 public:
  CompletionFormat(const TextCompletion& request, const GenerationRoute& route)
      : identity_(NewReplyIdentity("cmpl-", request.model_name)),
        choices_per_prompt_(request.num_choices),
        meter_(route.meter) {
    const auto num_choices = static_cast<uint32_t>(request.prompts.size()) * request.num_choices;
    for (uint32_t index = 0; index < num_choices; ++index) choices_.emplace_back(request, index, route.model);
  }

 protected:
  Json Envelope(Json choices) const {
    return Json{{"id", identity_.id},
                {"object", "text_completion"},
                {"created", identity_.created_unix_seconds},
                {"model", identity_.model},
                {"choices", std::move(choices)}};
  }
  Json Usage(const std::vector<ChoiceReader>& readers) const {
    return UsageJson(CountTokens(readers, choices_per_prompt_), meter_.get());
  }

  const ReplyIdentity identity_;
  const uint32_t choices_per_prompt_;
  const std::shared_ptr<const RequestMeter> meter_;
  std::vector<CompletionChoice> choices_;
};

class WholeCompletion final : public CompletionFormat {
 public:
  using CompletionFormat::CompletionFormat;

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    choices_[choice].Add(pieces);
    return {};
  }
  std::string Finish(const std::vector<ChoiceReader>& readers) override {
    Json list = Json::array();
    for (CompletionChoice& choice : choices_) list.push_back(choice.Take());
    Json reply = Envelope(std::move(list));
    reply["usage"] = Usage(readers);
    return DumpJson(reply);
  }
  std::string Fail(const ApiError& /*error*/) override { return {}; }
};

class StreamedCompletion final : public CompletionFormat {
 public:
  StreamedCompletion(const TextCompletion& request, const GenerationRoute& route)
      : CompletionFormat(request, route), streaming_(request.streaming) {}

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    choices_[choice].Add(pieces);
    if (!choices_[choice].HasNews()) return {};
    Json chunk = Envelope(Json::array({choices_[choice].Take()}));
    if (streaming_.continuous_usage) chunk["usage"] = UsageJson(TotalsOf(pieces), meter_.get());
    return ServerSentEvent(chunk);
  }
  std::string Finish(const std::vector<ChoiceReader>& readers) override {
    std::string text;
    if (streaming_.include_usage) {
      Json chunk = Envelope(Json::array());
      chunk["usage"] = Usage(readers);
      text = ServerSentEvent(chunk);
    }
    return text + "data: [DONE]\n\n";
  }
  std::string Fail(const ApiError& error) override { return ServerSentEvent(ErrorJson(error)); }

 private:
  const StreamOptions streaming_;
};

}  // namespace

void CompletionLogprobs::Add(const std::vector<SampledToken>& tokens) {
  for (const SampledToken& token : tokens) {
    tokens_.push_back(TokenText(token.token, tokenizer_));
    token_logprobs_.push_back(FiniteLogprob(token.logprob));
    Json top = Json::object();
    for (const TokenLogprob& candidate : token.top) {
      top[TokenText(candidate.token, tokenizer_)] = FiniteLogprob(candidate.logprob);
    }
    top_logprobs_.push_back(top.empty() ? Json(nullptr) : std::move(top));
    text_offsets_.push_back(text_offset_);
    text_offset_ += NumCharacters(tokenizer_.TokenBytes(token.token));
  }
}

Json CompletionLogprobs::Take() {
  if (tokens_.empty()) return nullptr;
  return Json{{"tokens", std::exchange(tokens_, Json::array())},
              {"token_logprobs", std::exchange(token_logprobs_, Json::array())},
              {"top_logprobs", std::exchange(top_logprobs_, Json::array())},
              {"text_offset", std::exchange(text_offsets_, Json::array())}};
}

std::unique_ptr<ReplyFormat> MakeCompletionFormat(const TextCompletion& request,
                                                  const GenerationRoute& route) {
  if (request.stream) return std::make_unique<StreamedCompletion>(request, route);
  return std::make_unique<WholeCompletion>(request, route);
}

}  // namespace mimo

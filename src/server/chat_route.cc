#include "server/chat_route.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/chat_completions.h"
#include "server/chat_reply.h"
#include "server/json_fields.h"

namespace mimo {
namespace {

ChatReplyOptions OptionsOf(const ChatCompletion& request, const ServedModel& model) {
  return {.report_logprobs = request.generation.sampling.report_logprobs,
          .return_token_ids = request.return_token_ids,
          .reasoning_field = model.policy.reasoning_field};
}

// vLLM's extra field; absent unless it was asked for.
std::optional<Json> PromptTokenIds(const ChatCompletion& request) {
  return request.return_token_ids ? std::optional<Json>(request.generation.prompt) : std::nullopt;
}

// Builds one JSON object out of all choices.
class WholeChatReply final : public ReplyFormat {
 public:
  WholeChatReply(const ChatCompletion& request, const GenerationRoute& route)
      : identity_(NewReplyIdentity("chatcmpl-", request.model_name)),
        meter_(route.meter),
        prompt_token_ids_(PromptTokenIds(request)) {
    for (uint32_t index = 0; index < request.num_choices; ++index) {
      builders_.emplace_back(index, OptionsOf(request, route.model), *route.model.tokenizer);
    }
  }

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    builders_[choice].Add(pieces);
    return {};
  }
  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    Json reply = CompletionJson(identity_, builders_, UsageJson(CountTokens(choices), meter_.get()));
    if (prompt_token_ids_) reply["prompt_token_ids"] = *prompt_token_ids_;
    return DumpJson(reply);
  }
  std::string Fail(const ApiError& /*error*/) override { return {}; }

 private:
  const ReplyIdentity identity_;
  const std::shared_ptr<const RequestMeter> meter_;
  const std::optional<Json> prompt_token_ids_;
  std::vector<ChatMessageBuilder> builders_;
};

class StreamedChatReply final : public ReplyFormat {
 public:
  StreamedChatReply(const ChatCompletion& request, const GenerationRoute& route)
      : identity_(NewReplyIdentity("chatcmpl-", request.model_name)),
        streaming_(request.streaming),
        meter_(route.meter),
        prompt_token_ids_(PromptTokenIds(request)) {
    for (uint32_t index = 0; index < request.num_choices; ++index) {
      chunks_.emplace_back(identity_, index, OptionsOf(request, route.model), *route.model.tokenizer);
    }
  }

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    std::string text;
    for (Json& chunk : chunks_[choice].Add(pieces)) {
      if (streaming_.continuous_usage) chunk["usage"] = UsageJson(TotalsOf(pieces), meter_.get());
      if (prompt_token_ids_) chunk["prompt_token_ids"] = *std::exchange(prompt_token_ids_, std::nullopt);
      text += ServerSentEvent(chunk);
    }
    return text;
  }
  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    std::string text;
    if (streaming_.include_usage) {
      text =
          ServerSentEvent(ChatChunks::UsageChunk(identity_, UsageJson(CountTokens(choices), meter_.get())));
    }
    return text + "data: [DONE]\n\n";
  }
  // No [DONE] after it: that would make the reply look complete.
  std::string Fail(const ApiError& error) override { return ServerSentEvent(ErrorJson(error)); }

 private:
  const ReplyIdentity identity_;
  const StreamOptions streaming_;
  const std::shared_ptr<const RequestMeter> meter_;
  std::optional<Json> prompt_token_ids_;  // until the first chunk has taken them
  std::vector<ChatChunks> chunks_;
};

std::unique_ptr<ReplyFormat> MakeFormat(const ChatCompletion& request, const GenerationRoute& route) {
  if (request.stream) return std::make_unique<StreamedChatReply>(request, route);
  return std::make_unique<WholeChatReply>(request, route);
}

}  // namespace

HttpReply HandleChatCompletion(const GenerationRoute& route) {
  const ApiResult<Json> body = ParseBody(route.request.body);
  if (!body) return ErrorReply(body.error());
  ApiResult<ChatCompletion> parsed = ParseChatCompletion(*body, route.model);
  if (!parsed) return ErrorReply(parsed.error());
  auto format = MakeFormat(*parsed, route);
  return RunGeneration(std::move(*parsed), std::move(format), route);
}

}  // namespace mimo

#include "server/chat_route.h"

#include <memory>
#include <utility>
#include <vector>

#include "server/chat_completions.h"
#include "server/chat_reply.h"
#include "server/json_fields.h"

namespace mimo {
namespace {

// Builds one JSON object out of all choices.
class WholeChatReply final : public ReplyFormat {
 public:
  WholeChatReply(const ChatCompletion& request, const GenerationRoute& route)
      : identity_(NewReplyIdentity(route.model.id)), meter_(route.meter) {
    for (uint32_t index = 0; index < request.num_choices; ++index) {
      builders_.emplace_back(index, request.generation.sampling.report_logprobs, *route.model.tokenizer);
    }
  }

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    builders_[choice].Add(pieces);
    return {};
  }
  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    return DumpJson(CompletionJson(identity_, builders_, UsageJson(CountTokens(choices), meter_.get())));
  }
  std::string Fail(const ApiError& /*error*/) override { return {}; }

 private:
  const ReplyIdentity identity_;
  const std::shared_ptr<const RequestMeter> meter_;
  std::vector<ChatMessageBuilder> builders_;
};

class StreamedChatReply final : public ReplyFormat {
 public:
  StreamedChatReply(const ChatCompletion& request, const GenerationRoute& route)
      : identity_(NewReplyIdentity(route.model.id)),
        include_usage_(request.include_usage),
        meter_(route.meter) {
    for (uint32_t index = 0; index < request.num_choices; ++index) {
      chunks_.emplace_back(identity_, index, request.generation.sampling.report_logprobs,
                           *route.model.tokenizer);
    }
  }

  std::string Add(uint32_t choice, const ChoicePieces& pieces) override {
    std::string text;
    for (const Json& chunk : chunks_[choice].Add(pieces)) text += ServerSentEvent(chunk);
    return text;
  }
  std::string Finish(const std::vector<ChoiceReader>& choices) override {
    std::string text;
    if (include_usage_)
      text =
          ServerSentEvent(ChatChunks::UsageChunk(identity_, UsageJson(CountTokens(choices), meter_.get())));
    return text + "data: [DONE]\n\n";
  }
  // No [DONE] after it: that would make the reply look complete.
  std::string Fail(const ApiError& error) override { return ServerSentEvent(ErrorJson(error)); }

 private:
  const ReplyIdentity identity_;
  const bool include_usage_;
  const std::shared_ptr<const RequestMeter> meter_;
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

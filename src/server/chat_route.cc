#include "server/chat_route.h"

#include <memory>
#include <utility>
#include <vector>

#include "server/chat_completions.h"
#include "server/chat_reply.h"
#include "server/choice_reader.h"
#include "server/generation_group.h"
#include "server/json_fields.h"

namespace mimo {
namespace {

// A request that runs. Destroying it cancels what is left of it.
struct RunningChat {
  const ServedModel& model;
  ChatRouteOptions options;
  const std::atomic<bool>& ending;
  ChatCompletion request;
  ReplyIdentity identity;
  std::unique_ptr<GenerationGroup> group;
  std::vector<ChoiceReader> readers;  // one per choice
};

// What a wait brought.
struct News {
  enum class Kind { kPieces, kNothing, kError };
  Kind kind = Kind::kNothing;
  uint32_t index = 0;             // of the choice
  ChoicePieces pieces;            // with kPieces
  std::optional<ApiError> error;  // with kError: the whole reply failed
};

ApiError EndingError() {
  return {
      .code = ErrorCode::kUnavailable, .message = "the server is shutting down", .param = {}, .reason = {}};
}

// The error that ended a choice, if one did.
std::optional<ApiError> ErrorOf(const ChoicePieces& pieces) {
  if (pieces.end == ChoiceEnd::kCancelled) return EndingError();
  if (pieces.end != ChoiceEnd::kError) return std::nullopt;
  return ToApiError(
      pieces.error.value_or(Error{ErrorCode::kInternal, "the engine ended a request without a reason"}));
}

// Waits for the next pieces of any choice, at most poll_interval.
News WaitForNews(RunningChat& chat) {
  if (chat.ending.load(std::memory_order_relaxed))
    return {.kind = News::Kind::kError, .index = 0, .pieces = {}, .error = EndingError()};
  std::optional<GenerationGroup::Item> item = chat.group->Next(chat.options.poll_interval);
  if (!item) return {};
  ChoiceReader& reader = chat.readers[item->index];
  News news;
  news.kind = News::Kind::kPieces;
  news.index = item->index;
  news.pieces = reader.Read(item->event);
  if (reader.wants_cancel()) chat.group->Cancel(item->index);
  news.error = ErrorOf(news.pieces);
  if (news.error) news.kind = News::Kind::kError;
  return news;
}

HttpReply ReplyWhole(RunningChat& chat, const HttpPeer& peer) {
  std::vector<ChatMessageBuilder> builders;
  for (uint32_t index = 0; index < chat.request.num_choices; ++index) {
    builders.emplace_back(index, chat.request.generation.sampling.report_logprobs, *chat.model.tokenizer);
  }
  auto polled = std::chrono::steady_clock::now();
  while (!chat.group->finished()) {
    const News news = WaitForNews(chat);
    if (news.kind == News::Kind::kError) return ErrorReply(*news.error);
    if (news.kind == News::Kind::kPieces) builders[news.index].Add(news.pieces);
    // Also while events flow: a client that left must not keep the engine busy to the end.
    const auto now = std::chrono::steady_clock::now();
    if (now - polled < chat.options.poll_interval) continue;
    polled = now;
    if (!peer.IsConnected()) return ErrorReply(499, "the client closed the connection");
  }
  HttpReply reply;
  reply.body = DumpJson(CompletionJson(chat.identity, builders, UsageJson(chat.readers)));
  return reply;
}

std::string ServerSentEvent(const Json& data) { return fmt::format("data: {}\n\n", DumpJson(data)); }

enum class StreamEnd { kComplete, kFailed, kClientGone };

// Everything up to the finish_reason of every choice.
StreamEnd WriteChunks(RunningChat& chat, HttpStreamWriter& writer) {
  std::vector<ChatChunks> chunks;
  for (uint32_t index = 0; index < chat.request.num_choices; ++index) {
    chunks.emplace_back(chat.identity, index, chat.request.generation.sampling.report_logprobs,
                        *chat.model.tokenizer);
  }
  auto written = std::chrono::steady_clock::now();
  while (!chat.group->finished()) {
    const News news = WaitForNews(chat);
    if (news.kind == News::Kind::kError) {
      // No [DONE] after it: that would make the reply look complete.
      return writer.Write(ServerSentEvent(ErrorJson(*news.error))) ? StreamEnd::kFailed
                                                                   : StreamEnd::kClientGone;
    }
    std::string text;
    if (news.kind == News::Kind::kPieces) {
      for (const Json& chunk : chunks[news.index].Add(news.pieces)) text += ServerSentEvent(chunk);
    } else if (!writer.IsConnected()) {
      return StreamEnd::kClientGone;
    }
    const auto now = std::chrono::steady_clock::now();
    if (text.empty() && now - written >= chat.options.keep_alive_interval) text = ": keep-alive\n\n";
    if (text.empty()) continue;
    written = now;
    if (!writer.Write(text)) return StreamEnd::kClientGone;
  }
  return StreamEnd::kComplete;
}

// False when the client has gone.
bool WriteStream(RunningChat& chat, HttpStreamWriter& writer) {
  const StreamEnd end = WriteChunks(chat, writer);
  if (end != StreamEnd::kComplete) return end == StreamEnd::kFailed;
  std::string text;
  if (chat.request.include_usage) {
    text = ServerSentEvent(ChatChunks::UsageChunk(chat.identity, UsageJson(chat.readers)));
  }
  return writer.Write(text + "data: [DONE]\n\n");
}

}  // namespace

HttpReply HandleChatCompletion(const HttpRequest& request, const ServedModel& model,
                               const ChatRouteOptions& options, const std::atomic<bool>& ending) {
  const ApiResult<Json> body = ParseBody(request.body);
  if (!body) return ErrorReply(body.error());
  ApiResult<ChatCompletion> parsed = ParseChatCompletion(*body, model);
  if (!parsed) return ErrorReply(parsed.error());
  auto group = GenerationGroup::Start(*model.engine, parsed->EngineRequests());
  if (!group) return ErrorReply(WithParamFromMessage(ToApiError(group.error())));

  auto chat = std::make_shared<RunningChat>(RunningChat{.model = model,
                                                        .options = options,
                                                        .ending = ending,
                                                        .request = std::move(*parsed),
                                                        .identity = NewReplyIdentity(model.id),
                                                        .group = std::move(*group),
                                                        .readers = {}});
  for (uint32_t index = 0; index < chat->request.num_choices; ++index) {
    chat->readers.emplace_back(chat->request.parser, chat->request.parallel_tool_calls, *model.tokenizer);
  }
  if (!chat->request.stream) return ReplyWhole(*chat, *request.peer);
  HttpReply reply;
  reply.content_type = "text/event-stream";
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
  reply.stream = [chat](HttpStreamWriter& writer) { return WriteStream(*chat, writer); };
  return reply;
}

}  // namespace mimo

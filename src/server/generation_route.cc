#include "server/generation_route.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "base/log.h"
#include "server/generation_group.h"
#include "text/sampled_reply.h"

namespace mimo {
namespace {

// A request that runs. Destroying it cancels what is left of it.
struct RunningGeneration {
  GenerationRouteOptions options;
  const std::atomic<bool>& ending;
  std::shared_ptr<RequestMeter> meter;  // may be null
  std::unique_ptr<ReplyFormat> format;
  std::unique_ptr<GenerationGroup> group;
  const ServedModel& model;
  std::vector<ChoiceReader> readers;  // one per choice
  std::vector<SampledReply> sampled;  // one per choice of a conversation, else none
  GenerationUsage usage_at_start;
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

// A reply that ended is a turn of the next prompt.
void Remember(const ServedModel& model, const GenerationEvent& event, SampledReply* reply) {
  std::vector<TokenId> tokens;
  for (const SampledToken& token : event.tokens) tokens.push_back(token.token);
  reply->Add(event.text, tokens);
  if (event.finish == FinishReason::kStop && event.stop_string.empty()) {
    std::optional<SampledTurn> turn = reply->Turn(model.chat_template, *model.tokenizer);
    if (!turn) return;
    if (model.sampled_turns_file != nullptr) return model.sampled_turns_file->Keep(*std::move(turn));
    model.sampled_turns->Remember(*std::move(turn));
  }
}

// Waits for the next pieces of any choice, at most poll_interval.
News WaitForNews(RunningGeneration& running) {
  if (running.ending.load(std::memory_order_relaxed))
    return {.kind = News::Kind::kError, .index = 0, .pieces = {}, .error = EndingError()};
  std::optional<GenerationGroup::Item> item = running.group->Next(running.options.poll_interval);
  if (!item) return {};
  ChoiceReader& reader = running.readers[item->index];
  News news;
  news.kind = News::Kind::kPieces;
  news.index = item->index;
  news.pieces = reader.Read(item->event);
  if (!running.sampled.empty()) Remember(running.model, item->event, &running.sampled[item->index]);
  if (reader.wants_cancel()) running.group->Cancel(item->index);
  news.error = ErrorOf(news.pieces);
  if (news.error) news.kind = News::Kind::kError;
  return news;
}

// When every choice has ended.
std::string LastWords(RunningGeneration& running) {
  if (running.meter != nullptr) running.meter->Settle(CountTokens(running.readers).reasoning);
  return running.format->Finish(running.readers);
}

HttpReply ReplyWhole(RunningGeneration& running, const HttpPeer& peer) {
  running.format->Begin(running.usage_at_start);
  auto polled = std::chrono::steady_clock::now();
  while (!running.group->finished()) {
    const News news = WaitForNews(running);
    if (news.kind == News::Kind::kError) return running.format->Refuse(*news.error);
    if (news.kind == News::Kind::kPieces) running.format->Add(news.index, news.pieces);
    // Also while events flow: a client that left must not keep the engine busy to the end.
    const auto now = std::chrono::steady_clock::now();
    if (now - polled < running.options.poll_interval) continue;
    polled = now;
    if (!peer.IsConnected()) return ErrorReply(499, "the client closed the connection");
  }
  HttpReply reply;
  reply.body = LastWords(running);
  return reply;
}

// False when the client has gone.
bool WriteStream(RunningGeneration& running, HttpStreamWriter& writer) {
  ReplyFormat& format = *running.format;
  if (!writer.Write(format.Begin(running.usage_at_start))) return false;
  auto written = std::chrono::steady_clock::now();
  while (!running.group->finished()) {
    const News news = WaitForNews(running);
    if (news.kind == News::Kind::kError) return writer.Write(format.Fail(*news.error));
    std::string text;
    if (news.kind == News::Kind::kPieces) {
      text = format.Add(news.index, news.pieces);
    } else if (!writer.IsConnected()) {
      return false;
    }
    const auto now = std::chrono::steady_clock::now();
    if (text.empty() && now - written >= running.options.keep_alive_interval) text = format.KeepAlive();
    if (text.empty()) continue;
    written = now;
    if (!writer.Write(text)) return false;
  }
  return writer.Write(LastWords(running));
}

// The platform's words and shape, down to the explanation that stands in `param`.
ApiError ReasoningMissing() {
  return {.code = ErrorCode::kInvalidArgument,
          .message = "Param Incorrect",
          .param = "The reasoning_content in the thinking mode must be passed back to the API.",
          .reason = "400",
          .type = ""};
}

// An assistant turn with calls that comes back without its reasoning is not what the model wrote: it answers
// worse, and nothing of the turn is found in a cache.
ApiResult<void> CheckReasoningReplay(const ChatRequest& chat, bool thinks, const ChatPolicy& policy,
                                     GenerationJob* job) {
  if (!thinks) return {};
  for (const ChatMessage& message : chat.messages) {
    if (!message.tool_calls.empty() && message.reasoning_content.value_or("").empty())
      ++job->num_replays_without_reasoning;
  }
  if (job->num_replays_without_reasoning == 0) return {};
  if (policy.strict_reasoning_replay) return tl::unexpected(ReasoningMissing());
  LogInfo("{} turns with tool calls came back without their reasoning", job->num_replays_without_reasoning);
  return {};
}

}  // namespace

std::vector<GenerationRequest> GenerationJob::EngineRequests() const {
  std::vector<GenerationRequest> requests;
  for (size_t index = 0; index < std::max<size_t>(prompts.size(), 1) * num_choices; ++index) {
    GenerationRequest request = generation;
    if (!prompts.empty()) request.prompt = prompts[index / num_choices];
    if (request.sampling.seed) *request.sampling.seed += index % num_choices;
    requests.push_back(std::move(request));
  }
  return requests;
}

ApiResult<void> SetConversation(ChatRequest chat, const ReplyShape& shape, const ServedModel& model,
                                GenerationJob* job) {
  const bool thinks = chat.enable_thinking.value_or(model.chat_template.thinking_default());
  job->num_tools_skipped = chat.num_tools_skipped;
  if (auto checked = CheckReasoningReplay(chat, thinks, model.policy, job); !checked) return checked;
  if (thinks && model.policy.platform_sampling) {
    job->generation.sampling.temperature = 1.0F;
    job->generation.sampling.top_p = 0.95F;
  }
  if (auto applied = ApplyToolChoice(shape, chat); !applied) return applied;
  std::vector<ToolDefinition> tools = OfferedTools(chat);
  const Result<RenderedPrompt> prompt = model.chat_template.RenderPrompt(chat);
  if (!prompt) return tl::unexpected(WithParamFromMessage(ToApiError(prompt.error())));
  if (model.sampled_turns_file != nullptr) model.sampled_turns_file->ReadNew();
  const std::string_view salt = job->generation.cache_salt;
  job->generation.prompt = EncodePrompt(*model.tokenizer, *prompt, model.sampled_turns.get(), salt);
  job->reply_place = PlaceOfReply(*model.tokenizer, *prompt, salt);
  const bool starts_in_reasoning = model.chat_template.StartsInReasoning(chat);
  const ReplyStart start = starts_in_reasoning ? ReplyStart::kReasoning
                           : thinks            ? ReplyStart::kModelDecides
                                               : ReplyStart::kAnswer;
  ApiResult<GrammarPtr> grammar = GrammarOfReply(shape, tools, start, *model.grammars);
  if (!grammar) return tl::unexpected(std::move(grammar).error());
  job->generation.grammar = std::move(*grammar);
  const bool has_tools = !tools.empty();
  if (!has_tools) ForbidToolCalls(model, job->generation.sampling);
  job->parser = {
      .starts_in_reasoning = starts_in_reasoning, .parse_tool_calls = has_tools, .tools = std::move(tools)};
  return {};
}

ApiResult<void> SetConversation(ChatRequest chat, const ServedModel& model, GenerationJob* job) {
  return SetConversation(std::move(chat), ReplyShape{.parallel_tool_calls = job->parallel_tool_calls}, model,
                         job);
}

ApiResult<void> SetFormat(const OutputFormat& format, const ServedModel& model, GenerationJob* job) {
  const ReplyShape shape = {.tool_use = ToolUse::kNone, .format = format};
  ApiResult<GrammarPtr> grammar = GrammarOfReply(shape, {}, ReplyStart::kAnswer, *model.grammars);
  if (!grammar) return tl::unexpected(std::move(grammar).error());
  job->generation.grammar = std::move(*grammar);
  return {};
}

namespace {

void TellMeter(const GenerationJob& job, const ServedModel& model, RequestMeter& meter) {
  if (!job.model_name.empty()) {
    meter.SetModel({.requested = job.model_name, .booked_as = job.booked_as, .served = model.id});
  }
  if (!job.prompts.empty()) meter.SetChoicesPerPrompt(job.num_choices);
  meter.metrics().Count(ServerEvent::kHostedToolSkipped, job.num_tools_skipped);
  meter.metrics().Count(ServerEvent::kMissingReasoningReplay, job.num_replays_without_reasoning);
}

}  // namespace

HttpReply RunGeneration(GenerationJob job, std::unique_ptr<ReplyFormat> format,
                        const GenerationRoute& route) {
  if (route.meter != nullptr) TellMeter(job, route.model, *route.meter);
  std::vector<GenerationRequest> requests = job.EngineRequests();
  GenerationUsage usage;
  usage.prompt_tokens = static_cast<uint32_t>(requests.front().prompt.size());
  usage.cached_tokens =
      route.model.engine->CachedTokens(requests.front().prompt, requests.front().cache_salt);
  auto group = GenerationGroup::Start(*route.model.engine, std::move(requests), route.meter);
  if (!group) return format->Refuse(WithParamFromMessage(ToApiError(group.error())));

  auto running = std::make_shared<RunningGeneration>(RunningGeneration{.options = route.options,
                                                                       .ending = route.ending,
                                                                       .meter = route.meter,
                                                                       .format = std::move(format),
                                                                       .group = std::move(*group),
                                                                       .model = route.model,
                                                                       .readers = {},
                                                                       .sampled = {},
                                                                       .usage_at_start = usage});
  for (size_t index = 0; index < running->group->num_requests(); ++index) {
    running->readers.emplace_back(job.parser, job.parallel_tool_calls, *route.model.tokenizer);
    if (job.reply_place) running->sampled.emplace_back(*job.reply_place, job.parser);
  }
  if (!job.stream) return ReplyWhole(*running, *route.request.peer);
  HttpReply reply;
  reply.content_type = "text/event-stream";
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.headers.emplace_back("X-Accel-Buffering", "no");  // nginx would hold events back
  reply.stream = [running](HttpStreamWriter& writer) { return WriteStream(*running, writer); };
  return reply;
}

std::string ServerSentEvent(const Json& data) { return fmt::format("data: {}\n\n", DumpJson(data)); }

std::string ServerSentEvent(std::string_view name, const Json& data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, DumpJson(data));
}

std::string RandomId(std::string_view prefix) {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return fmt::format("{}{:016x}{:08x}", prefix, generator(), generator() & 0xffffffffU);
}

}  // namespace mimo

#pragma once
// Pieces of a reply -> OpenAI's chat completion object, or the chunks of its stream.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/choice_reader.h"
#include "server/request_meter.h"
#include "text/tokenizer.h"

namespace mimo {

// What all chunks of one reply share.
struct ReplyIdentity {
  std::string id;  // "chatcmpl-..."
  int64_t created_unix_seconds = 0;
  std::string model;
};
// With a new random id after `prefix` ("chatcmpl-") and the present time.
ReplyIdentity NewReplyIdentity(std::string_view prefix, const std::string& model);

// Of one choice, so far.
TokenCounts TotalsOf(const ChoicePieces& pieces);

// {"prompt_tokens", "completion_tokens", "total_tokens", details}, and "cost" with "currency" where the model
// has a price.
Json UsageJson(const TokenCounts& counts, const RequestMeter* meter);

// One entry of `logprobs.content` for each token.
void AppendLogprobs(const std::vector<SampledToken>& tokens, const Tokenizer& tokenizer, Json& result);

// "stop", "length" or "tool_calls".
std::string_view FinishReasonName(ChoiceEnd end);

// What a request wants to see of each choice.
struct ChatReplyOptions {
  bool report_logprobs = false;
  bool return_token_ids = false;
  bool reasoning_field = false;  // see ChatPolicy
};

// Builds one choice of a stream as chunks.
class ChatChunks {
 public:
  // `tokenizer` must outlive this.
  ChatChunks(ReplyIdentity identity, uint32_t index, const ChatReplyOptions& options,
             const Tokenizer& tokenizer)
      : identity_(std::move(identity)), index_(index), options_(options), tokenizer_(tokenizer) {}

  // The chunks for these pieces, in the order clients expect: the role first, once; reasoning, content, tool
  // calls as they come; finish_reason last, alone.
  std::vector<Json> Add(const ChoicePieces& pieces);
  // {"choices": [], "usage": ...}
  static Json UsageChunk(const ReplyIdentity& identity, Json usage);

 private:
  // Carries the log-probabilities and ids that wait, so that none is lost when the parser holds text back.
  Json Chunk(Json delta, Json finish_reason);

  const ReplyIdentity identity_;
  const uint32_t index_;
  const ChatReplyOptions options_;
  const Tokenizer& tokenizer_;
  bool role_sent_ = false;
  Json logprobs_ = Json::array();
  Json token_ids_ = Json::array();
};

// Collects one choice of a reply that is not streamed.
class ChatMessageBuilder {
 public:
  // `tokenizer` must outlive this.
  ChatMessageBuilder(uint32_t index, const ChatReplyOptions& options, const Tokenizer& tokenizer)
      : index_(index), options_(options), tokenizer_(tokenizer) {}

  void Add(const ChoicePieces& pieces);
  // {"index", "message", "logprobs", "finish_reason"}. A tool call that never ended is left out.
  // Requires: the pieces with `end` were added.
  Json Choice() const;

 private:
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;
    bool ended = false;
  };
  const uint32_t index_;
  const ChatReplyOptions options_;
  const Tokenizer& tokenizer_;
  std::string reasoning_;
  std::string content_;
  std::vector<Call> calls_;
  Json logprobs_ = Json::array();
  Json token_ids_ = Json::array();
  std::optional<ChoiceEnd> end_;
};

// The whole object.
Json CompletionJson(const ReplyIdentity& identity, const std::vector<ChatMessageBuilder>& choices,
                    Json usage);

}  // namespace mimo

#pragma once
// Pieces of a reply -> Anthropic's message, as the events of its stream. The whole reply is what the events
// add up to, so the two cannot differ.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/generation_route.h"
#include "server/messages_request.h"

namespace mimo {

// {"input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens", details}.
// Unlike OpenAI's, `input_tokens` are those that no cache held.
Json MessagesUsageJson(const TokenCounts& counts);

// The content blocks of one message.
class MessageBlocks {
 public:
  explicit MessageBlocks(bool shows_thinking) : shows_thinking_(shows_thinking) {}

  // The content_block_* events of these pieces, in order.
  std::vector<Json> Add(const std::vector<OutputEvent>& events);
  // Ends a block that is still open.
  std::vector<Json> Close();

  // The finished blocks. A tool call that never ended is left out.
  const Json& content() const { return content_; }

 private:
  enum class Open { kNothing, kThinking, kText, kToolUse };

  void Start(Open kind, Json block, std::vector<Json>* events);
  void Delta(Json delta, std::vector<Json>* events) const;
  void Stop(std::vector<Json>* events);
  void AddText(Open kind, const std::string& text, std::vector<Json>* events);

  const bool shows_thinking_;
  Open open_ = Open::kNothing;
  int64_t index_ = -1;  // of the open or last block
  Json block_;          // as its start announced it
  std::string text_;    // of the open block: text, thinking, or the arguments' JSON
  bool call_ended_ = false;
  Json content_ = Json::array();
};

// The reply to `request`, streamed or whole as it asks.
std::unique_ptr<ReplyFormat> MakeMessagesFormat(const MessagesRequest& request, const GenerationRoute& route);

}  // namespace mimo

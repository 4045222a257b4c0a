#pragma once
// The prompts of a replayed session: each follows from the trace and from the replies that earlier turns got.

#include <string>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "server/agent_trace.h"
#include "text/chat_template.h"
#include "text/encode_prompt.h"
#include "text/sampled_turns.h"
#include "text/tokenizer.h"

namespace mimo {

// What the model said to a prompt.
struct TraceReply {
  std::vector<TokenId> tokens;  // with the stop token, if there was one
  std::string text;
  bool is_stopped = false;  // ended by the model
};

// Not thread-safe. What it is made of must outlive it.
class TraceHistory {
 public:
  // `tokenizer` may be null where no turn has messages.
  TraceHistory(const AgentTrace& trace, const Tokenizer* tokenizer, const ChatTemplate& chat_template);

  // What the turn's client would send. Requires: replies of the turns before were added, where they had any;
  // the turn is not one of counts.
  Result<std::vector<TokenId>> Prompt(size_t turn);

  // As the server does, it remembers the turn as it was sampled. Requires: Prompt(turn) was called.
  void AddReply(size_t turn, TraceReply reply);

 private:
  std::vector<size_t> Ancestry(size_t turn) const;
  std::vector<TokenId> Tokens(size_t turn) const;
  ChatRequest Conversation(size_t turn) const;

  const AgentTrace& trace_;
  const Tokenizer* const tokenizer_;
  const ChatTemplate& chat_template_;
  struct Reply {
    std::vector<TokenId> tokens;
    ChatMessage message;
  };
  std::vector<Reply> replies_;  // of each turn; empty before it had one
  ReplyPlace reply_place_;      // of the last prompt of messages
  SampledTurns sampled_;
};

}  // namespace mimo

#pragma once

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "data/conversation.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace mimo {

// A conversation as the model reads it, and which of its tokens are the model's own.
struct RenderedConversation {
  std::vector<TokenId> tokens;
  std::vector<uint8_t>
      is_target;  // [tokens] 1 where the token is to be predicted: calls, replies, the end of a turn
};

// The chat request of the first `num_turns` turns, replies included: system prompt, tools, messages. Thinking
// off, generation prompt on: with the next user message added it is what a server is asked.
// Requires: num_turns <= conversation.turns.size(), and as many results as calls in each.
ChatRequest ConversationRequest(const Conversation& conversation, size_t num_turns);

// By the program's own template (V2.6) and tokenizer, so that training and serving see the same tokens: the
// prompt of each answer is a prefix of the result, and the targets that follow are what the model has to say.
Result<RenderedConversation> RenderConversation(const Conversation& conversation,
                                                const ChatTemplate& chat_template,
                                                const Tokenizer& tokenizer);

}  // namespace mimo

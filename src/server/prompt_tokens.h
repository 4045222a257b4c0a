#pragma once

#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "text/chat_message.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace mimo {

// The prompt of a conversation as tokens. Control tokens spelled out in somebody's text stay text, so that no
// message can end its turn and pretend to be another's.
Result<std::vector<TokenId>> PromptTokens(const ChatRequest& request, const ChatTemplate& chat_template,
                                          const Tokenizer& tokenizer);

}  // namespace mimo

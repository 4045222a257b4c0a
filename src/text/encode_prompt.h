#pragma once

#include <vector>

#include "base/token_id.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace mimo {

// A rendered conversation as tokens. Control tokens spelled out in somebody's text stay text, so that no
// message can end its turn and pretend to be another's.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt);

}  // namespace mimo

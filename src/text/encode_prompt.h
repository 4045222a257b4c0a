#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/token_id.h"
#include "text/chat_template.h"
#include "text/sampled_turns.h"
#include "text/tokenizer.h"

namespace mimo {

// A rendered conversation as tokens. Control tokens spelled out in somebody's text stay text, so that no
// message can end its turn and pretend to be another's.
//
// Turns of the assistant that `sampled` knows are replayed as they were sampled. Null: there are none. Turns
// of conversations with another `salt` are not known.
std::vector<TokenId> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt,
                                  SampledTurns* sampled = nullptr, std::string_view salt = {});

// What has to be known of a prompt to remember the reply to it as a turn of the assistant.
struct ReplyPlace {
  uint64_t before = 0;                // hash of the salt and the text up to the turn
  std::vector<TokenId> opening = {};  // tokens of the turn that the prompt itself wrote
};
ReplyPlace PlaceOfReply(const Tokenizer& tokenizer, const RenderedPrompt& prompt, std::string_view salt = {});

}  // namespace mimo

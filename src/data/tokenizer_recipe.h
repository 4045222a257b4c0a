#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "data/conversation.h"
#include "text/tokenizer.h"

namespace mimo {

// The added tokens of our small models, without ids: the control tokens (special), the tags of replies, and
// shortcuts for what the V2.6 template and the home's tools repeat in every prompt. A tool costs two tokens
// and two per parameter, or two in all where several tools of the catalogue have the same parameters; a call
// three and one per parameter beside the values.
//
// A shortcut is only a spelling: any tool list is still text that decodes to itself. No shortcut reaches
// across the end of the generation prompt, so the tokens of a prompt do not depend on the answer.
std::vector<TokenizerData::AddedToken> SmallModelAddedTokens();

struct TokenizerBuilderOptions {
  uint32_t vocab_size = 4096;
  uint64_t text_bytes = 20'000'000;  // of rendered conversations, outside added tokens
};

// Called with what is done so far, in the unit of the caller's limit; an error ends the work with it.
using BuilderProgress = std::function<Status(uint64_t done)>;

// Learns the merges from conversations as the template renders them. `progress` (may be empty) gets bytes.
Result<TokenizerData> BuildTokenizer(const std::function<Conversation()>& next_conversation,
                                     const TokenizerBuilderOptions& options, const BuilderProgress& progress);

}  // namespace mimo

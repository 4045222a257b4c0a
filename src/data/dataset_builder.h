#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "data/conversation.h"
#include "data/dataset_file.h"
#include "data/tokenizer_recipe.h"
#include "text/tokenizer.h"

namespace mimo {

// The dataset ends with the conversation that reaches one of these; 0 is no limit. One of them must be given.
struct DatasetLimits {
  uint64_t num_conversations = 0;
  uint64_t num_tokens = 0;
};

// Writes conversations as the V2.6 template and `tokenizer` make them to the file `path`. `progress` (may be
// empty) gets the number of what is limited, tokens if both are.
Result<DatasetInfo> BuildDataset(const std::function<Conversation()>& next_conversation,
                                 const DatasetLimits& limits, const Tokenizer& tokenizer,
                                 const std::string& path, const BuilderProgress& progress);

// For people: a line per message, calls as NAME {arguments}.
std::string ConversationText(const Conversation& conversation);

// For a model: the text of the V2.6 template whose tokens BuildDataset writes, unless a message spells a
// control token, which reads as the token itself in a text.
Result<std::string> ConversationPrompt(const Conversation& conversation);

}  // namespace mimo

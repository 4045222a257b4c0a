#pragma once

#include "data/conversation.h"
#include "data/conversation_language.h"
#include "data/generator.h"
#include "data/random.h"
#include "data/seen_turns.h"

namespace mimo {

// One conversation in `language`, whose turns are added to `seen`. It has no turns where everything that was
// drawn had been there before: draw again.
Conversation MakeConversation(const ConversationLanguage& language, const GeneratorOptions& options,
                              Random& random, SeenTurns& seen);

}  // namespace mimo

#pragma once
// What may stand together in one sentence, and in which words.

#include "data/language_pack.h"
#include "data/random.h"
#include "data/situation.h"
#include "data/turn_drafter.h"
#include "text/chat_message.h"

namespace mimo {

// Whether the request names its device.
bool IsByName(const Situation& situation);

// Whether one sentence may ask it for two devices or rooms: "turn on the lamp and the fan".
bool IsPairable(const Situation& situation);

// Nobody asks twice for the same in one sentence, nor to turn something on, dim it and turn it off.
bool AreAtOdds(const ToolCall& first, const ToolCall& second);

// Whether both calls are for one domain and device class, or for none.
bool HaveSameKind(const ToolCall& first, const ToolCall& second);

// The second call gets what the sentence says once. False where the two do not fit into one.
bool ShareValues(const ToolCall& first, ToolCall& second, const Situation& situation, bool is_same_kind);

// The words of a sentence for two: names and places joined, the rest said once.
SlotWords PairWords(const LanguagePack& pack, const SlotWords& first, const SlotWords& second,
                    bool is_same_kind, Random& random);

}  // namespace mimo

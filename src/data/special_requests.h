#pragma once
// Requests that no call answers: for what is not there, and for one of several.

#include <optional>
#include <string>

#include "data/conversation_language.h"
#include "data/random.h"
#include "data/turn_drafter.h"

namespace mimo {

// The name of a device, or of a kind of devices, that this home does not have. Empty: draw again.
std::string DrawAbsentName(const ConversationLanguage& language, const HomeView& view, Random& random);

// Whether no device or room of the home could be meant: none has a name with most of its words in `text`,
// which is in lower case.
bool IsUnlikeAll(const ConversationLanguage& language, const HomeView& view, const std::string& text);

// Several devices of a kind, of which the sentence tells none: {singular} and {options}. Empty: draw again.
std::optional<SlotWords> DrawOptions(const ConversationLanguage& language, const HomeView& view,
                                     Random& random);

// Words that mean nothing, to be repeated.
std::string DrawSyllables(const ConversationLanguage& language, Random& random);

}  // namespace mimo

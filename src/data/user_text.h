#pragma once

#include <string>
#include <vector>

#include "data/language_pack.h"
#include "data/phrase.h"
#include "data/random.h"
#include "data/situation.h"

namespace mimo {

// Makes of a plain phrase what people type or a speech recogniser hears: now and then a slip of the fingers,
// "please", a capital letter, a full stop. `slot_ranges` are left as they are: a name or number spelled
// wrongly would be another one.
std::string AsUserText(const LanguagePack& pack, Random& random, std::string phrase,
                       const std::vector<TextRange>& slot_ranges, SituationMood mood);

// A sentence of the assistant: capital letter and full stop where the language has them.
std::string AsReplyText(const LanguagePack& pack, std::string phrase);

}  // namespace mimo

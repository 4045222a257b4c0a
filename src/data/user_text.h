#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/language_pack.h"
#include "data/phrase.h"
#include "data/random.h"
#include "data/situation.h"

namespace mimo {

// Makes of a plain phrase what people type or a speech recogniser hears: now and then a slip of the fingers,
// "please", a capital letter, a full stop. Immutable; any thread. `pack` must outlive it.
class UserTextMaker {
 public:
  explicit UserTextMaker(const LanguagePack& pack);

  // `slot_ranges` are left as they are: a name or number spelled wrongly would be another one.
  std::string Make(Random& random, std::string phrase, const std::vector<TextRange>& slot_ranges,
                   SituationMood mood) const;

 private:
  // The first word, or character where words have no blanks.
  std::string_view FirstWord(std::string_view text) const;

  const LanguagePack& pack_;
  std::set<std::string, std::less<>> polite_words_;  // how polite sentences begin
};

// A sentence of the assistant: capital letter and full stop where the language has them.
std::string AsReplyText(const LanguagePack& pack, std::string phrase);

}  // namespace mimo

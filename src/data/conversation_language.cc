#include "data/conversation_language.h"

#include <utility>

#include "data/joined_requests.h"
#include "data/situation.h"

namespace mimo {
namespace {

bool IsByNameAlone(const Situation& situation) {
  return IsByName(situation) && situation.place == SituationPlace::kNone && situation.kinds != "weather";
}

}  // namespace

ConversationLanguage::ConversationLanguage(LanguagePack words, uint32_t devices_max)
    : pack(std::move(words)), homes(pack, devices_max), drafter(pack, homes), user_text(pack) {
  for (const Situation& situation : Situations()) {
    const double weight = pack.situations.contains(situation.name) ? situation.weight : 0;
    situation_choice.Add(weight);
    absent_choice.Add(IsByNameAlone(situation) ? weight : 0);
    pair_choice.Add(IsPairable(situation) ? weight : 0);
  }
}

}  // namespace mimo

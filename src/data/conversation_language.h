#pragma once

#include "data/home_generator.h"
#include "data/language_pack.h"
#include "data/random.h"
#include "data/turn_drafter.h"
#include "data/user_text.h"

namespace mimo {

// What the generator keeps of a language. Not movable: the parts refer to each other.
struct ConversationLanguage {
  ConversationLanguage(LanguagePack words, uint32_t devices_max);
  ConversationLanguage(const ConversationLanguage&) = delete;
  ConversationLanguage& operator=(const ConversationLanguage&) = delete;

  LanguagePack pack;
  HomeGenerator homes;
  TurnDrafter drafter;
  UserTextMaker user_text;
  WeightedChoice situation_choice;  // of Situations()
  WeightedChoice absent_choice;     // requests for a device that could be missing
  WeightedChoice pair_choice;       // requests that may be for two devices or rooms
};

}  // namespace mimo

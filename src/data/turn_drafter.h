#pragma once
// One request for one situation: which device, place and values, what the user says, what the call must be.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/home_generator.h"
#include "data/language_pack.h"
#include "data/phrase.h"
#include "data/random.h"
#include "data/situation.h"
#include "data/spoken_values.h"
#include "text/chat_message.h"

namespace mimo {

// Words for slots: as the user says them and as the assistant writes them.
class SlotWords {
 public:
  void Set(std::string_view slot, const std::string& said) { Set(slot, said, said); }
  void Set(std::string_view slot, std::string said, std::string written) {
    entries_.push_back({slot, std::move(said), std::move(written)});
  }
  // nullptr where the slot has no words.
  const std::string* Said(std::string_view slot) const;
  const std::string* Written(std::string_view slot) const;

 private:
  struct Entry {
    std::string_view slot;  // of static duration
    std::string said;
    std::string written;
  };
  std::vector<Entry> entries_;
};

// What a conversation knows when a turn is drafted.
struct HomeView {
  const GeneratedHome& made;
  const Home& home;                      // as it is now
  size_t num_devices;                    // those of the system prompt; calls may have made more
  std::string speaker_area;              // a name; may be empty
  std::string speaker_id;                // that area's id
  std::vector<std::string> lower_names;  // [num_devices] for finding names in sentences
};

// Remarks ("it's too dark in here") stand alone only.
enum class SentenceUse : uint8_t { kAlone, kPartOfAnother };

struct SaidSentence {
  std::string text;
  std::vector<TextRange> slot_ranges;
  bool is_remark = false;
};

struct TurnDraft {
  std::string situation;
  std::string phrase;  // what the user says, before politeness and typos
  std::vector<TextRange> slot_ranges;
  SituationMood mood = SituationMood::kCommand;
  ToolCall call;  // name empty: none
  SlotWords words;
  // The call's values come from an unbounded set (names, numbers, texts), so that a part of the combinations
  // can be held out without taking a meaning away from the training.
  bool has_open_values = false;

  // Sets `phrase`, `slot_ranges` and `mood`.
  void SetSentence(SaidSentence said, SituationMood situation_mood);
};

// Immutable; any thread. `pack` and `homes` must outlive it.
class TurnDrafter {
 public:
  TurnDrafter(const LanguagePack& pack, const HomeGenerator& homes);

  // Empty where the home lacks what the situation needs, or the draw would be ambiguous; draw again then.
  std::optional<TurnDraft> Draft(const Situation& situation, const HomeView& view, Random& random,
                                 SentenceUse use = SentenceUse::kAlone) const;

  // The requests that can stand beside others in a sentence, or be said to happen later.
  static bool IsJoinable(const Situation& situation);

  // A phrase or remark of `situation` with its slots filled. Empty where it wants a slot without words.
  std::optional<SaidSentence> Say(std::string_view situation, const SlotWords& words, Random& random,
                                  SentenceUse use = SentenceUse::kAlone) const;
  // A reply of `situation`, in the assistant's words; {result} is `result`. Empty as above.
  std::optional<std::string> Reply(std::string_view situation, const SlotWords& words,
                                   const std::string& result, Random& random) const;

  std::string AnyWord(std::string_view list, Random& random) const;
  // A word for one device of the kind; empty where the pack has none.
  std::string Singular(std::string_view kind, Random& random) const;

 private:
  struct Binding;

  bool BindDevice(Binding& binding) const;
  bool BindKind(Binding& binding) const;
  bool BindPlace(Binding& binding) const;
  bool BindValue(Binding& binding) const;
  bool BindPercent(Binding& binding) const;
  bool BindText(Binding& binding) const;
  bool BindState(Binding& binding) const;
  bool BindTimer(Binding& binding) const;
  bool BindList(Binding& binding) const;
  bool BindCommand(Binding& binding) const;
  void BindArea(Binding& binding, const HomeArea& area) const;
  void BindSpeakersPlace(Binding& binding) const;
  std::string SaidName(const Binding& binding) const;
  std::string WithKind(Random& random, const std::string& name, const DeviceWords& words,
                       bool is_light) const;
  void BindDuration(Binding& binding, const SpokenDuration& duration) const;
  bool FinishCall(Binding& binding, TurnDraft& draft) const;
  std::string SaidPlace(Random& random, const std::string& name,
                        const std::vector<std::vector<std::string>>& words, size_t index) const;

  const LanguagePack& pack_;
  const HomeGenerator& homes_;
  SpokenValues values_;
};

}  // namespace mimo

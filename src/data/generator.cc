#include "data/generator.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "data/home_generator.h"
#include "data/language_pack.h"
#include "data/random.h"
#include "data/result_text.h"
#include "data/seen_turns.h"
#include "data/situation.h"
#include "data/turn_drafter.h"
#include "data/user_text.h"
#include "home/home_simulator.h"
#include "home/home_tools.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr double kSpeakerAreaShare = 0.35;
constexpr double kBareSystemShare = 0.4;
constexpr double kOtherToolsShare = 0.25;
constexpr double kToolsShuffledShare = 0.7;
constexpr double kToolMissingKeptShare = 0.5;
constexpr double kBareRequestShare = 0.3;
constexpr double kAbsentInPhrasesShare = 0.7;
constexpr uint64_t kHeldOutDivisor = 16;
constexpr int kAttemptsPerTurn = 400;
constexpr int kAttemptsPerSpecial = 60;
constexpr size_t kOptionsNamed = 5;

uint64_t HashText(std::string_view text, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return MixBits(hash);
}

bool IsByName(const Situation& situation) {
  return situation.target == SituationTarget::kName || situation.target == SituationTarget::kNameOnly;
}

bool IsByNameAlone(const Situation& situation) {
  return IsByName(situation) && situation.place == SituationPlace::kNone && situation.kinds != "weather";
}

bool IsPairable(const Situation& situation) {
  if (situation.target == SituationTarget::kNothing || situation.timer != SituationTimer::kNone) return false;
  const auto wanted = IsByName(situation) ? SituationPlace::kNone : SituationPlace::kArea;
  return TurnDrafter::IsJoinable(situation) && situation.place == wanted &&
         situation.value != SituationValue::kItemList;
}

// What the generator keeps of a language. Not movable: the parts refer to each other.
struct Language {
  explicit Language(LanguagePack words, uint32_t devices_max)
      : pack(std::move(words)), homes(pack, devices_max), drafter(pack, homes), user_text(pack) {
    for (const Situation& situation : Situations()) {
      const double weight = pack.situations.contains(situation.name) ? situation.weight : 0;
      situation_choice.Add(weight);
      absent_choice.Add(IsByNameAlone(situation) ? weight : 0);
      pair_choice.Add(IsPairable(situation) ? weight : 0);
    }
  }
  Language(const Language&) = delete;
  Language& operator=(const Language&) = delete;

  LanguagePack pack;
  HomeGenerator homes;
  TurnDrafter drafter;
  UserTextMaker user_text;
  WeightedChoice situation_choice;
  WeightedChoice absent_choice;  // requests for a device that could be missing
  WeightedChoice pair_choice;    // requests that may be for two devices or rooms
};

// Nobody asks twice for the same in one sentence, nor to turn something on, dim it and turn it off.
bool AreAtOdds(const ToolCall& first, const ToolCall& second) {
  if (first.name == second.name && first.arguments == second.arguments) return true;
  const auto name = first.arguments.find("name");
  const auto other_name = second.arguments.find("name");
  if (name == first.arguments.end() || other_name == second.arguments.end() || *name != *other_name)
    return false;
  return first.name == second.name || first.name == "HassTurnOff" || second.name == "HassTurnOff";
}

uint32_t DrawTurnCount(Random& random, uint32_t turns_max) {
  const uint32_t count = random.Chance(1.0 / 3) ? random.Between(1, 2) : random.Between(4, 12);
  return std::clamp(count, 1u, std::max(1u, turns_max));
}

// How often a conversation without a home turns to it.
double BareWeight(SpecialSituation::Kind kind) {
  switch (kind) {
    case SpecialSituation::Kind::kSmallTalk:
      return 8;
    case SpecialSituation::Kind::kUnknown:
    case SpecialSituation::Kind::kNoTool:
      return 1;
    default:
      return 0;
  }
}

std::vector<std::string> LowerNames(const Home& home) {
  std::vector<std::string> names;
  for (const HomeDevice& device : home.devices) names.push_back(LowerCase(device.name));
  return names;
}

// A home that is not the conversation's.
class OtherHome {
 public:
  explicit OtherHome(GeneratedHome made) : made_(std::move(made)), lower_names_(LowerNames(made_.home)) {}
  HomeView View() const { return {made_, made_.home, lower_names_.size(), "", "", lower_names_}; }

 private:
  GeneratedHome made_;
  std::vector<std::string> lower_names_;
};

// One conversation being made.
class ConversationMaker {
 public:
  ConversationMaker(const Language& language, const GeneratorOptions& options, Random& random,
                    SeenTurns& seen)
      : language_(language),
        options_(options),
        random_(random),
        seen_(seen),
        // No draw where there are no such conversations, so that others stay what they were.
        is_bare_(options.bare_share > 0 && random.Chance(options.bare_share)),
        made_(is_bare_ ? GeneratedHome() : language.homes.Make(random)) {
    home_ = made_.home;
    conversation_.language = language.pack.language;
    conversation_.is_bare = is_bare_;
    conversation_.home = made_.home;
    if (is_bare_) {
      ChooseSystem();
    } else {
      ChooseSpeakerArea();
    }
    context_.speaker_area = conversation_.speaker_area;
    // Any minute of the years 2020 to 2039.
    context_.unix_seconds = 1577836800 + 60 * static_cast<int64_t>(random.Below(20 * 365 * 24 * 60));
    lower_names_ = LowerNames(home_);
    home_hash_ = is_bare_ ? random_.Next() : HomeHash();  // the first words of strangers are often the same
    if (!is_bare_) ChooseTools();
  }

  Conversation Make() {
    const uint32_t num_turns = DrawTurnCount(random_, options_.turns_max);
    for (uint32_t i = 0; i < num_turns; ++i) {
      if (!AddTurn()) break;
    }
    FillTools();
    return std::move(conversation_);
  }

 private:
  HomeView View() const {
    return {made_, home_, lower_names_.size(), conversation_.speaker_area, speaker_id_, lower_names_};
  }
  bool HasNoDevices() const { return lower_names_.empty(); }

  void ChooseSpeakerArea() {
    if (!random_.Chance(kSpeakerAreaShare)) return;
    if (!home_.areas.empty()) {
      const HomeArea& area = random_.Pick(home_.areas);
      conversation_.speaker_area = area.name;
      speaker_id_ = area.id;
    } else if (home_.devices.empty()) {
      // A client may know where it stands and list nothing else.
      const std::string& name = random_.Pick(language_.pack.areas).front();
      conversation_.speaker_area = language_.pack.has_case ? TitleCase(name) : name;
    }
  }

  void ChooseSystem() {
    if (random_.Chance(kBareSystemShare))
      conversation_.system = language_.drafter.AnyWord("system_prompts", random_);
  }

  uint64_t HomeHash() const {
    uint64_t hash = HashText(conversation_.speaker_area, 1);
    for (const HomeFloor& floor : home_.floors) hash = HashText(floor.name, hash);
    for (const HomeArea& area : home_.areas) hash = HashText(area.name, HashText(area.floor_id, hash));
    for (const HomeDevice& device : home_.devices) {
      hash = HashText(device.name, HashText(device.area_id, HashText(device.domain, hash)));
    }
    return hash;
  }

  // Which tools of the catalogue are offered: what the home needs, or now and then fewer or more.
  void ChooseTools() {
    const bool others = !HasNoDevices() && random_.Chance(kOtherToolsShare);
    const double dropped = others && random_.Chance(0.5) ? 0.2 + 0.6 * random_.Unit() : 0;
    const double added = others && dropped == 0 ? random_.Unit() : 0;
    for (const HomeTool& tool : HomeToolCatalogue()) {
      const bool fits =
          tool.domains.empty() || HasNoDevices() ||
          std::any_of(home_.devices.begin(), home_.devices.end(), [&](const HomeDevice& device) {
            return std::find(tool.domains.begin(), tool.domains.end(), device.domain) != tool.domains.end();
          });
      if (fits ? !random_.Chance(dropped) : random_.Chance(added)) offered_.insert(tool.definition.name);
    }
  }

  void FillTools() {
    std::vector<const HomeTool*> tools;
    for (const HomeTool& tool : HomeToolCatalogue()) {
      if (offered_.contains(tool.definition.name)) tools.push_back(&tool);
    }
    if (random_.Chance(kToolsShuffledShare)) random_.Shuffle(tools);
    for (const HomeTool* tool : tools) conversation_.tools.push_back(tool->definition);
  }

  // Of somebody who talks to no home in particular.
  bool AddBareTurn() {
    static const WeightedChoice kChoice = [] {
      WeightedChoice choice;
      for (const SpecialSituation& special : SpecialSituations()) choice.Add(BareWeight(special.kind));
      return choice;
    }();
    const bool is_request = random_.Chance(kBareRequestShare);
    for (int attempt = 0; attempt < kAttemptsPerTurn; ++attempt) {
      if (is_request ? AddBareRequest() : AddSpecial(SpecialSituations()[kChoice.Draw(random_)])) return true;
    }
    return false;
  }

  // Of somebody who takes it for a home's assistant: a request for a home that nobody described.
  bool AddBareRequest() {
    const Situation& situation = Situations()[language_.situation_choice.Draw(random_)];
    const OtherHome other(language_.homes.Make(random_));
    std::optional<TurnDraft> draft = language_.drafter.Draft(situation, other.View(), random_);
    return draft && RefuseTool(TurnOf(*draft));
  }

  // The kind of turn is drawn once, so that the shares are kept whatever the home makes difficult.
  bool AddTurn() {
    if (is_bare_) return AddBareTurn();
    double draw = random_.Unit();
    const SpecialSituation* special = nullptr;
    for (const SpecialSituation& each : SpecialSituations()) {
      if (draw < each.share && draw >= 0) special = &each;
      draw -= each.share;
    }
    for (int attempt = 0; special != nullptr && attempt < kAttemptsPerSpecial; ++attempt) {
      if (AddSpecial(*special)) return true;
    }
    for (int attempt = 0; attempt < kAttemptsPerTurn; ++attempt) {
      if (AddRequest()) return true;
    }
    return false;
  }

  // The usual turn: one request, one call, its result, a short reply.
  bool AddRequest() {
    const Situation& situation = Situations()[language_.situation_choice.Draw(random_)];
    std::optional<TurnDraft> draft = language_.drafter.Draft(situation, View(), random_);
    if (!draft) return false;
    ConversationTurn turn = TurnOf(*draft);
    if (!IsOffered(draft->call.name))
      return random_.Chance(kToolMissingKeptShare) && RefuseTool(std::move(turn));
    if (!MayAppear(turn)) return false;
    if (!used_.contains(draft->call.name) && random_.Chance(options_.tool_taken_share)) {
      const std::string tool = draft->call.name;
      if (!RefuseTool(std::move(turn))) return false;
      offered_.erase(tool);
      return true;
    }
    ToolOutcome outcome = ApplyToolCall(home_, draft->call, context_);
    std::optional<std::string> reply;
    if (outcome.ok) {
      reply =
          language_.drafter.Reply(situation.name, draft->words, InWords(draft->call, outcome.text), random_);
    } else if (HasNoDevices()) {
      // Without a list of devices the call is right, and its answer says that there is none.
      if (const std::string* kind = draft->words.Written("singular")) {
        SlotWords words;
        words.Set("name", *kind);
        reply = language_.drafter.Reply("no_device.name", words, "", random_);
      }
    }
    if (!reply) return false;
    AddCall(turn, draft->call, std::move(outcome.text));
    turn.reply = AsReplyText(language_.pack, *std::move(reply));
    return Accept(std::move(turn));
  }

  std::string InWords(const ToolCall& call, const std::string& result) {
    return ResultInWords(language_.pack, random_, call, result);
  }

  ConversationTurn TurnOf(const TurnDraft& draft) {
    ConversationTurn turn;
    turn.situation = draft.situation;
    turn.user = language_.user_text.Make(random_, draft.phrase, draft.slot_ranges, draft.mood);
    turn.held_out = IsHeldOut(draft);
    arguments_text_ = DumpJson(draft.call.arguments);
    return turn;
  }

  static bool IsHeldOut(const TurnDraft& draft) {
    uint64_t hash = HashText(draft.situation, 2);
    hash = HashText(DumpJson(draft.call.arguments), hash);
    // A meaning without values of its own is held out sentence by sentence.
    if (!draft.has_open_values) hash = HashText(draft.phrase, hash);
    return hash % kHeldOutDivisor == 0;
  }

  // Whether the turn belongs to the part that is made, and is new.
  bool MayAppear(const ConversationTurn& turn) {
    if (turn.held_out != (options_.part == DataPart::kHeldOut)) return false;
    uint64_t hash = HashText(conversation_.language, home_hash_);
    hash = HashText(turn.situation, hash);
    hash = HashText(turn.user, hash);
    hash = HashText(arguments_text_, hash);
    return seen_.Insert(hash);
  }

  bool IsOffered(const std::string& tool) const { return offered_.contains(tool); }

  void AddCall(ConversationTurn& turn, ToolCall call, std::string result) {
    used_.insert(call.name);
    call.id = fmt::format("call_{}", ++num_calls_);
    turn.calls.push_back(std::move(call));
    turn.results.push_back(std::move(result));
  }

  bool Accept(ConversationTurn turn) {
    conversation_.turns.push_back(std::move(turn));
    return true;
  }

  // The request stays; what would do it is not offered.
  bool RefuseTool(ConversationTurn turn) {
    turn.situation = fmt::format("no_tool({})", turn.situation);
    std::optional<std::string> reply = language_.drafter.Reply("no_tool.request", SlotWords(), "", random_);
    if (!reply || !MayAppear(turn)) return false;
    turn.reply = AsReplyText(language_.pack, *std::move(reply));
    return Accept(std::move(turn));
  }

  bool AddSpecial(const SpecialSituation& special) {
    SlotWords words;
    switch (special.kind) {
      case SpecialSituation::Kind::kSmallTalk:
        return AddSmallTalk();
      case SpecialSituation::Kind::kTwoJoin:
        return AddJoin(special.name, 2);
      case SpecialSituation::Kind::kThreeJoin:
        return AddJoin(special.name, 3);
      case SpecialSituation::Kind::kPair:
        return AddPair(special.name);
      case SpecialSituation::Kind::kNoDevice:
        if (random_.Chance(kAbsentInPhrasesShare)) return AddAbsentDevice(special.name);
        return BindAbsentDevice(words) && AddAnswer(special.name, words, SituationMood::kCommand);
      case SpecialSituation::Kind::kNoTool:
        return AddAnswer(special.name, words, SituationMood::kCommand);
      case SpecialSituation::Kind::kUnknown:
        words.Set("topic", language_.drafter.AnyWord("topics", random_));
        return AddAnswer(special.name, words, SituationMood::kQuestion);
      case SpecialSituation::Kind::kClarify:
        return BindOptions(words) && AddAnswer(special.name, words, SituationMood::kCommand);
      case SpecialSituation::Kind::kRepeat:
        words.Set("syllables", Syllables());
        return AddAnswer(special.name, words, SituationMood::kRemark);
    }
    return false;
  }

  // A sentence that is answered without a call.
  bool AddAnswer(std::string_view situation, const SlotWords& words, SituationMood mood) {
    TurnDraft draft;
    draft.situation = situation;
    std::optional<SaidSentence> said = language_.drafter.Say(situation, words, random_);
    std::optional<std::string> reply = language_.drafter.Reply(situation, words, "", random_);
    if (!said || !reply) return false;
    draft.SetSentence(*std::move(said), mood);
    ConversationTurn turn = TurnOf(draft);
    const bool verbatim = words.Said("syllables") != nullptr;
    turn.reply = verbatim ? *std::move(reply) : AsReplyText(language_.pack, *std::move(reply));
    return MayAppear(turn) && Accept(std::move(turn));
  }

  bool AddSmallTalk() {
    const std::vector<SmallTalk>& talks = language_.pack.small_talk;
    if (talks.empty()) return false;
    const SmallTalk& talk = random_.Pick(talks);
    TurnDraft draft;
    draft.situation = "small_talk";
    draft.mood = SituationMood::kRemark;
    draft.phrase = random_.Pick(talk.user).Expand(random_);
    ConversationTurn turn = TurnOf(draft);
    turn.reply = AsReplyText(language_.pack, random_.Pick(talk.replies).Expand(random_));
    return MayAppear(turn) && Accept(std::move(turn));
  }

  // A device, or a kind of devices, that this home does not have.
  bool BindAbsentDevice(SlotWords& words) {
    constexpr std::array<std::string_view, 12> kKinds = {
        "light",       "switch",        "fan",          "lock",         "climate", "media_player",
        "cover.blind", "cover.curtain", "cover.garage", "cover.awning", "valve",   "vacuum"};
    if (HasNoDevices()) return false;
    const std::string_view kind = random_.Pick(kKinds);
    if (language_.pack.Device(kind) == nullptr) return false;
    const std::string_view domain = kind.substr(0, kind.find('.'));
    const bool is_absent = std::none_of(home_.devices.begin(), home_.devices.end(),
                                        [&](const HomeDevice& device) { return device.domain == domain; });
    std::string name;
    if (is_absent && random_.Chance(0.4)) {
      name = language_.drafter.Singular(kind, random_);
    } else {
      // Where the home has the kind, "kitchen light" could mean what is in the kitchen.
      const bool with_room = is_absent && !home_.areas.empty();
      name = LowerCase(
          language_.homes.DeviceName(random_, kind, with_room ? random_.Pick(home_.areas).name : ""));
    }
    for (const std::string& other : lower_names_) {
      if (name.find(other) != std::string::npos || other.find(name) != std::string::npos) return false;
    }
    for (const HomeArea& area : home_.areas) {
      if (!is_absent && name.find(LowerCase(area.name)) != std::string::npos) return false;
    }
    words.Set("name", name);
    return !name.empty();
  }

  // Any request by name, of a device that stands in another home.
  bool AddAbsentDevice(std::string_view special) {
    if (HasNoDevices()) return false;
    const Situation& situation = Situations()[language_.absent_choice.Draw(random_)];
    const OtherHome other(language_.homes.Make(random_));
    std::optional<TurnDraft> draft = language_.drafter.Draft(situation, other.View(), random_);
    if (!draft || !IsOffered(draft->call.name)) return false;
    const std::string name = draft->call.arguments.at("name").get<std::string>();
    if (!IsUnlikeAll(LowerCase(name)) || !IsUnlikeAll(LowerCase(draft->phrase))) return false;
    SlotWords words;
    words.Set("name", LowerCase(name));
    std::optional<std::string> reply = language_.drafter.Reply(special, words, "", random_);
    if (!reply) return false;
    draft->situation = fmt::format("{}({})", special, situation.name);
    ConversationTurn turn = TurnOf(*draft);
    turn.reply = AsReplyText(language_.pack, *std::move(reply));
    return MayAppear(turn) && Accept(std::move(turn));
  }

  // Whether no device or room could be meant: none has a name with most of its words in `text`.
  bool IsUnlikeAll(const std::string& text) const {
    const auto is_like = [&](const std::string& name) {
      const std::vector<std::string> words = NameParts(name);
      const auto shared = std::count_if(words.begin(), words.end(), [&](const std::string& word) {
        return text.find(word) != std::string::npos;
      });
      return 2 * static_cast<size_t>(shared) >= words.size();
    };
    return std::none_of(lower_names_.begin(), lower_names_.end(), is_like) &&
           std::none_of(home_.areas.begin(), home_.areas.end(),
                        [&](const HomeArea& area) { return is_like(LowerCase(area.name)); });
  }

  // Words, or pairs of characters where words are not told apart.
  std::vector<std::string> NameParts(const std::string& name) const {
    std::vector<std::string> parts;
    if (language_.pack.has_case) {
      for (size_t begin = 0; begin < name.size();) {
        const size_t end = std::min(name.find(' ', begin), name.size());
        if (end > begin) parts.push_back(name.substr(begin, end - begin));
        begin = end + 1;
      }
      return parts;
    }
    size_t previous = 0;
    for (size_t position = 0; position < name.size();) {
      const size_t end = position + DecodeUtf8(name, position).length;
      if (position > 0) parts.push_back(name.substr(previous, end - previous));
      previous = std::exchange(position, end);
    }
    if (parts.empty()) parts.push_back(name);
    return parts;
  }

  // One request for two devices, or for two rooms: "turn on the lamp and the fan".
  bool AddPair(std::string_view special) {
    const Situation& situation = Situations()[language_.pair_choice.Draw(random_)];
    std::vector<TurnDraft> parts;
    for (int i = 0; i < 2; ++i) {
      std::optional<TurnDraft> draft =
          language_.drafter.Draft(situation, View(), random_, SentenceUse::kPartOfAnother);
      if (!draft || !IsOffered(draft->call.name)) return false;
      parts.push_back(*std::move(draft));
    }
    const bool is_same_kind = HaveSameKind(parts[0].call, parts[1].call);
    if (!ShareValues(parts[0].call, parts[1].call, situation, is_same_kind)) return false;
    for (const TurnDraft& part : parts) {
      if (IsHeldOut(part) && options_.part == DataPart::kTraining) return false;
    }
    const SlotWords words = PairWords(parts[0].words, parts[1].words, is_same_kind);
    std::optional<SaidSentence> said = language_.drafter.Say(situation.name, words, random_);
    if (!said) return false;
    TurnDraft joined;
    joined.situation = fmt::format("{}({})", special, situation.name);
    joined.SetSentence(*std::move(said), SituationMood::kCommand);
    return AddJoined("two.join", joined, parts, words);
  }

  static bool HaveSameKind(const ToolCall& first, const ToolCall& second) {
    const auto same = [&](const char* key) {
      return first.arguments.value(key, "") == second.arguments.value(key, "");
    };
    return same("domain") && same("device_class");
  }

  // The second call gets what the sentence says once. False where the two do not fit into one.
  static bool ShareValues(const ToolCall& first, ToolCall& second, const Situation& situation,
                          bool is_same_kind) {
    const bool by_name = IsByName(situation);
    if (!by_name && !is_same_kind) return false;
    for (const auto& [key, value] : first.arguments.items()) {
      const bool is_kind = key == "domain" || key == "device_class";
      if (key != "name" && key != "area" && !is_kind) second.arguments[key] = value;
    }
    const char* differing = by_name ? "name" : "area";
    return first.arguments.at(differing) != second.arguments.at(differing) &&
           (!is_same_kind || first.arguments.size() == second.arguments.size());
  }

  SlotWords PairWords(const SlotWords& first, const SlotWords& second, bool is_same_kind) {
    SlotWords words;
    const auto join = [&](std::string_view slot, std::string_view first_slot, std::string_view second_slot) {
      const std::string* one = first.Said(first_slot);
      const std::string* other = second.Said(second_slot);
      if (one == nullptr || other == nullptr) return;
      words.Set(
          slot,
          random_.Pick(language_.pack.pairs).Expand(random_, [&](std::string_view part, std::string& out) {
            out += part == "first" ? *one : *other;
          }));
    };
    // "in the kitchen and the hall", where the room comes last; else what follows it comes once, too.
    const bool place_first = language_.pack.has_case;
    join("name", "name", "name");
    join("area", "area", "area");
    join("in_area", place_first ? "in_area" : "area",
         place_first && random_.Chance(0.6) ? "area" : "in_area");
    for (const std::string_view slot :
         {"percent", "brightness_word", "color", "color_temperature", "degrees"}) {
      if (const std::string* word = first.Said(slot)) words.Set(slot, *word);
    }
    for (const std::string_view slot : {"plural", "singular"}) {
      const std::string* word = first.Said(slot);
      if (is_same_kind && word != nullptr) words.Set(slot, *word);
    }
    return words;
  }

  // Several devices of a kind, of which the sentence tells none.
  bool BindOptions(SlotWords& words) {
    constexpr std::array<std::string_view, 4> kDomains = {"lock", "media_player", "cover", "valve"};
    const std::string_view domain = random_.Pick(kDomains);
    std::map<std::string, std::vector<const HomeDevice*>> kinds;
    for (size_t i = 0; i < lower_names_.size(); ++i) {
      const HomeDevice& device = home_.devices[i];
      if (device.domain == domain) kinds[DeviceKind(device.domain, device.device_class)].push_back(&device);
    }
    for (const auto& [kind, devices] : kinds) {
      const bool near = std::any_of(devices.begin(), devices.end(), [&](const HomeDevice* device) {
        return !speaker_id_.empty() && device->area_id == speaker_id_;
      });
      if (devices.size() < 2 || devices.size() > kOptionsNamed || near) continue;
      std::string options;
      for (const HomeDevice* device : devices) {
        if (!options.empty()) options += language_.pack.has_case ? ", " : "、";
        options += device->name;
      }
      const std::string singular = language_.drafter.Singular(kind, random_);
      if (singular.empty()) return false;
      words.Set("singular", singular);
      words.Set("options", options);
      return true;
    }
    return false;
  }

  std::string Syllables() {
    std::string text;
    for (uint32_t i = random_.Between(1, 6); i > 0; --i) {
      if (!text.empty() && (language_.pack.has_case || random_.Chance(0.3))) text += ' ';
      text += random_.Chance(0.12) ? std::to_string(random_.Below(1000))
                                   : language_.homes.inventor().Invent(random_);
    }
    return text;
  }

  // Several requests in one sentence.
  bool AddJoin(std::string_view situation, size_t num_parts) {
    static constexpr std::array<std::string_view, 3> kSlots = {"first", "second", "third"};
    std::vector<TurnDraft> parts;
    for (int attempt = 0; attempt < 30 && parts.size() < num_parts; ++attempt) {
      const Situation& part = Situations()[language_.situation_choice.Draw(random_)];
      if (!TurnDrafter::IsJoinable(part)) continue;
      std::optional<TurnDraft> draft =
          language_.drafter.Draft(part, View(), random_, SentenceUse::kPartOfAnother);
      if (!draft || !IsOffered(draft->call.name)) continue;
      if (IsHeldOut(*draft) && options_.part == DataPart::kTraining) continue;
      const bool repeats = std::any_of(parts.begin(), parts.end(), [&](const TurnDraft& other) {
        return AreAtOdds(other.call, draft->call);
      });
      if (!repeats) parts.push_back(*std::move(draft));
    }
    if (parts.size() < num_parts) return false;
    TurnDraft joined;
    SlotWords words;
    joined.situation = situation;
    for (size_t i = 0; i < num_parts; ++i) {
      words.Set(kSlots[i], parts[i].phrase);
      joined.situation += (i == 0 ? "(" : ",") + parts[i].situation;
    }
    joined.situation += ")";
    std::optional<SaidSentence> said = language_.drafter.Say(situation, words, random_);
    if (!said) return false;
    joined.SetSentence(*std::move(said), SituationMood::kCommand);
    return AddJoined(situation, joined, parts, words);
  }

  bool AddJoined(std::string_view situation, const TurnDraft& joined, const std::vector<TurnDraft>& parts,
                 const SlotWords& words) {
    ConversationTurn turn = TurnOf(joined);
    turn.held_out = std::any_of(parts.begin(), parts.end(), IsHeldOut);
    if (!MayAppear(turn)) return false;
    Home after = home_;
    std::string results;
    for (const TurnDraft& part : parts) {
      ToolOutcome outcome = ApplyToolCall(after, part.call, context_);
      if (!outcome.ok) return false;
      results += (results.empty() ? "" : "; ") + InWords(part.call, outcome.text);
      turn.results.push_back(std::move(outcome.text));
    }
    std::optional<std::string> reply = language_.drafter.Reply(situation, words, results, random_);
    if (!reply) return false;
    home_ = std::move(after);
    std::vector<std::string> texts = std::move(turn.results);
    turn.results.clear();
    for (size_t i = 0; i < parts.size(); ++i) AddCall(turn, parts[i].call, std::move(texts[i]));
    turn.reply = AsReplyText(language_.pack, *std::move(reply));
    return Accept(std::move(turn));
  }

  const Language& language_;
  const GeneratorOptions& options_;
  Random& random_;
  SeenTurns& seen_;
  const bool is_bare_;
  GeneratedHome made_;
  Home home_;
  std::string speaker_id_;
  std::vector<std::string> lower_names_;
  uint64_t home_hash_ = 0;
  CallContext context_;
  std::set<std::string, std::less<>> offered_;
  std::set<std::string, std::less<>> used_;
  std::string arguments_text_;
  uint32_t num_calls_ = 0;
  Conversation conversation_;
};

}  // namespace

struct ConversationGenerator::Impl {
  explicit Impl(GeneratorOptions wanted) : options(std::move(wanted)), random(options.seed) {}

  GeneratorOptions options;
  Random random;
  SeenTurns seen;
  std::vector<std::unique_ptr<Language>> languages;
  WeightedChoice language_choice;
};

Result<ConversationGenerator> ConversationGenerator::Create(const GeneratorOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  for (const auto& [tag, share] : options.languages) {
    MIMO_ASSIGN_OR_RETURN(LanguagePack pack, LoadBuiltinLanguage(tag));
    impl->languages.push_back(std::make_unique<Language>(std::move(pack), options.devices_max));
    impl->language_choice.Add(std::max(share, 0.0));
  }
  if (impl->language_choice.empty()) return InvalidArgument("no language has a share of the conversations");
  return ConversationGenerator(std::move(impl));
}

ConversationGenerator::ConversationGenerator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConversationGenerator::~ConversationGenerator() = default;
ConversationGenerator::ConversationGenerator(ConversationGenerator&&) noexcept = default;
ConversationGenerator& ConversationGenerator::operator=(ConversationGenerator&&) noexcept = default;

Conversation ConversationGenerator::Next() {
  for (;;) {
    const Language& language = *impl_->languages[impl_->language_choice.Draw(impl_->random)];
    ConversationMaker maker(language, impl_->options, impl_->random, impl_->seen);
    Conversation conversation = maker.Make();
    if (!conversation.turns.empty()) return conversation;
  }
}

}  // namespace mimo

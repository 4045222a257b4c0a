#include "data/conversation_maker.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "data/joined_requests.h"
#include "data/request_hash.h"
#include "data/result_text.h"
#include "data/situation.h"
#include "data/special_requests.h"
#include "home/home_simulator.h"
#include "home/home_tools.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr double kSpeakerAreaShare = 0.35;
constexpr double kBareSystemShare = 0.4;
constexpr double kToolsLackingShare = 0.28;
constexpr double kToolsAddedShare = 0.12;
constexpr double kToolsShuffledShare = 0.7;
constexpr double kBareRequestShare = 0.3;
constexpr double kAbsentInPhrasesShare = 0.7;
constexpr int kAttemptsPerTurn = 400;
constexpr int kAttemptsPerSpecial = 60;
constexpr size_t kLargeHome = 40;

// Many where the home is large: its description is the dearest part of the conversation.
uint32_t DrawTurnCount(Random& random, size_t num_devices, uint32_t turns_max) {
  uint32_t count = 0;
  if (num_devices > kLargeHome) {
    count = random.Between(8, 20);
  } else if (random.Chance(1.0 / 3)) {
    count = random.Between(1, 2);
  } else {
    count = random.Between(5, 18);
  }
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
  ConversationMaker(const ConversationLanguage& language, const GeneratorOptions& options, Random& random,
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
    // The first words of strangers are often the same.
    home_hash_ = is_bare_ ? random_.Next() : HashHome(home_, conversation_.speaker_area);
    if (!is_bare_) ChooseTools();
  }

  Conversation Make() {
    const uint32_t num_turns = DrawTurnCount(random_, lower_names_.size(), options_.turns_max);
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

  // Which tools of the catalogue are offered: what the home needs, or now and then fewer or more.
  void ChooseTools() {
    const bool lacks_tools = random_.Chance(kToolsLackingShare);
    const double dropped = lacks_tools ? 0.1 + 0.6 * random_.Unit() : 0;
    const bool has_more = !lacks_tools && !HasNoDevices() && random_.Chance(kToolsAddedShare);
    const double added = has_more ? random_.Unit() : 0;
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
    if (!IsOffered(draft->call.name)) return RefuseTool(std::move(turn));
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
        words.Set("name", DrawAbsentName(language_, View(), random_));
        return !words.Said("name")->empty() && AddAnswer(special.name, words, SituationMood::kCommand);
      case SpecialSituation::Kind::kNoTool:
        return AddAnswer(special.name, words, SituationMood::kCommand);
      case SpecialSituation::Kind::kUnknown:
        words.Set("topic", language_.drafter.AnyWord("topics", random_));
        return AddAnswer(special.name, words, SituationMood::kQuestion);
      case SpecialSituation::Kind::kClarify:
        return AddClarification(special.name);
      case SpecialSituation::Kind::kRepeat:
        words.Set("syllables", DrawSyllables(language_, random_));
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

  bool AddClarification(std::string_view special) {
    const std::optional<SlotWords> words = DrawOptions(language_, View(), random_);
    return words && AddAnswer(special, *words, SituationMood::kCommand);
  }

  // Any request by name, of a device that stands in another home.
  bool AddAbsentDevice(std::string_view special) {
    if (HasNoDevices()) return false;
    const Situation& situation = Situations()[language_.absent_choice.Draw(random_)];
    const OtherHome other(language_.homes.Make(random_));
    std::optional<TurnDraft> draft = language_.drafter.Draft(situation, other.View(), random_);
    if (!draft || !IsOffered(draft->call.name)) return false;
    const std::string name = draft->call.arguments.at("name").get<std::string>();
    const HomeView view = View();
    if (!IsUnlikeAll(language_, view, LowerCase(name))) return false;
    if (!IsUnlikeAll(language_, view, LowerCase(draft->phrase))) return false;
    SlotWords words;
    words.Set("name", LowerCase(name));
    std::optional<std::string> reply = language_.drafter.Reply(special, words, "", random_);
    if (!reply) return false;
    draft->situation = fmt::format("{}({})", special, situation.name);
    ConversationTurn turn = TurnOf(*draft);
    turn.reply = AsReplyText(language_.pack, *std::move(reply));
    return MayAppear(turn) && Accept(std::move(turn));
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
    const SlotWords words = PairWords(language_.pack, parts[0].words, parts[1].words, is_same_kind, random_);
    std::optional<SaidSentence> said = language_.drafter.Say(situation.name, words, random_);
    if (!said) return false;
    TurnDraft joined;
    joined.situation = fmt::format("{}({})", special, situation.name);
    joined.SetSentence(*std::move(said), SituationMood::kCommand);
    return AddJoined("two.join", joined, parts, words);
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

  const ConversationLanguage& language_;
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

Conversation MakeConversation(const ConversationLanguage& language, const GeneratorOptions& options,
                              Random& random, SeenTurns& seen) {
  return ConversationMaker(language, options, random, seen).Make();
}

}  // namespace mimo

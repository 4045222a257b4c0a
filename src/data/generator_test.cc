#include "data/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/json.h"
#include "data/home_generator.h"
#include "data/language_pack.h"
#include "data/render.h"
#include "data/situation.h"
#include "home/home_simulator.h"
#include "home/home_tools.h"

namespace mimo {
namespace {

GeneratorOptions AllLanguages(uint64_t seed) {
  GeneratorOptions options;
  options.seed = seed;
  options.languages.clear();
  for (const std::string& language : BuiltinLanguages()) options.languages.emplace_back(language, 1.0);
  return options;
}

std::string TextOf(const Conversation& conversation) {
  std::string text = conversation.language + HomeSystemPrompt(conversation.home, conversation.speaker_area);
  for (const ToolDefinition& tool : conversation.tools) text += tool.name;
  for (const ConversationTurn& turn : conversation.turns) {
    text += turn.situation + turn.user + turn.reply;
    for (const ToolCall& call : turn.calls) text += call.name + DumpJson(call.arguments);
    for (const std::string& result : turn.results) text += result;
  }
  return text;
}

std::set<std::string> ToolNames(const Conversation& conversation) {
  std::set<std::string> names;
  for (const ToolDefinition& tool : conversation.tools) names.insert(tool.name);
  return names;
}

TEST(ConversationGenerator, AnswersWithoutCallsWhereThereIsNoHome) {
  GeneratorOptions options = AllLanguages(3);
  options.bare_share = 0.3;
  auto generator = *ConversationGenerator::Create(options);
  int num_bare = 0;
  int num_with_system = 0;
  std::set<std::string> situations;
  for (int i = 0; i < 500; ++i) {
    const Conversation conversation = generator.Next();
    if (!conversation.is_bare) continue;
    ++num_bare;
    num_with_system += conversation.system.empty() ? 0 : 1;
    EXPECT_TRUE(conversation.tools.empty() && conversation.home.devices.empty());
    for (const ConversationTurn& turn : conversation.turns) {
      EXPECT_TRUE(turn.calls.empty() && !turn.reply.empty()) << turn.situation;
      situations.insert(turn.situation.substr(0, turn.situation.find('(')));
    }
    const ChatRequest request = ConversationRequest(conversation, conversation.turns.size());
    EXPECT_EQ(request.messages.front().role, conversation.system.empty() ? "user" : "system");
  }
  EXPECT_GT(num_bare, 500 * 0.2);
  EXPECT_LT(num_bare, 500 * 0.4);
  EXPECT_GT(num_with_system, num_bare / 4);
  EXPECT_LT(num_with_system, num_bare / 2);
  EXPECT_EQ(situations, (std::set<std::string>{"small_talk", "unknown.topic", "no_tool.request", "no_tool"}));
}

TEST(ConversationGenerator, TakesToolsOutOfTheOffer) {
  const auto refused_share = [](double taken_share) {
    GeneratorOptions options = AllLanguages(4);
    options.tool_taken_share = taken_share;
    auto generator = *ConversationGenerator::Create(options);
    int num_turns = 0;
    int num_refused = 0;
    for (int i = 0; i < 300; ++i) {
      const Conversation conversation = generator.Next();
      for (const ConversationTurn& turn : conversation.turns) {
        ++num_turns;
        num_refused += turn.situation.starts_with("no_tool(") ? 1 : 0;
      }
    }
    return static_cast<double>(num_refused) / num_turns;
  };
  const double few = refused_share(0.045);  // and those of homes that lack tools
  EXPECT_GT(few, 0.05);
  EXPECT_LT(few, 0.15);
  const double many = refused_share(0.3);
  EXPECT_GT(many, 0.15);
  EXPECT_GT(many, few + 0.05);
}

TEST(ConversationGenerator, MakesTheSameConversationsFromTheSameSeed) {
  auto first = *ConversationGenerator::Create(AllLanguages(5));
  auto again = *ConversationGenerator::Create(AllLanguages(5));
  auto other = *ConversationGenerator::Create(AllLanguages(6));
  int num_different = 0;
  for (int i = 0; i < 150; ++i) {
    const std::string text = TextOf(first.Next());
    ASSERT_EQ(text, TextOf(again.Next()));
    num_different += text != TextOf(other.Next()) ? 1 : 0;
  }
  EXPECT_GT(num_different, 145);
}

// Replays what the conversations claim: each call gives its result, at the home as it is by then.
TEST(ConversationGenerator, MakesOnlyCallsThatTheHomeCarriesOut) {
  auto generator = *ConversationGenerator::Create(AllLanguages(1));
  std::map<std::string, int> situations;
  for (int i = 0; i < 2000; ++i) {
    const Conversation conversation = generator.Next();
    const std::set<std::string> tools = ToolNames(conversation);
    Home home = conversation.home;
    for (const ConversationTurn& turn : conversation.turns) {
      ++situations[turn.situation.substr(0, turn.situation.find('('))];
      ASSERT_EQ(turn.calls.size(), turn.results.size());
      ASSERT_FALSE(turn.user.empty());
      ASSERT_FALSE(turn.reply.empty());
      for (size_t c = 0; c < turn.calls.size(); ++c) {
        EXPECT_THAT(tools, testing::Contains(turn.calls[c].name));
        // The clock is the generator's own; what it says does not change the home.
        if (turn.calls[c].name.starts_with("HassGetCurrent")) continue;
        const ToolOutcome outcome =
            ApplyToolCall(home, turn.calls[c], {.speaker_area = conversation.speaker_area});
        EXPECT_EQ(outcome.text, turn.results[c]) << turn.situation << ": " << turn.user;
        EXPECT_TRUE(outcome.ok || conversation.home.devices.empty()) << turn.situation << ": " << turn.user;
      }
    }
  }
  for (const Situation& situation : Situations()) {
    EXPECT_GT(situations[std::string(situation.name)], 0) << situation.name;
  }
  for (const SpecialSituation& situation : SpecialSituations()) {
    EXPECT_GT(situations[std::string(situation.name)], 0) << situation.name;
  }
}

TEST(ConversationGenerator, NeverRepeatsATurn) {
  auto generator = *ConversationGenerator::Create(AllLanguages(2));
  std::set<std::string> seen;
  for (int i = 0; i < 700; ++i) {
    const Conversation conversation = generator.Next();
    const std::string home = HomeSystemPrompt(conversation.home, conversation.speaker_area);
    for (const ConversationTurn& turn : conversation.turns) {
      std::string key = conversation.language + home + turn.situation + turn.user;
      for (const ToolCall& call : turn.calls) key += DumpJson(call.arguments);
      EXPECT_TRUE(seen.insert(std::move(key)).second) << turn.situation << ": " << turn.user;
    }
  }
}

TEST(ConversationGenerator, KeepsHeldOutCombinationsApart) {
  GeneratorOptions options = AllLanguages(3);
  auto training = *ConversationGenerator::Create(options);
  options.part = DataPart::kHeldOut;
  auto held_out = *ConversationGenerator::Create(options);
  std::set<std::string> trained;
  const auto key = [](const ConversationTurn& turn) {
    return turn.situation + turn.calls[0].name + DumpJson(turn.calls[0].arguments);
  };
  // Situations without values are held out by sentence, so only named devices are compared here.
  const auto has_values = [](const ConversationTurn& turn) {
    return turn.calls.size() == 1 && turn.situation.ends_with(".name");
  };
  for (int i = 0; i < 500; ++i) {
    for (const ConversationTurn& turn : training.Next().turns) {
      EXPECT_FALSE(turn.held_out);
      if (has_values(turn)) trained.insert(key(turn));
    }
  }
  size_t num_compared = 0;
  for (int i = 0; i < 120; ++i) {
    for (const ConversationTurn& turn : held_out.Next().turns) {
      EXPECT_TRUE(turn.held_out);
      if (!has_values(turn)) continue;
      ++num_compared;
      EXPECT_THAT(trained, testing::Not(testing::Contains(key(turn))));
    }
  }
  EXPECT_GT(num_compared, 30u);
}

TEST(ConversationGenerator, OffersNoToolThatARefusalWouldNeed) {
  auto generator = *ConversationGenerator::Create(AllLanguages(4));
  int num_refusals = 0;
  for (int i = 0; i < 500; ++i) {
    const Conversation conversation = generator.Next();
    const std::set<std::string> tools = ToolNames(conversation);
    for (const ConversationTurn& turn : conversation.turns) {
      if (!turn.situation.starts_with("no_tool(")) continue;
      ++num_refusals;
      EXPECT_TRUE(turn.calls.empty());
      const std::string name = turn.situation.substr(8, turn.situation.size() - 9);
      for (const Situation& situation : Situations()) {
        if (situation.name != name) continue;
        EXPECT_THAT(tools, testing::Not(testing::Contains(situation.tool)));
      }
    }
  }
  EXPECT_GT(num_refusals, 25);
}

TEST(ConversationGenerator, TimesCommandsButNoStatementsOrQuestions) {
  GeneratorOptions options;
  options.seed = 8;
  options.languages = {{"en", 1.0}};
  auto generator = *ConversationGenerator::Create(options);
  int num_timed = 0;
  for (int i = 0; i < 3000; ++i) {
    const Conversation conversation = generator.Next();
    for (const ConversationTurn& turn : conversation.turns) {
      if (turn.situation != "timer.command" || turn.calls.empty()) continue;
      ++num_timed;
      const std::string command = turn.calls[0].arguments.at("conversation_command").get<std::string>();
      for (const std::string_view start : {"it's ", "i ", "we ", "can ", "could ", "would ", "please "}) {
        EXPECT_FALSE(command.starts_with(start)) << command;
      }
      EXPECT_THAT(command, testing::Not(testing::HasSubstr(" is too ")));
    }
  }
  EXPECT_GT(num_timed, 50);
}

TEST(ConversationGenerator, NeverAsksInOneSentenceToTurnADeviceOnAndOff) {
  auto generator = *ConversationGenerator::Create(AllLanguages(9));
  int num_joined = 0;
  for (int i = 0; i < 1500; ++i) {
    const Conversation conversation = generator.Next();
    for (const ConversationTurn& turn : conversation.turns) {
      std::set<std::string> names;
      for (const ToolCall& call : turn.calls) {
        if (!call.name.starts_with("HassTurn") || !call.arguments.contains("name")) continue;
        const std::string name = call.arguments.at("name").get<std::string>();
        EXPECT_TRUE(names.insert(name).second) << turn.user;
      }
      num_joined += turn.calls.size() > 1 ? 1 : 0;
    }
  }
  EXPECT_GT(num_joined, 200);
}

TEST(ConversationGenerator, AsksForTwoDevicesOrRoomsInOneRequest) {
  auto generator = *ConversationGenerator::Create(AllLanguages(10));
  int num_by_name = 0;
  int num_by_room = 0;
  for (int i = 0; i < 1500; ++i) {
    const Conversation conversation = generator.Next();
    for (const ConversationTurn& turn : conversation.turns) {
      if (!turn.situation.starts_with("pair.same(")) continue;
      ASSERT_EQ(turn.calls.size(), 2u);
      EXPECT_EQ(turn.calls[0].name, turn.calls[1].name);
      Json first = turn.calls[0].arguments;
      Json second = turn.calls[1].arguments;
      EXPECT_NE(first, second) << turn.user;
      const bool by_name = first.contains("name");
      (by_name ? num_by_name : num_by_room) += 1;
      for (Json* arguments : {&first, &second}) {
        EXPECT_EQ(arguments->contains("name"), by_name);
        for (const char* key : {"name", "area", "domain", "device_class"}) arguments->erase(key);
      }
      EXPECT_EQ(first, second) << turn.user;
    }
  }
  EXPECT_GT(num_by_name, 30);
  EXPECT_GT(num_by_room, 30);
}

TEST(ConversationGenerator, SaysOfADeviceThatStandsElsewhereThatThereIsNone) {
  auto generator = *ConversationGenerator::Create(AllLanguages(11));
  int num_absent = 0;
  for (int i = 0; i < 1500; ++i) {
    const Conversation conversation = generator.Next();
    for (const ConversationTurn& turn : conversation.turns) {
      if (!turn.situation.starts_with("no_device.name(")) continue;
      ++num_absent;
      EXPECT_TRUE(turn.calls.empty()) << turn.user;
      for (const HomeDevice& device : conversation.home.devices) {
        EXPECT_THAT(LowerCase(turn.user), testing::Not(testing::HasSubstr(LowerCase(device.name))));
      }
    }
  }
  EXPECT_GT(num_absent, 100);
}

TEST(ConversationGenerator, KeepsToTheOptionsLimits) {
  GeneratorOptions options = AllLanguages(7);
  options.turns_max = 2;
  options.devices_max = 5;
  auto generator = *ConversationGenerator::Create(options);
  for (int i = 0; i < 200; ++i) {
    const Conversation conversation = generator.Next();
    EXPECT_LE(conversation.turns.size(), 2u);
    EXPECT_LE(conversation.home.devices.size(), 5u);
  }
}

TEST(ConversationGenerator, RefusesALanguageWithoutAPack) {
  GeneratorOptions options;
  options.languages = {{"tlh", 1.0}};
  EXPECT_FALSE(ConversationGenerator::Create(options));
  options.languages.clear();
  EXPECT_FALSE(ConversationGenerator::Create(options));
}

TEST(Situations, NameToolsOfTheCatalogue) {
  std::set<std::string_view> tools;
  for (const HomeTool& tool : HomeToolCatalogue()) tools.insert(tool.definition.name);
  for (const Situation& situation : Situations()) {
    EXPECT_THAT(tools, testing::Contains(situation.tool)) << situation.name;
  }
}

}  // namespace
}  // namespace mimo

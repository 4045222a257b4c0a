#include "train/held_out_score.h"

#include <algorithm>
#include <utility>

#include "home/home_simulator.h"

namespace mimo {
namespace {

constexpr size_t kTasksAtOnce = 64;

constexpr const char* kRefusal = "refusal";
constexpr const char* kNothingDone = "refusal, nothing done";

std::string GroupOf(const ConversationTurn& turn) {
  switch (turn.calls.size()) {
    case 0:
      return turn.situation.starts_with("no_device") || turn.situation.starts_with("no_tool") ? kRefusal
                                                                                              : "reply";
    case 1:
      return "one call";
    case 2:
      return "two calls";
    default:
      return "three calls";
  }
}

// Whether a call of the answer does something in the home: one that names no device of it fails.
bool ChangesHome(const RolloutTask& task, const Rollout& rollout) {
  Home home = task.home;
  return std::any_of(rollout.calls.begin(), rollout.calls.end(), [&](const ToolCall& call) {
    return ApplyToolCall(home, call, {.speaker_area = task.speaker_area}).changed;
  });
}

void Count(RightOfTotal& count, bool right) {
  ++count.total;
  if (right) ++count.right;
}

Json CountsToJson(const std::map<std::string, RightOfTotal>& counts) {
  Json json = Json::object();
  for (const auto& [name, count] : counts) {
    json[name] = Json{{"right", count.right},
                      {"total", count.total},
                      {"share", static_cast<double>(count.right) / static_cast<double>(count.total)}};
  }
  return json;
}

Result<std::vector<RolloutTask>> NextTasks(ConversationGenerator& generator, const Tokenizer& tokenizer,
                                           size_t wanted) {
  std::vector<RolloutTask> tasks;
  while (tasks.size() < wanted) {
    MIMO_ASSIGN_OR_RETURN(std::vector<RolloutTask> more, RolloutTasks(generator.Next(), tokenizer));
    for (RolloutTask& task : more) tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace

Json HeldOutScoreToJson(const HeldOutScore& score) {
  return Json{{"by_group", CountsToJson(score.by_group)},
              {"by_language", CountsToJson(score.by_language)},
              {"by_situation", CountsToJson(score.by_situation)}};
}

Result<HeldOutScore> ScoreHeldOut(RolloutSampler& sampler, const HeldOutOptions& options,
                                  const std::function<Status(uint64_t turns_done)>& on_progress,
                                  const HeldOutListener& on_answer) {
  GeneratorOptions data = options.data;
  data.part = DataPart::kHeldOut;
  MIMO_ASSIGN_OR_RETURN(ConversationGenerator generator, ConversationGenerator::Create(data));
  HeldOutScore score;
  for (uint64_t done = 0; done < options.turns_max;) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<RolloutTask> tasks,
                          NextTasks(generator, sampler.tokenizer(), kTasksAtOnce));
    MIMO_ASSIGN_OR_RETURN(const std::vector<Rollout> rollouts, sampler.Sample(tasks, 1));
    for (size_t i = 0; i < tasks.size(); ++i) {
      const ConversationTurn& turn = tasks[i].turn;
      const bool right = rollouts[i].reward == 1;
      Count(score.by_group[GroupOf(turn)], right);
      if (GroupOf(turn) == kRefusal) Count(score.by_group[kNothingDone], !ChangesHome(tasks[i], rollouts[i]));
      Count(score.by_situation[turn.situation.substr(0, turn.situation.find('('))], right);
      if (!turn.calls.empty()) Count(score.by_language[tasks[i].language], right);
      MIMO_RETURN_IF_ERROR(on_answer(tasks[i], rollouts[i]));
    }
    done += tasks.size();
    MIMO_RETURN_IF_ERROR(on_progress(done));
  }
  return score;
}

}  // namespace mimo

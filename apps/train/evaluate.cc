// `mimo-train evaluate`: exactness on held-out combinations of the generator, and what the MTP heads would
// save.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "apps/train/builder_progress.h"
#include "apps/train/draft_score.h"
#include "apps/train/generator_flags.h"
#include "apps/train/train_command.h"
#include "train/held_out_score.h"

namespace mimo {
namespace {

struct EvaluateFlags {
  GeneratorFlags generator;
  HeldOutOptions options;
  std::string model;
  uint32_t threads = 1;
  bool show_misses = false;
};

Json CallsToJson(const std::vector<ToolCall>& calls) {
  Json json = Json::array();
  for (const ToolCall& call : calls) json.push_back({{"name", call.name}, {"arguments", call.arguments}});
  return json;
}

std::string MissLine(const RolloutTask& task, const Rollout& rollout) {
  return DumpJson({{"situation", task.turn.situation},
                   {"user", task.turn.user},
                   {"due", CallsToJson(task.turn.calls)},
                   {"made", CallsToJson(rollout.calls)},
                   {"text", rollout.text}}) +
         "\n";
}

Status Evaluate(EvaluateFlags& flags) {
  CatchInterrupts();
  flags.options.data = ResolveGeneratorOptions(flags.generator);
  RolloutOptions rollout;
  rollout.temperature = 0;
  rollout.num_threads = flags.threads;
  MIMO_ASSIGN_OR_RETURN(RolloutSampler sampler, RolloutSampler::Open(flags.model, rollout));
  MIMO_ASSIGN_OR_RETURN(DraftScore drafts, DraftScore::Open(flags.model, flags.threads));
  BuilderBar bar("evaluate", flags.options.turns_max);
  const auto on_answer = [&](const RolloutTask& task, const Rollout& answer) -> Status {
    if (drafts.has_heads()) MIMO_RETURN_IF_ERROR(drafts.Add(task.prompt, answer.tokens));
    return flags.show_misses && answer.reward != 1 ? WriteStdout(MissLine(task, answer)) : Status();
  };
  MIMO_ASSIGN_OR_RETURN(const HeldOutScore score,
                        ScoreHeldOut(sampler, flags.options, bar.Callback(), on_answer));
  Json json = HeldOutScoreToJson(score);
  if (drafts.has_heads()) json["drafts"] = drafts.ToJson();
  return WriteStdout(DumpJson(json) + "\n");
}

}  // namespace

void AddEvaluateCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<EvaluateFlags>();
  CLI::App* command =
      program.add_subcommand("evaluate", "exactness on the generator's held-out combinations");
  AddGeneratorFlags(*command, &flags->generator);
  command->add_option("--model", flags->model, "folder of a checkpoint")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--turns", flags->options.turns_max, "how many requests")->check(CLI::PositiveNumber);
  command->add_option("--threads", flags->threads, "of the engine")->check(CLI::Range(1, 256));
  command->add_flag("--misses", flags->show_misses, "prints each wrong answer, one JSON object a line");
  command->callback([flags, action] { *action = [flags] { return Evaluate(*flags); }; });
}

}  // namespace mimo

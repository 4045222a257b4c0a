// `mimo-train evaluate`: exactness on held-out combinations of the generator.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "apps/train/builder_progress.h"
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

std::string MissLine(const HeldOutMiss& miss) {
  return DumpJson({{"situation", miss.situation},
                   {"user", miss.user},
                   {"due", CallsToJson(miss.due)},
                   {"made", CallsToJson(miss.made)},
                   {"text", miss.text}}) +
         "\n";
}

Status Evaluate(EvaluateFlags& flags) {
  CatchInterrupts();
  flags.options.data = ResolveGeneratorOptions(flags.generator);
  RolloutOptions rollout;
  rollout.temperature = 0;
  rollout.num_threads = flags.threads;
  MIMO_ASSIGN_OR_RETURN(RolloutSampler sampler, RolloutSampler::Open(flags.model, rollout));
  BuilderBar bar("evaluate", flags.options.turns_max);
  Status written;
  MIMO_ASSIGN_OR_RETURN(const HeldOutScore score,
                        ScoreHeldOut(sampler, flags.options, bar.Callback(), [&](const HeldOutMiss& miss) {
                          if (flags.show_misses && written) written = WriteStdout(MissLine(miss));
                        }));
  MIMO_RETURN_IF_ERROR(written);
  return WriteStdout(DumpJson(HeldOutScoreToJson(score)) + "\n");
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

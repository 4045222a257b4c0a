// `mimo-train distill`: the student's own answers, scored by a teacher and by the generator's rules.

#include "train/distill.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "apps/train/generator_flags.h"
#include "apps/train/train_command.h"
#include "base/progress_bar.h"

namespace mimo {
namespace {

struct DistillFlags {
  GeneratorFlags generator;
  DistillOptions options;
};

Status RunDistillation(DistillFlags& flags) {
  CatchInterrupts();
  flags.options.data = ResolveGeneratorOptions(flags.generator);
  std::error_code error;
  if (std::filesystem::equivalent(flags.options.student, flags.options.out, error)) {
    return InvalidArgument("the result would overwrite the student ({}): give another --out",
                           flags.options.out);
  }
  ProgressBar bar("distill", flags.options.num_steps);
  return Distill(flags.options, [&bar](const DistillRecord& record) -> Status {
    bar.Advance(1);
    MIMO_RETURN_IF_ERROR(WriteStdout(DumpJson(DistillRecordToJson(record)) + "\n"));
    if (Interrupted())
      return MakeError(ErrorCode::kCancelled, "interrupted: the student of the last sync is kept");
    return {};
  });
}

}  // namespace

void AddDistillCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<DistillFlags>();
  DistillOptions& options = flags->options;
  CLI::App* command =
      program.add_subcommand("distill", "train a model on its own answers: teacher and rules");
  AddGeneratorFlags(*command, &flags->generator);
  command->add_option("--student", options.student, "folder of the model to improve")
      ->required()
      ->check(CLI::ExistingDirectory);
  command
      ->add_option("--teacher", options.teacher,
                   "folder of a model with the same tokenizer; none: rules alone")
      ->check(CLI::ExistingDirectory);
  command->add_option("--out", options.out, "folder of the result")->required();
  command->add_option("--steps", options.num_steps, "updates")->check(CLI::PositiveNumber);
  command->add_option("--tasks", options.tasks_per_step, "requests in a step")->check(CLI::Range(1, 4096));
  command->add_option("--answers", options.answers_per_task, "to each request")->check(CLI::Range(1, 64));
  command->add_option("--learning-rate", options.learning_rate, "")->check(CLI::PositiveNumber);
  command->add_option("--teacher-weight", options.loss.teacher_weight,
                      "of the teacher's part of the advantage");
  command->add_option("--reward-weight", options.loss.reward_weight, "of the rules' part of the advantage");
  command->add_option("--steps-per-sync", options.steps_per_sync, "how old the sampling student may become")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options.rollout.num_threads, "of the engine")->check(CLI::Range(1, 256));
  command->callback([flags, action] { *action = [flags] { return RunDistillation(*flags); }; });
}

}  // namespace mimo

#include "apps/train/training_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "apps/commands/interrupt.h"

namespace mimo {
namespace {

void AddDataFlags(CLI::App& command, TrainingFlags* flags) {
  command.add_option("--data", flags->data, "dataset to train on, from `mimo-train data`")->required();
  command.add_option("--held-out", flags->held_out, "dataset to measure on, never trained on");
  command.add_option("--out", flags->out, "folder of the run: log, plot, checkpoints, model")->required();
  command.add_option("--seed", flags->seed, "of weights and order")->capture_default_str();
  command.add_option("--batch-tokens", flags->batch_tokens, "tokens of a step, over all processes")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--forward-tokens", flags->forward_tokens, "tokens of one forward pass; bounds the memory")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--length", flags->length, "tokens of a sequence, packed from whole conversations")
      ->check(CLI::Range(16, 1 << 20))
      ->capture_default_str();
  command.add_option("--targets", flags->targets, "learn all tokens, or the model's own only")
      ->check(CLI::IsMember({"all", "own"}))
      ->capture_default_str();
}

void AddScheduleFlags(CLI::App& command, TrainingFlags* flags) {
  CLI::Option* steps =
      command.add_option("--steps", flags->num_steps, "length of the run")->check(CLI::PositiveNumber);
  CLI::Option* minutes = command
                             .add_option("--minutes", flags->minutes,
                                         "length of the run in time; the log says which steps it was")
                             ->check(CLI::PositiveNumber);
  steps->excludes(minutes);
  command.add_option("--learning-rate", flags->learning_rate, "at its top")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--warmup", flags->warmup_steps, "steps until the learning rate is at its top")
      ->capture_default_str();
  command.add_option("--decay-share", flags->decay_share, "share of the run, at its end, in which it falls")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--decay-steps", flags->decay_steps, "the same in steps, with --steps");
  command.add_option("--decay-shape", flags->decay_shape, "how it falls")
      ->check(CLI::IsMember({"one-minus-sqrt", "linear"}))
      ->capture_default_str();
  command.add_option("--final-fraction", flags->final_fraction, "of the learning rate, left at the end")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--optimizer", flags->optimizer, "of the matrices; the rest is AdamW's")
      ->check(CLI::IsMember({"muon", "adamw"}))
      ->capture_default_str();
  command.add_option("--weight-decay", flags->weight_decay)
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void AddRunFlags(CLI::App& command, TrainingFlags* flags) {
  command.add_option("--evaluate-every", flags->evaluate_every, "steps between looks at --held-out")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--evaluated-sequences", flags->evaluated_sequences, "of --held-out, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--checkpoint-every", flags->checkpoint_every, "steps between checkpoints")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--processes", flags->processes, "processes on this machine that share every batch")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--device", flags->device, "auto: cuda where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command.add_flag("--resume", flags->resume, "continue the run in --out from its newest checkpoint");
  command.add_flag("--json", flags->json, "print the summary as one JSON object");
}

}  // namespace

void AddTrainingFlags(CLI::App& command, TrainingFlags* flags) {
  AddDataFlags(command, flags);
  AddScheduleFlags(command, flags);
  AddRunFlags(command, flags);
}

Result<TrainingRunOptions> ToRunOptions(const TrainingFlags& flags, const std::string& data_hash) {
  if ((flags.num_steps > 0) == (flags.minutes > 0)) {
    return InvalidArgument("the length of the run is missing: give --steps or --minutes");
  }
  TrainingRunOptions options;
  options.out = flags.out;
  options.schedule = {
      .learning_rate = flags.learning_rate,
      .warmup_steps = flags.warmup_steps,
      .decay_share = flags.decay_share,
      .decay_steps = flags.decay_steps,
      .final_fraction = flags.final_fraction,
      .shape = flags.decay_shape == "linear" ? DecayShape::kLinear : DecayShape::kOneMinusSqrt,
      .num_steps = flags.num_steps,
      .minutes = flags.minutes};
  options.optimizer.matrices = flags.optimizer == "muon" ? MatrixOptimizer::kMuon : MatrixOptimizer::kAdamW;
  options.optimizer.weight_decay = flags.weight_decay;
  options.sequences_per_step = std::max(1U, flags.batch_tokens / flags.length);
  options.sequences_per_forward = std::max(1U, flags.forward_tokens / flags.length);
  options.evaluate_every = flags.evaluate_every;
  options.evaluated_sequences = flags.evaluated_sequences;
  options.checkpoint_every = flags.checkpoint_every;
  options.resume = flags.resume;
  options.interrupted = &Interrupted();
  options.fixed_options = {{"command", flags.command},
                           {"data", data_hash},
                           {"seed", flags.seed},
                           {"length", flags.length},
                           {"sequences_per_step", options.sequences_per_step},
                           {"targets", flags.targets},
                           {"learning_rate", flags.learning_rate},
                           {"warmup_steps", flags.warmup_steps},
                           {"optimizer", flags.optimizer},
                           {"weight_decay", flags.weight_decay}};
  return options;
}

}  // namespace mimo

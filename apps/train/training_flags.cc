#include "apps/train/training_flags.h"

#include <torch/cuda.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "data/dataset_file.h"
#include "train/launch_workers.h"
#include "train/process_group.h"

namespace mimo {
namespace {

constexpr double kRouterBiasRate = 1e-3;  // of the technical report's first stage

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

// The command line of this process, to be run again.
Result<std::vector<std::string>> OwnCommandLine() {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile("/proc/self/cmdline"));
  std::vector<std::string> arguments;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\0', start), text.size());
    arguments.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return arguments;
}

Result<torch::Device> ChooseDevice(const std::string& name) {
  const bool has_cuda = torch::cuda::is_available();
  if (name == "cpu" || (name == "auto" && !has_cuda)) return torch::Device(torch::kCPU);
  if (!has_cuda) return Unavailable("no CUDA device, or libtorch was built without CUDA (--device cuda)");
  return torch::Device(torch::kCUDA);
}

struct OpenData {
  std::unique_ptr<Dataset> dataset;  // at a fixed address for the batcher
  std::optional<Batcher> batcher;
};

Result<OpenData> OpenDataset(const std::string& path, uint32_t vocab_size, const BatcherOptions& options) {
  OpenData data;
  MIMO_ASSIGN_OR_RETURN(Dataset dataset, Dataset::Open(path));
  if (dataset.info().vocab_size > vocab_size) {
    return InvalidArgument("'{}' has tokens up to {} and the model {} only: use the tokenizer of the model",
                           path, dataset.info().vocab_size, vocab_size);
  }
  data.dataset = std::make_unique<Dataset>(std::move(dataset));
  MIMO_ASSIGN_OR_RETURN(data.batcher, Batcher::Create(*data.dataset, options));
  return data;
}

Result<TrainingRunOptions> RunOptions(const TrainingFlags& flags, const std::string& data_hash) {
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

Status PrintSummary(const TrainingFlags& flags, const TrainingSummary& summary) {
  const std::string model = flags.out + "/model";
  if (!flags.json) {
    if (!summary.finished) {
      LogInfo("stopped after {} steps: continue with --resume", summary.steps);
    } else {
      LogInfo("{} steps, {:.1f} million tokens in {:.1f} min, loss {:.4f}: {}", summary.steps,
              static_cast<double>(summary.tokens) / 1e6, summary.elapsed_seconds / 60.0, summary.loss, model);
    }
    return {};
  }
  Json json = {{"steps", summary.steps},
               {"tokens", summary.tokens},
               {"seconds", summary.elapsed_seconds},
               {"loss", summary.loss},
               {"finished", summary.finished}};
  json["held_out_loss"] = summary.held_out_loss.has_value() ? Json(*summary.held_out_loss) : Json();
  json["model"] = summary.finished ? Json(model) : Json();
  return WriteStdout(DumpJson(json) + "\n");
}

Status TrainInThisProcess(const TrainingFlags& flags, const PrepareTask& prepare) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const torch::Device device, ChooseDevice(flags.device));
  MIMO_ASSIGN_OR_RETURN(ProcessGroup group, ProcessGroup::Join(device));
  MIMO_ASSIGN_OR_RETURN(const PreparedTask prepared, prepare(device));
  BatcherOptions batcher = {.length = flags.length,
                            .seed = flags.seed,
                            .loss_on = flags.targets == "all" ? LossOn::kEveryToken : LossOn::kOwnTokens};
  MIMO_ASSIGN_OR_RETURN(OpenData training, OpenDataset(flags.data, prepared.vocab_size, batcher));
  TrainingData data = {.training = &*training.batcher};
  OpenData held_out;
  if (!flags.held_out.empty()) {
    batcher.loss_on = LossOn::kOwnTokens;  // what the model will be asked for, whatever it is trained on
    MIMO_ASSIGN_OR_RETURN(held_out, OpenDataset(flags.held_out, prepared.vocab_size, batcher));
    data.held_out = &*held_out.batcher;
  }
  MIMO_ASSIGN_OR_RETURN(const TrainingRunOptions options,
                        RunOptions(flags, training.dataset->info().content_hash));
  if (group.is_first()) {
    LogInfo("{:.2f} million parameters, {:.1f} million tokens in {} sequences of {}, {} a step, {} process{}",
            static_cast<double>(prepared.num_parameters) / 1e6,
            static_cast<double>(training.dataset->info().num_tokens) / 1e6,
            training.batcher->sequences_per_pass(), flags.length, options.sequences_per_step, group.size(),
            group.size() == 1 ? "" : "es");
    if (training.batcher->num_cut() > 0) {
      LogWarning("{} conversations are longer than {} tokens and lose their end (--length)",
                 training.batcher->num_cut(), flags.length);
    }
  }
  MIMO_ASSIGN_OR_RETURN(const TrainingSummary summary, RunTraining(prepared.task, data, group, options));
  return group.is_first() ? PrintSummary(flags, summary) : Status();
}

}  // namespace

void AddTrainingFlags(CLI::App& command, TrainingFlags* flags) {
  AddDataFlags(command, flags);
  AddScheduleFlags(command, flags);
  AddRunFlags(command, flags);
}

Status TrainByFlags(const TrainingFlags& flags, const PrepareTask& prepare) {
  if (flags.processes > 1 && !IsWorker()) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<std::string> arguments, OwnCommandLine());
    return RunWorkers(flags.processes, arguments);
  }
  try {
    return TrainInThisProcess(flags, prepare);
  } catch (const std::exception& error) {  // of libtorch: memory, a device that fails
    const std::string_view text = error.what();
    return Internal("{}", text.substr(0, text.find('\n')));  // a stack follows
  }
}

Result<std::string> TokenizerFolder(const std::string& path) {
  const std::filesystem::path given(path);
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(given, error);
  const std::filesystem::path folder = is_folder ? given : given.parent_path();
  if ((is_folder || given.filename() == "tokenizer.json") &&
      std::filesystem::exists(folder / "tokenizer.json", error)) {
    return folder.empty() ? std::string(".") : folder.string();
  }
  return NotFound("no tokenizer.json at '{}' (--tokenizer): make one with `mimo-train tokenizer`", path);
}

PreparedTask TrunkTask(Network network, std::optional<MtpHeads> heads, const SaveNetworkOptions& save,
                       torch::Device device) {
  PreparedTask prepared;
  prepared.vocab_size = network.config().vocab_size;
  prepared.num_parameters = network.num_parameters();
  TrainingTask& task = prepared.task;
  task.parameters = network.parameters();
  task.device = device;
  task.loss = [network](const PackedBatch& batch) mutable { return network.TrainLoss(batch); };
  if (network.router_bias().defined() && network.router_bias().numel() > 0) {
    task.expert_loads_shape = network.router_bias().sizes().vec();
    task.after_step = [network](const torch::Tensor& loads) mutable {
      network.UpdateRouterBias(loads, kRouterBiasRate);
    };
  }
  task.save = [network, heads, save](const std::string& folder) {
    return SaveNetwork(folder, network, heads.has_value() ? &*heads : nullptr, save);
  };
  task.load = [network, heads](const std::string& folder) mutable {
    return LoadNetwork(folder, &network, heads.has_value() ? &*heads : nullptr);
  };
  return prepared;
}

}  // namespace mimo

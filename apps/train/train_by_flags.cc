#include "apps/train/train_by_flags.h"

#include <torch/cuda.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"
#include "base/log.h"
#include "data/dataset_file.h"
#include "train/launch_workers.h"
#include "train/process_group.h"

namespace mimo {
namespace {

// The command line of this process, to be run again. Read as a stream: files of /proc have the size 0.
std::vector<std::string> OwnCommandLine() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
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
                        ToRunOptions(flags, training.dataset->info().content_hash));
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

Status TrainByFlags(const TrainingFlags& flags, const PrepareTask& prepare) {
  if (flags.processes > 1 && !IsWorker()) {
    return RunWorkers(flags.processes, OwnCommandLine());
  }
  try {
    return TrainInThisProcess(flags, prepare);
  } catch (const std::exception& error) {  // of libtorch: memory, a device that fails
    const std::string_view text = error.what();
    return Internal("{}", text.substr(0, text.find('\n')));  // a stack follows
  }
}

}  // namespace mimo

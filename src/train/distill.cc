#include "train/distill.h"

#include <torch/nn/utils/clip_grad.h>
#include <torch/utils.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/mapped_file.h"
#include "train/mtp_heads.h"
#include "train/network_checkpoint.h"

namespace mimo {
namespace {

constexpr double kGradNormMax = 1.0;
constexpr size_t kSamplesPerForward = 8;  // bounds the memory of a backward pass

struct LoadedNetwork {
  Network network;
  std::optional<MtpHeads> heads;
  SaveNetworkOptions save;
};

Result<LoadedNetwork> LoadFolder(const std::string& folder) {
  MIMO_ASSIGN_OR_RETURN(std::string config_json, ReadTextFile(folder + "/config.json"));
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(config_json, {}));
  MIMO_ASSIGN_OR_RETURN(Network network, Network::Create(config, /*seed=*/0));
  std::optional<MtpHeads> heads;
  if (config.num_nextn_predict_layers > 0) {
    MIMO_ASSIGN_OR_RETURN(heads, MtpHeads::Create(config, /*seed=*/0));
  }
  MIMO_RETURN_IF_ERROR(LoadNetwork(folder, &network, heads ? &*heads : nullptr));
  return LoadedNetwork{std::move(network),
                       std::move(heads),
                       {.config_json = std::move(config_json), .tokenizer_folder = folder}};
}

class Distiller {
 public:
  Distiller(const DistillOptions& options, LoadedNetwork student, std::optional<Network> teacher,
            ConversationGenerator generator)
      : options_(options),
        student_(std::move(student)),
        teacher_(std::move(teacher)),
        generator_(std::move(generator)),
        optimizer_(student_.network.parameters(), options.optimizer) {}

  // Writes the student and lets the engine read it.
  Status Sync(uint64_t step) {
    MIMO_RETURN_IF_ERROR(Save());
    RolloutOptions rollout = options_.rollout;
    rollout.seed += step << 20;  // answers of different steps must differ
    MIMO_ASSIGN_OR_RETURN(RolloutSampler sampler, RolloutSampler::Open(options_.out, rollout));
    sampler_ = std::make_unique<RolloutSampler>(std::move(sampler));
    return {};
  }

  Status Save() const {
    return SaveNetwork(options_.out, student_.network, student_.heads ? &*student_.heads : nullptr,
                       student_.save);
  }

  Result<DistillRecord> Step(uint64_t step) {
    MIMO_ASSIGN_OR_RETURN(const std::vector<RolloutTask> tasks, NextTasks());
    MIMO_ASSIGN_OR_RETURN(const std::vector<Rollout> rollouts,
                          sampler_->Sample(tasks, options_.answers_per_task));
    DistillRecord record;
    record.step = step;
    const std::vector<DistillSample> samples = Samples(tasks, rollouts, &record);
    if (!samples.empty()) Learn(samples, &record);
    return record;
  }

 private:
  Result<std::vector<RolloutTask>> NextTasks() {
    while (pending_.size() < options_.tasks_per_step) {
      MIMO_ASSIGN_OR_RETURN(std::vector<RolloutTask> more,
                            RolloutTasks(generator_.Next(), sampler_->tokenizer()));
      std::move(more.begin(), more.end(), std::back_inserter(pending_));
    }
    const auto end = pending_.begin() + options_.tasks_per_step;
    std::vector<RolloutTask> tasks(std::make_move_iterator(pending_.begin()), std::make_move_iterator(end));
    pending_.erase(pending_.begin(), end);
    return tasks;
  }

  std::vector<DistillSample> Samples(std::span<const RolloutTask> tasks, std::span<const Rollout> rollouts,
                                     DistillRecord* record) const {
    std::vector<DistillSample> samples;
    const size_t per_task = options_.answers_per_task;
    for (size_t task = 0; task < tasks.size(); ++task) {
      std::vector<double> rewards;
      for (size_t i = 0; i < per_task; ++i) rewards.push_back(rollouts[task * per_task + i].reward);
      const std::vector<double> advantages = GroupAdvantages(rewards);
      for (size_t i = 0; i < per_task; ++i) {
        record->reward += rewards[i] / static_cast<double>(rollouts.size());
        const Rollout& rollout = rollouts[task * per_task + i];
        if (rollout.tokens.empty()) continue;
        // By the rules alone, answers that are equally good teach nothing.
        if (!teacher_ && advantages[i] == 0) continue;
        samples.push_back({.prompt = tasks[task].prompt, .rollout = &rollout, .advantage = advantages[i]});
      }
    }
    return samples;
  }

  void Learn(std::span<const DistillSample> samples, DistillRecord* record) {
    std::vector<torch::Tensor> values;
    for (const NetworkParameter& parameter : student_.network.parameters()) {
      values.push_back(parameter.value);
      values.back().mutable_grad() = torch::Tensor();
    }
    for (size_t first = 0; first < samples.size(); first += kSamplesPerForward) {
      const auto part = samples.subspan(first, std::min(kSamplesPerForward, samples.size() - first));
      const double share = static_cast<double>(part.size()) / static_cast<double>(samples.size());
      const DistillLoss loss =
          ComputeDistillLoss(student_.network, teacher_ ? &*teacher_ : nullptr, part, options_.loss);
      (loss.loss * share).backward();
      record->reverse_kl += share * loss.reverse_kl;
      record->importance_inside += share * loss.importance_inside;
      record->num_tokens += loss.num_tokens;
    }
    record->grad_norm = torch::nn::utils::clip_grad_norm_(values, kGradNormMax);
    optimizer_.Step(options_.learning_rate);
  }

  const DistillOptions& options_;
  LoadedNetwork student_;
  std::optional<Network> teacher_;
  ConversationGenerator generator_;
  Optimizer optimizer_;
  std::unique_ptr<RolloutSampler> sampler_;
  std::vector<RolloutTask> pending_;  // turns of conversations already drawn
};

}  // namespace

Json DistillRecordToJson(const DistillRecord& record) {
  return Json{{"event", "step"},
              {"step", record.step},
              {"reward", record.reward},
              {"reverse_kl", record.reverse_kl},
              {"importance_inside", record.importance_inside},
              {"grad_norm", record.grad_norm},
              {"tokens", record.num_tokens}};
}

Status Distill(const DistillOptions& options,
               const std::function<Status(const DistillRecord& record)>& on_step) {
  MIMO_ASSIGN_OR_RETURN(LoadedNetwork student, LoadFolder(options.student));
  std::optional<Network> teacher;
  if (!options.teacher.empty()) {
    MIMO_ASSIGN_OR_RETURN(LoadedNetwork loaded, LoadFolder(options.teacher));
    if (loaded.network.config().vocab_size != student.network.config().vocab_size) {
      return InvalidArgument(
          "teacher and student have different vocabularies ({} and {} tokens): distill from a "
          "teacher with the student's tokenizer",
          loaded.network.config().vocab_size, student.network.config().vocab_size);
    }
    teacher = std::move(loaded.network);
  }
  MIMO_ASSIGN_OR_RETURN(ConversationGenerator generator, ConversationGenerator::Create(options.data));
  Distiller distiller(options, std::move(student), std::move(teacher), std::move(generator));
  for (uint64_t step = 0; step < options.num_steps; ++step) {
    if (step % options.steps_per_sync == 0) MIMO_RETURN_IF_ERROR(distiller.Sync(step));
    MIMO_ASSIGN_OR_RETURN(const DistillRecord record, distiller.Step(step));
    MIMO_RETURN_IF_ERROR(on_step(record));
  }
  return distiller.Save();
}

}  // namespace mimo

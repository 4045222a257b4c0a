#include "train/training_run.h"

#include <torch/utils.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "train/run_log.h"
#include "train/run_plot.h"
#include "train/run_progress.h"
#include "train/training_state.h"
#include "weights/output_file.h"

namespace mimo {
namespace {

static_assert(kNoTargetId == kNoTarget);

// A picture takes milliseconds, and a run has thousands of steps.
constexpr uint64_t kStepsPerPlot = 50;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

torch::Tensor ToTensor(const std::vector<int64_t>& values, const PackedRows& rows, torch::Device device) {
  const auto sequences = static_cast<int64_t>(rows.num_sequences);
  return torch::tensor(values, torch::kInt64).view({sequences, static_cast<int64_t>(rows.length)}).to(device);
}

PackedBatch ToBatch(const PackedRows& rows, torch::Device device) {
  return {.tokens = ToTensor(rows.tokens, rows, device),
          .targets = ToTensor(rows.targets, rows, device),
          .positions = ToTensor(rows.positions, rows, device)};
}

// What one process knows after its part of a step; added up over the processes.
struct StepSums {
  double loss = 0;  // summed over the targets
  double num_targets = 0;
  double num_tokens = 0;
  double stop = 0;         // processes that were interrupted
  double decay_start = 0;  // the plan, from the first process alone
  double total_steps = 0;
};
constexpr int64_t kNumStepSums = 6;

// All gradients and the sums of a step in one float32 tensor, so that one sum over the processes, one norm
// and one scaling do for all. Parameters' gradients are views into it, which backward adds to.
class GradientBuffer {
 public:
  explicit GradientBuffer(const TrainingTask& task) {
    for (const NetworkParameter& parameter : task.parameters) num_gradients_ += parameter.value.numel();
    num_loads_ = 1;
    for (const int64_t size : task.expert_loads_shape) num_loads_ *= size;
    if (task.expert_loads_shape.empty()) num_loads_ = 0;
    const auto options = torch::TensorOptions(torch::kFloat32).device(task.device);
    values_ = torch::zeros({num_gradients_ + kNumStepSums + num_loads_}, options);
    int64_t offset = 0;
    for (const NetworkParameter& parameter : task.parameters) {
      torch::Tensor value = parameter.value;
      value.mutable_grad() = values_.narrow(0, offset, value.numel()).view(value.sizes());
      offset += value.numel();
    }
  }

  void Clear() { values_.zero_(); }
  torch::Tensor gradients() const { return values_.narrow(0, 0, num_gradients_); }

  // Exact: float32 holds every count below 2^24.
  void SetSums(const StepSums& sums, const torch::Tensor& loads) {
    const torch::Tensor tail = torch::tensor(
        {sums.loss, sums.num_targets, sums.num_tokens, sums.stop, sums.decay_start, sums.total_steps},
        torch::kFloat64);
    values_.narrow(0, num_gradients_, kNumStepSums).copy_(tail);
    if (num_loads_ > 0) {
      values_.narrow(0, num_gradients_ + kNumStepSums, num_loads_).copy_(loads.flatten());
    }
  }
  Status SumOverProcesses(ProcessGroup& group) { return group.Sum(values_); }

  StepSums Sums() const {
    const torch::Tensor tail =
        values_.narrow(0, num_gradients_, kNumStepSums).to(torch::kCPU, torch::kFloat64);
    const auto* const sums = tail.data_ptr<double>();
    return {.loss = sums[0],
            .num_targets = sums[1],
            .num_tokens = sums[2],
            .stop = sums[3],
            .decay_start = sums[4],
            .total_steps = sums[5]};
  }
  torch::Tensor Loads(const std::vector<int64_t>& shape) const {
    return values_.narrow(0, num_gradients_ + kNumStepSums, num_loads_)
        .to(torch::kCPU, torch::kInt64)
        .view(shape);
  }

 private:
  int64_t num_gradients_ = 0;
  int64_t num_loads_ = 0;
  torch::Tensor values_;
};

// Most loaded expert over the mean, largest layer.
double ExpertLoadRatio(const torch::Tensor& loads) {
  const torch::Tensor by_layer = loads.to(torch::kFloat64);
  const torch::Tensor mean = by_layer.mean(1).clamp_min(1e-9);
  return (std::get<0>(by_layer.max(1)) / mean).max().item<double>();
}

class TrainingRun {
 public:
  TrainingRun(const TrainingTask& task, const TrainingData& data, ProcessGroup& group,
              const TrainingRunOptions& options)
      : task_(task),
        data_(data),
        group_(group),
        options_(options),
        schedule_(options.schedule),
        optimizer_(task.parameters, options.optimizer),
        buffer_(task) {}

  Result<TrainingSummary> Run();

 private:
  Status Start();
  Status Step();
  Status ForwardBackward(StepSums& sums, torch::Tensor& loads);
  Status Update(const StepSums& sums, const torch::Tensor& loads, StepRecord& record);
  Status Evaluate();
  Status SaveCheckpoint();
  Status WritePlot() const;
  Status Finish();
  void ShowProgress(const StepRecord& record);
  double Elapsed() const { return elapsed_before_ + SecondsSince(start_); }
  bool Interrupted() const { return options_.interrupted != nullptr && *options_.interrupted; }

  const TrainingTask& task_;
  const TrainingData data_;
  ProcessGroup& group_;
  const TrainingRunOptions& options_;
  Schedule schedule_;
  Optimizer optimizer_;
  GradientBuffer buffer_;
  std::optional<RunLog> log_;  // of the first process
  RunProgress progress_line_;
  TrainingProgress progress_;
  TrainingSummary summary_;
  bool stopped_ = false;
  uint64_t saved_steps_ = 0;      // of the newest checkpoint
  uint64_t evaluated_steps_ = 0;  // of the newest evaluation
  double elapsed_before_ = 0;     // in earlier starts
  Clock::time_point start_ = Clock::now();
};

Result<TrainingSummary> TrainingRun::Run() {
  MIMO_RETURN_IF_ERROR(Start());
  while (!schedule_.Finished(progress_.steps) && !stopped_) {
    MIMO_RETURN_IF_ERROR(Step());
    // Evaluation and checkpoint depend on the step alone, so all processes come here together.
    if (progress_.steps % options_.evaluate_every == 0) MIMO_RETURN_IF_ERROR(Evaluate());
    if (progress_.steps % options_.checkpoint_every == 0) MIMO_RETURN_IF_ERROR(SaveCheckpoint());
  }
  MIMO_RETURN_IF_ERROR(Finish());
  return summary_;
}

Status TrainingRun::Start() {
  const std::optional<std::string> checkpoint = NewestCheckpoint(options_.out);
  if (checkpoint.has_value() && !options_.resume) {
    return InvalidArgument(
        "'{}' holds a run already (--out): continue it with --resume, or give another folder", options_.out);
  }
  if (checkpoint.has_value()) {
    MIMO_RETURN_IF_ERROR(task_.load(*checkpoint));
    MIMO_ASSIGN_OR_RETURN(progress_, LoadTrainingState(*checkpoint, options_.fixed_options, optimizer_));
    if (progress_.plan.total_steps > 0 && options_.schedule.num_steps == 0) {
      schedule_.SetPlan(progress_.plan);
    }
    elapsed_before_ = progress_.elapsed_seconds;
    saved_steps_ = progress_.steps;
  }
  // No process may see a checkpoint that the first one is about to write.
  MIMO_RETURN_IF_ERROR(group_.Sum(torch::zeros({1}, task_.device)));
  if (!group_.is_first()) return {};
  if (options_.resume) LogInfo("continuing '{}' after {} steps", options_.out, progress_.steps);
  std::error_code error;
  std::filesystem::create_directories(options_.out, error);
  if (error) return Internal("cannot make the folder '{}' (--out): {}", options_.out, error.message());
  MIMO_ASSIGN_OR_RETURN(log_, RunLog::Open(options_.out + "/log.jsonl", progress_.steps));
  Json event = {{"event", "start"}, {"from_step", progress_.steps}, {"processes", group_.size()}};
  event.update(options_.fixed_options);
  log_->AddEvent(event);
  return {};
}

Status TrainingRun::Step() {
  const Clock::time_point step_start = Clock::now();
  StepSums sums;
  torch::Tensor loads;
  MIMO_RETURN_IF_ERROR(ForwardBackward(sums, loads));
  sums.stop = Interrupted() ? 1 : 0;
  if (group_.is_first()) {
    if (options_.schedule.num_steps == 0 && progress_.steps > 0) {
      schedule_.ObserveTime(progress_.steps, Elapsed());
    }
    sums.decay_start = static_cast<double>(schedule_.plan().decay_start);
    sums.total_steps = static_cast<double>(schedule_.plan().total_steps);
  }
  buffer_.SetSums(sums, loads);
  MIMO_RETURN_IF_ERROR(buffer_.SumOverProcesses(group_));
  sums = buffer_.Sums();
  const SchedulePlan plan = {.decay_start = static_cast<uint64_t>(sums.decay_start),
                             .total_steps = static_cast<uint64_t>(sums.total_steps)};
  if (plan != progress_.plan && log_.has_value()) {
    log_->AddEvent({{"event", "plan"}, {"decay_start", plan.decay_start}, {"total_steps", plan.total_steps}});
  }
  schedule_.SetPlan(plan);
  progress_.plan = plan;
  stopped_ = sums.stop > 0;

  StepRecord record;
  if (task_.after_step) loads = buffer_.Loads(task_.expert_loads_shape);
  MIMO_RETURN_IF_ERROR(Update(sums, loads, record));
  record.tokens_per_second = sums.num_tokens / std::max(SecondsSince(step_start), 1e-9);
  summary_.loss = record.loss;
  if (!log_.has_value()) return {};
  log_->Add(record);
  ShowProgress(record);
  return progress_.steps % kStepsPerPlot == 0 ? WritePlot() : Status();
}

// This process's share of the step's sequences, a few at a time.
Status TrainingRun::ForwardBackward(StepSums& sums, torch::Tensor& loads) {
  buffer_.Clear();
  if (task_.after_step) loads = torch::zeros(task_.expert_loads_shape, torch::kInt64);
  const uint32_t share = options_.sequences_per_step / static_cast<uint32_t>(group_.size());
  const uint64_t first =
      progress_.steps * options_.sequences_per_step + static_cast<uint64_t>(group_.rank()) * share;
  for (uint32_t done = 0; done < share;) {
    const uint32_t count = std::min(options_.sequences_per_forward, share - done);
    const PackedRows rows = data_.training->Sequences(first + done, count);
    done += count;
    const LossResult result = task_.loss(ToBatch(rows, task_.device));
    sums.num_tokens += static_cast<double>(rows.num_tokens);
    if (task_.after_step) loads += result.expert_loads;
    if (result.num_targets == 0) continue;
    // The mean is over the targets of the whole step, which is not known before the end: sum now, divide
    // then.
    const auto num_targets = static_cast<double>(result.num_targets);
    (result.loss * num_targets).backward();
    sums.loss += result.loss.item<double>() * num_targets;
    sums.num_targets += num_targets;
  }
  return {};
}

Status TrainingRun::Update(const StepSums& sums, const torch::Tensor& loads, StepRecord& record) {
  const double num_targets = std::max(sums.num_targets, 1.0);
  torch::Tensor gradients = buffer_.gradients();
  const double norm = gradients.norm().item<double>() / num_targets;
  record.loss = sums.loss / num_targets;
  if (!std::isfinite(norm) || !std::isfinite(record.loss)) {
    return Internal("the loss is not a number any more at step {} (--learning-rate): give a lower one",
                    progress_.steps + 1);
  }
  const double clip = std::min(1.0, options_.grad_norm_max / (norm + 1e-6));
  gradients.mul_(clip / num_targets);
  record.learning_rate = schedule_.LearningRate(progress_.steps);
  record.grad_norm = norm;
  optimizer_.Step(record.learning_rate);
  if (task_.after_step) {
    task_.after_step(loads);
    record.expert_load = ExpertLoadRatio(loads);
  }
  progress_.steps += 1;
  progress_.tokens += static_cast<uint64_t>(sums.num_tokens);
  progress_.elapsed_seconds = Elapsed();
  record.step = progress_.steps;
  record.tokens = progress_.tokens;
  return {};
}

Status TrainingRun::Evaluate() {
  if (data_.held_out == nullptr) return {};
  const torch::NoGradGuard no_gradients;
  const uint64_t count =
      std::min<uint64_t>(options_.evaluated_sequences, data_.held_out->sequences_per_pass());
  double loss = 0;
  double num_targets = 0;
  for (auto row = static_cast<uint64_t>(group_.rank()); row < count;
       row += static_cast<uint64_t>(group_.size())) {
    const LossResult result = task_.loss(ToBatch(data_.held_out->Sequences(row, 1), task_.device));
    loss += result.loss.item<double>() * static_cast<double>(result.num_targets);
    num_targets += static_cast<double>(result.num_targets);
  }
  const torch::Tensor sums = torch::tensor({loss, num_targets}, torch::kFloat64).to(task_.device);
  MIMO_RETURN_IF_ERROR(group_.Sum(sums));
  const torch::Tensor totals = sums.cpu();
  const double mean = totals[0].item<double>() / std::max(totals[1].item<double>(), 1.0);
  summary_.held_out_loss = mean;
  evaluated_steps_ = progress_.steps;
  if (!log_.has_value()) return {};
  log_->Add(EvaluationRecord{.step = progress_.steps, .tokens = progress_.tokens, .loss = mean});
  progress_line_.EndLine();
  LogInfo("step {}: loss {:.4f}, held-out {:.4f}, {:.1f} million tokens", progress_.steps, summary_.loss,
          mean, static_cast<double>(progress_.tokens) / 1e6);
  return {};
}

Status TrainingRun::SaveCheckpoint() {
  saved_steps_ = progress_.steps;
  progress_.elapsed_seconds = Elapsed();
  if (!group_.is_first()) return {};
  const auto write = [this](const std::string& folder) -> Status {
    MIMO_RETURN_IF_ERROR(task_.save(folder));
    return SaveTrainingState(folder, optimizer_, progress_, options_.fixed_options);
  };
  MIMO_RETURN_IF_ERROR(WriteFolderAtomically(CheckpointFolder(options_.out, progress_.steps), write));
  RemoveOldCheckpoints(options_.out, options_.checkpoints_kept);
  return {};
}

Status TrainingRun::WritePlot() const {
  return WriteTextFile(options_.out + "/run.svg", RunPlotSvg(log_->history()));
}

Status TrainingRun::Finish() {
  summary_.finished = schedule_.Finished(progress_.steps);
  // Who interrupts a run does not want to wait for more than the checkpoint.
  if (summary_.finished && progress_.steps > evaluated_steps_) MIMO_RETURN_IF_ERROR(Evaluate());
  if (progress_.steps > saved_steps_) MIMO_RETURN_IF_ERROR(SaveCheckpoint());
  summary_.steps = progress_.steps;
  summary_.tokens = progress_.tokens;
  summary_.elapsed_seconds = progress_.elapsed_seconds;
  progress_line_.EndLine();
  if (!group_.is_first()) return {};
  if (summary_.finished) MIMO_RETURN_IF_ERROR(WriteFolderAtomically(options_.out + "/model", task_.save));
  return WritePlot();
}

void TrainingRun::ShowProgress(const StepRecord& record) {
  const double elapsed = progress_.elapsed_seconds;
  const auto steps = static_cast<double>(progress_.steps);
  double share = elapsed / std::max(options_.schedule.minutes * 60.0, 1e-9);
  if (progress_.plan.total_steps > 0) share = steps / static_cast<double>(progress_.plan.total_steps);
  progress_line_.Show({.steps = progress_.steps,
                       .share_done = share,
                       .loss = record.loss,
                       .tokens_per_second = record.tokens_per_second,
                       .seconds_left = elapsed / std::max(share, 1e-9) - elapsed});
}

}  // namespace

Result<TrainingSummary> RunTraining(const TrainingTask& task, const TrainingData& data, ProcessGroup& group,
                                    const TrainingRunOptions& options) {
  if (options.sequences_per_step % static_cast<uint32_t>(group.size()) != 0) {
    return InvalidArgument("{} sequences a step cannot be shared evenly by {} processes (--batch-tokens)",
                           options.sequences_per_step, group.size());
  }
  MIMO_CHECK(data.training != nullptr && options.sequences_per_forward > 0);
  MIMO_CHECK(options.evaluate_every > 0 && options.checkpoint_every > 0);
  TrainingRun run(task, data, group, options);
  return run.Run();
}

}  // namespace mimo

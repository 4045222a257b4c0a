#pragma once
// The record of a training run: log.jsonl, one JSON object a line.
//
//   {"event":"start","command":"pretrain",...}     options and data, once per start
//   {"event":"step","step":1,"tokens":8192,"loss":7.1,"learning_rate":1e-3,"grad_norm":1.2,
//    "tokens_per_second":4000.0,"expert_load":1.3}
//   {"event":"evaluation","step":100,"tokens":819200,"loss":2.5}
//   {"event":"plan","decay_start":700,"total_steps":900}   what repeats a timed run
//
// Numbers are printed so that reading them back gives the same bits.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace mimo {

struct StepRecord {
  uint64_t step = 0;    // steps done
  uint64_t tokens = 0;  // read so far, without padding
  double loss = 0;      // mean over the weighted targets of the step
  double learning_rate = 0;
  double grad_norm = 0;  // before clipping
  double tokens_per_second = 0;
  double expert_load = 0;  // most loaded expert over the mean, largest layer; 1 = even; 0 = no expert
};

struct EvaluationRecord {
  uint64_t step = 0;
  uint64_t tokens = 0;
  double loss = 0;  // mean over the model's own tokens of the held-out data
};

struct RunHistory {
  std::vector<StepRecord> steps;
  std::vector<EvaluationRecord> evaluations;
};

// The steps and evaluations of a log up to step `last_step`. A cut-off last line, as a killed run leaves it,
// is passed over; any other broken line is kDataLoss.
Result<RunHistory> ReadRunHistory(const std::string& path, uint64_t last_step);

// Appends lines and keeps the history for the plot. Not thread-safe.
class RunLog {
 public:
  // Continues the log of a run that stands at `steps_done`: what was logged beyond it will be repeated, and
  // goes. 0 starts a new log.
  static Result<RunLog> Open(const std::string& path, uint64_t steps_done);

  // Each line reaches the file before the call returns.
  void Add(const StepRecord& record);
  void Add(const EvaluationRecord& record);
  void AddEvent(const Json& event);

  const RunHistory& history() const { return history_; }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  RunLog() = default;
  std::unique_ptr<std::FILE, CloseFile> file_;
  RunHistory history_;
};

}  // namespace mimo

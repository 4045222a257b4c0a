#include "train/run_log.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/mapped_file.h"
#include "weights/output_file.h"

namespace mimo {
namespace {

Json ToJson(const StepRecord& record) {
  return {{"event", "step"},
          {"step", record.step},
          {"tokens", record.tokens},
          {"loss", record.loss},
          {"learning_rate", record.learning_rate},
          {"grad_norm", record.grad_norm},
          {"tokens_per_second", record.tokens_per_second},
          {"expert_load", record.expert_load}};
}

Json ToJson(const EvaluationRecord& record) {
  return {{"event", "evaluation"}, {"step", record.step}, {"tokens", record.tokens}, {"loss", record.loss}};
}

// A loss that is not a number is written as null.
double Number(const Json& line, const char* key) {
  const auto field = line.find(key);
  return field != line.end() && field->is_number() ? field->get<double>() : 0.0;
}

uint64_t Count(const Json& line, const char* key) {
  const auto field = line.find(key);
  return field != line.end() && field->is_number_unsigned() ? field->get<uint64_t>() : 0;
}

void AddToHistory(const Json& line, RunHistory& history) {
  const std::string event = line.value("event", "");
  if (event == "step") {
    history.steps.push_back({.step = Count(line, "step"),
                             .tokens = Count(line, "tokens"),
                             .loss = Number(line, "loss"),
                             .learning_rate = Number(line, "learning_rate"),
                             .grad_norm = Number(line, "grad_norm"),
                             .tokens_per_second = Number(line, "tokens_per_second"),
                             .expert_load = Number(line, "expert_load")});
  } else if (event == "evaluation") {
    history.evaluations.push_back(
        {.step = Count(line, "step"), .tokens = Count(line, "tokens"), .loss = Number(line, "loss")});
  }
}

// The lines to keep, and what they say.
struct KeptLog {
  std::string text;
  RunHistory history;
};

Result<KeptLog> ReadKeptLog(const std::string& path, uint64_t last_step) {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path));
  KeptLog kept;
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;  // cut off
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const Result<Json> json = ParseJson(line);
    if (!json.has_value() || !json->is_object()) {
      return DataLoss("line {} is not a JSON object ({}): remove it, or move the log away", number, path);
    }
    if (Count(*json, "step") > last_step) continue;
    kept.text += line;
    kept.text += '\n';
    AddToHistory(*json, kept.history);
  }
  return kept;
}

}  // namespace

Result<RunHistory> ReadRunHistory(const std::string& path, uint64_t last_step) {
  MIMO_ASSIGN_OR_RETURN(KeptLog kept, ReadKeptLog(path, last_step));
  return std::move(kept.history);
}

Result<RunLog> RunLog::Open(const std::string& path, uint64_t steps_done) {
  RunLog log;
  std::string text;
  if (steps_done > 0 && std::filesystem::exists(path)) {
    MIMO_ASSIGN_OR_RETURN(KeptLog kept, ReadKeptLog(path, steps_done));
    log.history_ = std::move(kept.history);
    text = std::move(kept.text);
  }
  MIMO_RETURN_IF_ERROR(WriteTextFile(path, text));
  log.file_.reset(std::fopen(path.c_str(), "a"));
  if (log.file_ == nullptr) {
    return Internal("cannot append to '{}': {}", path, std::strerror(errno));
  }
  return log;
}

void RunLog::Add(const StepRecord& record) {
  history_.steps.push_back(record);
  AddEvent(ToJson(record));
}

void RunLog::Add(const EvaluationRecord& record) {
  history_.evaluations.push_back(record);
  AddEvent(ToJson(record));
}

void RunLog::AddEvent(const Json& event) {
  fmt::print(file_.get(), "{}\n", DumpJson(event));
  std::fflush(file_.get());
}

}  // namespace mimo

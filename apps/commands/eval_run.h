#pragma once
// Asks a model about every case of an evaluation, several at once.

#include <string>
#include <vector>

#include "apps/commands/eval_model.h"
#include "base/status.h"
#include "home/home_eval.h"

namespace mimo {

struct EvalRunResult {
  EvalReport report;
  std::vector<Json> errors;  // of the wrong records, in their order: id, utterance, expected, got, reason
};

// `records` are indexes into set.records.
Result<EvalRunResult> RunEval(const EvalSet& set, const std::vector<size_t>& records, EvalModel& model);

}  // namespace mimo

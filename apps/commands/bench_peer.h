#pragma once
// Another program's benchmark, run in turn with ours on the same file.

#include <string>

#include "apps/commands/bench_run.h"
#include "base/status.h"

namespace mimo {

// Runs `command` as llama-bench is called (`-m FILE -p N -n N -d N -r N -t N -o json`) for one test and
// returns its tokens per second (avg_ts). kUnavailable when it fails or prints something else.
Result<double> RunPeer(const std::string& command, const std::string& model, const BenchTest& test,
                       const BenchOptions& options);

}  // namespace mimo

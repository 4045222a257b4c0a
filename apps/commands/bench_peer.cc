#include "apps/commands/bench_peer.h"

#include <fmt/core.h>

#include <cstdio>
#include <thread>

#include "base/json.h"

namespace mimo {
namespace {

// The only quoting a POSIX shell needs.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

Result<std::string> OutputOf(const std::string& command) {
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return Unavailable("cannot run '{}' (--peer)", command);
  std::string output;
  char buffer[4096];
  for (size_t count = 0; (count = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0;)
    output.append(buffer, count);
  if (pclose(pipe) != 0) return Unavailable("'{}' failed (--peer): its message stands above", command);
  return output;
}

}  // namespace

Result<double> RunPeer(const std::string& command, const std::string& model, const BenchTest& test,
                       const BenchOptions& options) {
  const uint32_t threads =
      options.num_threads > 0 ? options.num_threads : std::thread::hardware_concurrency();
  const std::string line =
      fmt::format("{} -m {} -p {} -n {} -d {} -r {} -t {} -o json", command, Quoted(model),
                  test.is_decode ? 0 : test.tokens, test.is_decode ? test.tokens : 0, test.depth,
                  options.repetitions, threads);
  MIMO_ASSIGN_OR_RETURN(const std::string output, OutputOf(line));
  const Result<Json> json = ParseJson(output);
  if (json && json->is_array() && !json->empty()) {
    const auto speed = json->front().find("avg_ts");
    if (speed != json->front().end() && speed->is_number()) return speed->get<double>();
  }
  return Unavailable("no list with 'avg_ts' came from '{}' (--peer): is it llama-bench?", line);
}

}  // namespace mimo

// `mimo bench`.

#include <fmt/core.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "apps/commands/bench_peer.h"
#include "apps/commands/bench_run.h"
#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"

namespace mimo {
namespace {

struct BenchFlags {
  ModelFlags model;
  std::vector<uint32_t> prompts;
  std::vector<uint32_t> generations;
  std::vector<uint32_t> depths = {0};
  uint32_t repetitions = 3;
  std::string peer;
  bool json = false;
};

std::vector<BenchTest> TestsOf(const BenchFlags& flags) {
  std::vector<uint32_t> prompts = flags.prompts;
  std::vector<uint32_t> generations = flags.generations;
  if (prompts.empty() && generations.empty()) {
    prompts = {512};
    generations = {128};
  }
  std::vector<BenchTest> tests;
  for (const uint32_t depth : flags.depths) {
    for (const uint32_t tokens : prompts)
      tests.push_back({.is_decode = false, .tokens = tokens, .depth = depth});
    for (const uint32_t tokens : generations)
      tests.push_back({.is_decode = true, .tokens = tokens, .depth = depth});
  }
  return tests;
}

uint64_t PeakMemoryBytes() {
  rusage usage = {};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<uint64_t>(usage.ru_maxrss) * 1024 : 0;
}

struct BenchRow {
  BenchResult result;
  double peer = 0;  // tokens per second; 0: none
};

Json RowJson(const BenchRow& row) {
  const BenchResult& result = row.result;
  Json json = {{"test", result.test.is_decode ? "tg" : "pp"},
               {"n", result.test.tokens},
               {"depth", result.test.depth},
               {"tokens_per_second", result.Mean()},
               {"stdev", result.StandardDeviation()},
               {"ttft_ms", nullptr},
               {"bytes_per_token", nullptr},
               {"bandwidth_share", nullptr},
               {"peak_memory_bytes", PeakMemoryBytes()}};
  if (result.test.is_decode) {
    json["bytes_per_token"] = result.bytes_per_token;
    json["read_bandwidth"] = result.read_bandwidth;
    json["bandwidth_share"] = result.BandwidthShare();
  } else {
    json["ttft_ms"] = result.first_token_seconds * 1000;
  }
  if (row.peer > 0) {
    json["peer_tokens_per_second"] = row.peer;
    json["peer_ratio"] = result.Mean() / row.peer;
  }
  return json;
}

std::string RowText(const BenchRow& row) {
  const BenchResult& result = row.result;
  std::string text =
      fmt::format("{} {:<6} depth {:<7} {:>9.2f} ± {:<7.2f} tokens/s", result.test.is_decode ? "tg" : "pp",
                  result.test.tokens, result.test.depth, result.Mean(), result.StandardDeviation());
  if (result.test.is_decode) {
    text += fmt::format("  {:.1f} MB a token, {:.1f} of {:.1f} GB/s = {:.0f} %",
                        static_cast<double>(result.bytes_per_token) / 1e6,
                        static_cast<double>(result.bytes_per_token) * result.Mean() / 1e9,
                        result.read_bandwidth / 1e9, result.BandwidthShare() * 100);
  } else {
    text += fmt::format("  first token after {:.1f} ms", result.first_token_seconds * 1000);
  }
  if (row.peer > 0) text += fmt::format("  peer {:.2f}, ratio {:.2f}", row.peer, result.Mean() / row.peer);
  return text + "\n";
}

Status Bench(const BenchFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags.model, CheckpointUse::kWeights));
  BenchOptions options;
  options.repetitions = flags.repetitions;
  options.num_threads = flags.model.threads;
  options.kv_type = KvTypeOf(flags.model);
  Json list = Json::array();
  for (const BenchTest& test : TestsOf(flags)) {
    BenchRow row;
    MIMO_ASSIGN_OR_RETURN(row.result, RunBench(checkpoint, test, options));
    if (!flags.peer.empty()) {
      MIMO_ASSIGN_OR_RETURN(row.peer, RunPeer(flags.peer, checkpoint.path(), test, options));
    }
    if (flags.json) {
      list.push_back(RowJson(row));
    } else {
      MIMO_RETURN_IF_ERROR(WriteStdout(RowText(row)));
    }
  }
  if (flags.json) return WriteStdout(DumpJson(list) + "\n");
  return WriteStdout(fmt::format("peak memory {:.2f} GB\n", static_cast<double>(PeakMemoryBytes()) / 1e9));
}

}  // namespace

void AddBenchCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = program.add_subcommand("bench", "speed of prompt processing and decode");
  AddModelFlags(*command, &flags->model);
  command->add_option("-p,--prompt-tokens", flags->prompts, "prompts of so many tokens (pp)")
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("-n,--generated-tokens", flags->generations, "tokens one by one (tg)")
      ->check(CLI::Range(1, 1 << 24));
  command->add_option("-d,--depth", flags->depths, "tokens in the KV cache before")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command->add_option("-r,--repetitions", flags->repetitions, "of each test, after one that does not count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--peer", flags->peer, "llama-bench: run in turn on the same file, and compared");
  command->add_flag("--json", flags->json, "a list of objects");
  command->callback([flags, action] { *action = [flags] { return Bench(*flags); }; });
}

}  // namespace mimo

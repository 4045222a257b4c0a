// `mimo inspect`.

#include "weights/inspect.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/inspect_report.h"
#include "apps/commands/machine_memory.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"

namespace mimo {
namespace {

struct InspectFlags {
  ModelFlags model;
  std::string path;
  bool json = false;
};

Status Inspect(const InspectFlags& flags) {
  ModelFlags model = flags.model;
  if (!flags.path.empty()) model.model = flags.path;
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(model, CheckpointUse::kMetadata));
  const KvType kv_type = KvTypeOf(model);
  const ModelConfig& config = checkpoint.config();
  MIMO_RETURN_IF_ERROR(CheckKvType(config, kv_type));
  InspectReport report;
  report.checkpoint = &checkpoint;
  report.summary = SummarizeCheckpoint(checkpoint);
  report.context = model.context > 0 ? model.context : config.max_position_embeddings;
  report.kv_bytes_per_token = KvStorage::BytesPerToken(config, kv_type);
  report.kv_bytes_per_sequence = KvStorage::BytesPerRing(config, kv_type);
  report.memory = ReadMachineMemory();
  return WriteStdout(flags.json ? DumpJson(ReportJson(report)) + "\n" : ReportText(report));
}

}  // namespace

void AddInspectCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = program.add_subcommand(
      "inspect", "geometry, parameters, bytes per token, KV cache, and what fits this machine");
  AddModelFlags(*command, &flags->model);
  command->add_option("PATH", flags->path, "checkpoint; default: --model");
  command->add_flag("--json", flags->json, "one JSON object");
  command->callback([flags, action] { *action = [flags] { return Inspect(*flags); }; });
}

}  // namespace mimo

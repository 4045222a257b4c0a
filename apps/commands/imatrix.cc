// `mimo imatrix`.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/single_sequence.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "base/progress_bar.h"
#include "model/importance_collector.h"
#include "weights/importance_matrix.h"

namespace mimo {
namespace {

constexpr uint32_t kContextDefault = 512;
constexpr uint32_t kChunkMax = 256;  // bounds the logits that are in memory at once

struct ImatrixFlags {
  ModelFlags model;
  std::string file;
  std::string out;
  uint32_t chunks = 0;
  bool special = false;
};

// The windows of the text, without overlap. What does not fill the last one is left out, as in llama.cpp.
struct Windows {
  std::vector<TokenId> tokens;
  uint32_t size = 0;
  uint32_t count = 0;
};

Result<Windows> ReadWindows(const ImatrixFlags& flags, const Checkpoint& checkpoint) {
  MIMO_ASSIGN_OR_RETURN(const Tokenizer tokenizer, MakeTokenizer(checkpoint));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.file));
  Windows windows;
  windows.tokens = tokenizer.Encode(text, flags.special ? AddedTokens::kParse : AddedTokens::kPlainText);
  const auto num_tokens = static_cast<uint32_t>(windows.tokens.size());
  if (num_tokens == 0) return InvalidArgument("the text is empty ({}): use more text", flags.file);
  // A text shorter than the default window is one window.
  windows.size = flags.model.context > 0 ? flags.model.context : std::min(kContextDefault, num_tokens);
  windows.count = num_tokens / windows.size;
  if (flags.chunks > 0) windows.count = std::min(windows.count, flags.chunks);
  if (windows.count == 0) {
    return InvalidArgument("the text has {} tokens, a window {} ({}): use more text", num_tokens,
                           windows.size, flags.file);
  }
  return windows;
}

Status CollectImportance(const ImatrixFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags.model, CheckpointUse::kWeights));
  MIMO_ASSIGN_OR_RETURN(const Windows windows, ReadWindows(flags, checkpoint));
  MIMO_ASSIGN_OR_RETURN(ImportanceCollector collector, ImportanceCollector::Create(checkpoint));
  SingleSequenceOptions options;
  options.kv_type = KvTypeOf(flags.model);
  options.num_threads = flags.model.threads;
  options.tokens_max = windows.size;
  options.chunk = std::min(kChunkMax, windows.size);
  options.observer = &collector;
  MIMO_ASSIGN_OR_RETURN(SingleSequence sequence, SingleSequence::Create(checkpoint, options));
  ProgressBar progress("reading", uint64_t{windows.count} * windows.size);
  for (uint32_t window = 0; window < windows.count; ++window) {
    const std::span<const TokenId> text =
        std::span(windows.tokens).subspan(size_t{window} * windows.size, windows.size);
    const auto receive = [&](uint32_t, std::span<const float>) -> Status { return {}; };
    MIMO_RETURN_IF_ERROR(sequence.Run(text, receive));
    progress.Advance(windows.size);
  }
  MIMO_ASSIGN_OR_RETURN(ImportanceMatrix matrix, collector.Matrix());
  matrix.datasets = {std::filesystem::path(flags.file).filename().string()};
  matrix.chunk_count = windows.count;
  matrix.chunk_size = windows.size;
  MIMO_RETURN_IF_ERROR(WriteImportanceMatrix(matrix, flags.out));
  LogInfo("{}: {} tensors, {} windows of {} tokens", flags.out, matrix.entries.size(), windows.count,
          windows.size);
  return {};
}

}  // namespace

void AddImatrixCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ImatrixFlags>();
  CLI::App* command =
      program.add_subcommand("imatrix",
                             "importance matrix, in llama.cpp's format: the squared inputs of each weight's "
                             "column while a text runs "
                             "through the model in windows of --context tokens (default 512)");
  AddModelFlags(*command, &flags->model);
  command->add_option("--file,-f", flags->file, "text file")->required();
  command->add_option("OUT,--output,-o", flags->out, "file to write")->required();
  command->add_option("--chunks", flags->chunks, "windows at most; 0: all");
  command->add_flag("--special", flags->special, "control tokens spelled in the text become their ids");
  command->callback([flags, action] { *action = [flags] { return CollectImportance(*flags); }; });
}

}  // namespace mimo

// `mimo logits`.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/npy_writer.h"
#include "apps/commands/single_sequence.h"
#include "apps/commands/token_list.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

struct LogitsFlags {
  ModelFlags model;
  std::string tokens_file;
  std::string out;
  std::string mtp_out;
  bool exact = false;
  uint32_t chunk = 256;
};

Result<std::vector<TokenId>> ReadTokens(const LogitsFlags& flags, const ModelConfig& config) {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.tokens_file));
  MIMO_ASSIGN_OR_RETURN(std::vector<TokenId> tokens, ParseTokenList(text, flags.tokens_file));
  if (tokens.empty()) return InvalidArgument("the list is empty ({}): give a token", flags.tokens_file);
  for (const TokenId token : tokens) {
    if (token < config.vocab_size) continue;
    return InvalidArgument("token {} is not below the vocabulary size {} ({}): use this model's ids", token,
                           config.vocab_size, flags.tokens_file);
  }
  if (flags.model.context > 0 && tokens.size() > flags.model.context) {
    return InvalidArgument("{} tokens exceed --context {} ({}): raise it", tokens.size(), flags.model.context,
                           flags.tokens_file);
  }
  return tokens;
}

// The rows of all MTP heads for the chunk that the trunk has just computed.
Status WriteMtpRows(SingleSequence& sequence, std::span<const TokenId> tokens, uint32_t first_position,
                    const NpyWriter& out) {
  const uint64_t vocab_size = sequence.model().config().vocab_size;
  return sequence.RunMtpHeads(tokens, first_position, [&](uint32_t head, std::span<const float> logits) {
    return out.Write((head * tokens.size() + first_position) * vocab_size, logits);
  });
}

Status WriteLogits(const LogitsFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags.model, CheckpointUse::kWeights));
  const ModelConfig& config = checkpoint.config();
  MIMO_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, ReadTokens(flags, config));
  if (!flags.mtp_out.empty() && config.num_nextn_predict_layers == 0) {
    return InvalidArgument("the checkpoint has no MTP layers ({}): leave out --mtp-out", checkpoint.path());
  }
  SingleSequenceOptions options;
  options.path = flags.exact ? ComputePath::kExact : ComputePath::kFast;
  options.kv_type = KvTypeOf(flags.model);
  options.num_threads = flags.model.threads;
  options.tokens_max = static_cast<uint32_t>(tokens.size());
  options.chunk = flags.chunk;
  MIMO_ASSIGN_OR_RETURN(SingleSequence sequence, SingleSequence::Create(checkpoint, options));
  MIMO_ASSIGN_OR_RETURN(NpyWriter out, NpyWriter::Create(flags.out, {tokens.size(), config.vocab_size}));
  std::optional<NpyWriter> mtp_out;
  if (!flags.mtp_out.empty()) {
    MIMO_ASSIGN_OR_RETURN(mtp_out, NpyWriter::Create(flags.mtp_out, {config.num_nextn_predict_layers,
                                                                     tokens.size(), config.vocab_size}));
  }
  const auto receive = [&](uint32_t first_position, std::span<const float> logits) -> Status {
    MIMO_RETURN_IF_ERROR(out.Write(uint64_t{first_position} * config.vocab_size, logits));
    return mtp_out ? WriteMtpRows(sequence, tokens, first_position, *mtp_out) : Status();
  };
  MIMO_RETURN_IF_ERROR(sequence.Run(tokens, receive));
  if (mtp_out) MIMO_RETURN_IF_ERROR(mtp_out->Close());
  return out.Close();
}

}  // namespace

void AddLogitsCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App* command = program.add_subcommand("logits", "next-token logits of a token list as a .npy file");
  AddModelFlags(*command, &flags->model);
  command->add_option("--tokens", flags->tokens_file, "JSON list of token ids")->required();
  command->add_option("--out", flags->out, ".npy file: float32 [tokens, vocab]")->required();
  command->add_flag("--exact", flags->exact,
                    "reference path: float32 throughout, weights dequantised exactly");
  command->add_option("--chunk", flags->chunk, "tokens per step; does not change the result beyond rounding")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--mtp-out", flags->mtp_out,
                      ".npy file: float32 [mtp_layers, tokens, vocab]; row i of head k predicts token i+2+k "
                      "and needs token i+1+k: rows without such a token are zero");
  command->callback([flags, action] { *action = [flags] { return WriteLogits(*flags); }; });
}

}  // namespace mimo

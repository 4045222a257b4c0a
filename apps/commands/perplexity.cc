// `mimo perplexity`.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/perplexity_run.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

constexpr uint32_t kContextDefault = 512;
constexpr uint32_t kChunkMax = 256;  // bounds the logits that are in memory at once
constexpr uint32_t kTokensMin = 4;

struct PerplexityFlags {
  ModelFlags model;
  std::string file;
  std::string reference;
  bool special = false;
  bool json = false;
};

std::string Text(const PerplexityResult& result, uint32_t context, bool has_reference) {
  std::string text = fmt::format("perplexity {:.4f} +/- {:.4f} ({} tokens scored of {}, {} windows of {})\n",
                                 Perplexity(result.nll), PerplexityError(result.nll), result.nll.count(),
                                 result.tokens, result.windows, context);
  if (!has_reference) return text;
  text += fmt::format("reference {:.4f} +/- {:.4f}\n", Perplexity(result.reference_nll),
                      PerplexityError(result.reference_nll));
  return text +
         fmt::format(
             "KL divergence {:.6f} +/- {:.6f}, 99 % up to {:.6f}, largest {:.6f}; "
             "same most likely token {:.2f} %\n",
             result.divergence.value(), result.divergence.standard_error(), result.DivergenceQuantile(0.99),
             result.DivergenceQuantile(1),
             100 * static_cast<double>(result.same_top) / static_cast<double>(result.divergence.count()));
}

Json ResultJson(const PerplexityResult& result, uint32_t context, bool has_reference) {
  Json json = {{"perplexity", Perplexity(result.nll)},
               {"standard_error", PerplexityError(result.nll)},
               {"mean_nll", result.nll.value()},
               {"tokens", result.tokens},
               {"tokens_scored", result.nll.count()},
               {"windows", result.windows},
               {"context", context}};
  if (!has_reference) return json;
  json["reference_perplexity"] = Perplexity(result.reference_nll);
  json["kl_mean"] = result.divergence.value();
  json["kl_standard_error"] = result.divergence.standard_error();
  json["kl_99"] = result.DivergenceQuantile(0.99);
  json["kl_max"] = result.DivergenceQuantile(1);
  json["same_top"] = static_cast<double>(result.same_top) / static_cast<double>(result.divergence.count());
  return json;
}

Result<std::unique_ptr<Checkpoint>> OpenReference(const PerplexityFlags& flags, uint32_t vocab_size) {
  ModelFlags reference_flags = flags.model;
  reference_flags.model = flags.reference;
  MIMO_ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(reference_flags, CheckpointUse::kWeights));
  if (checkpoint.config().vocab_size != vocab_size) {
    return InvalidArgument("a vocabulary of {} is not the model's of {} ({}): compare models of one family",
                           checkpoint.config().vocab_size, vocab_size, flags.reference);
  }
  return std::make_unique<Checkpoint>(std::move(checkpoint));
}

Result<std::vector<TokenId>> ReadTokens(const PerplexityFlags& flags, const Checkpoint& checkpoint) {
  MIMO_ASSIGN_OR_RETURN(const Tokenizer tokenizer, MakeTokenizer(checkpoint));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.file));
  std::vector<TokenId> tokens =
      tokenizer.Encode(text, flags.special ? AddedTokens::kParse : AddedTokens::kPlainText);
  const uint32_t vocab_size = checkpoint.config().vocab_size;
  if (std::any_of(tokens.begin(), tokens.end(), [&](TokenId token) { return token >= vocab_size; })) {
    return InvalidArgument("the tokenizer has ids beyond the vocabulary of {} ({}): use its own tokenizer",
                           vocab_size, checkpoint.path());
  }
  return tokens;
}

Status RunPerplexity(const PerplexityFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags.model, CheckpointUse::kWeights));
  MIMO_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, ReadTokens(flags, checkpoint));
  // A text shorter than the default window is one window.
  const auto text_tokens = static_cast<uint32_t>(tokens.size());
  const uint32_t context =
      flags.model.context > 0 ? flags.model.context : std::min(kContextDefault, text_tokens);
  if (context < kTokensMin || text_tokens < context) {
    return InvalidArgument("the text has {} tokens, a window {}, at least {} are needed ({}): use more text",
                           text_tokens, context, kTokensMin, flags.file);
  }
  SingleSequenceOptions options;
  options.kv_type = KvTypeOf(flags.model);
  options.num_threads = flags.model.threads;
  options.tokens_max = context;
  options.chunk = std::min(kChunkMax, context);
  MIMO_ASSIGN_OR_RETURN(SingleSequence sequence, SingleSequence::Create(checkpoint, options));
  // Behind the reference's sequence, which reads it.
  std::unique_ptr<Checkpoint> reference_checkpoint;
  std::optional<SingleSequence> reference;
  if (!flags.reference.empty()) {
    MIMO_ASSIGN_OR_RETURN(reference_checkpoint, OpenReference(flags, checkpoint.config().vocab_size));
    // What --kv-type rounds counts as the model's.
    options.kv_type = KvType::kF32;
    MIMO_ASSIGN_OR_RETURN(reference, SingleSequence::Create(*reference_checkpoint, options));
  }
  MIMO_ASSIGN_OR_RETURN(const PerplexityResult result,
                        MeasurePerplexity(sequence, reference ? &*reference : nullptr, tokens, context));
  const bool has_reference = reference.has_value();
  return WriteStdout(flags.json ? DumpJson(ResultJson(result, context, has_reference)) + "\n"
                                : Text(result, context, has_reference));
}

}  // namespace

void AddPerplexityCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* command = program.add_subcommand("perplexity",
                                             "perplexity over a text file, by llama.cpp's rule: windows of "
                                             "--context tokens (default 512), the second "
                                             "half of each is scored");
  AddModelFlags(*command, &flags->model);
  command->add_option("--file,-f", flags->file, "text file")->required();
  command->add_option("--reference", flags->reference,
                      "another model, such as the one in bf16: the KL divergence of the predictions from its "
                      "own is measured, too (its keys and values are float32)");
  command->add_flag("--special", flags->special, "control tokens spelled in the text become their ids");
  command->add_flag("--json", flags->json, "one JSON object");
  command->callback([flags, action] { *action = [flags] { return RunPerplexity(*flags); }; });
}

}  // namespace mimo

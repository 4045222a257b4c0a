// `mimo perplexity`.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/single_sequence.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "base/progress_bar.h"

namespace mimo {
namespace {

constexpr uint32_t kContextDefault = 512;
constexpr uint32_t kChunkMax = 256;  // bounds the logits that are in memory at once
constexpr uint32_t kTokensMin = 4;

struct PerplexityFlags {
  ModelFlags model;
  std::string file;
  bool json = false;
};

struct PerplexityResult {
  uint64_t tokens = 0;  // of the text
  uint64_t windows = 0;
  uint64_t tokens_scored = 0;
  double nll_sum = 0;  // of -log p, natural
  double nll_square_sum = 0;

  double mean() const { return nll_sum / static_cast<double>(tokens_scored); }
  double perplexity() const { return std::exp(mean()); }
  // Standard error of the perplexity, from that of the mean.
  double standard_error() const {
    const auto count = static_cast<double>(tokens_scored);
    const double variance = std::max(0.0, nll_square_sum / count - mean() * mean());
    return perplexity() * std::sqrt(variance / count);
  }
};

double NegativeLogLikelihood(std::span<const float> logits, TokenId token) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit - largest));
  return std::log(sum) - static_cast<double>(logits[token] - largest);
}

// llama.cpp's rule: windows of `context` tokens that do not overlap; only the second half of a window is
// scored, so that every scored token has seen at least half a window; what does not fill a window is left
// out.
Result<PerplexityResult> Measure(SingleSequence& sequence, std::span<const TokenId> tokens,
                                 uint32_t context) {
  const uint32_t vocab_size = sequence.model().config().vocab_size;
  PerplexityResult result;
  result.tokens = tokens.size();
  result.windows = tokens.size() / context;
  ProgressBar progress("perplexity", result.windows * context);
  for (uint64_t window = 0; window < result.windows; ++window) {
    const std::span<const TokenId> text = tokens.subspan(window * context, context);
    const auto receive = [&](uint32_t first_position, std::span<const float> logits) -> Status {
      const auto count = static_cast<uint32_t>(logits.size() / vocab_size);
      for (uint32_t row = 0; row < count; ++row) {
        const uint32_t position = first_position + row;
        if (position < context / 2 || position + 1 >= context) continue;
        const double nll =
            NegativeLogLikelihood(logits.subspan(size_t{row} * vocab_size, vocab_size), text[position + 1]);
        ++result.tokens_scored;
        result.nll_sum += nll;
        result.nll_square_sum += nll * nll;
      }
      progress.Advance(count);
      return {};
    };
    MIMO_RETURN_IF_ERROR(sequence.Run(text, receive));
  }
  return result;
}

Status Print(const PerplexityResult& result, uint32_t context, bool json) {
  if (!json) {
    return WriteStdout(fmt::format(
        "perplexity {:.4f} +/- {:.4f} ({} tokens scored of {}, {} windows of {})\n", result.perplexity(),
        result.standard_error(), result.tokens_scored, result.tokens, result.windows, context));
  }
  return WriteStdout(DumpJson({{"perplexity", result.perplexity()},
                               {"standard_error", result.standard_error()},
                               {"mean_nll", result.mean()},
                               {"tokens", result.tokens},
                               {"tokens_scored", result.tokens_scored},
                               {"windows", result.windows},
                               {"context", context}}) +
                     "\n");
}

Status MeasurePerplexity(const PerplexityFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags.model, CheckpointUse::kWeights));
  MIMO_ASSIGN_OR_RETURN(const Tokenizer tokenizer, MakeTokenizer(checkpoint));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.file));
  const std::vector<TokenId> tokens = tokenizer.Encode(text, AddedTokens::kPlainText);
  const uint32_t vocab_size = checkpoint.config().vocab_size;
  if (std::any_of(tokens.begin(), tokens.end(), [&](TokenId token) { return token >= vocab_size; })) {
    return InvalidArgument("the tokenizer has ids beyond the vocabulary of {} ({}): use its own tokenizer",
                           vocab_size, checkpoint.path());
  }
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
  MIMO_ASSIGN_OR_RETURN(const PerplexityResult result, Measure(sequence, tokens, context));
  return Print(result, context, flags.json);
}

}  // namespace

void AddPerplexityCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* command = program.add_subcommand("perplexity",
                                             "perplexity over a text file, by llama.cpp's rule: windows of "
                                             "--context tokens (default 512), the second "
                                             "half of each is scored");
  AddModelFlags(*command, &flags->model);
  command->add_option("--file", flags->file, "text file")->required();
  command->add_flag("--json", flags->json, "one JSON object");
  command->callback([flags, action] { *action = [flags] { return MeasurePerplexity(*flags); }; });
}

}  // namespace mimo

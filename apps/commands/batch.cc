// `mimo batch`: a file of API requests, answered without a server.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_session.h"
#include "apps/commands/price_flags.h"
#include "apps/commands/served_model_flags.h"
#include "base/mapped_file.h"
#include "server/batch_run.h"

namespace mimo {
namespace {

struct BatchFlags {
  ServedModelFlags served;
  std::string input;
  std::string output;
};

// A batch asks for all there is: what bounds the queue is how many requests are answered at once.
constexpr QueueLimits kNoQueueLimits = {.requests_max = UINT32_MAX,
                                        .prompt_tokens_max = UINT64_MAX,
                                        .owner_requests_max = UINT32_MAX,
                                        .owner_prompt_tokens_max = UINT64_MAX};

std::vector<BatchLine> LinesWithoutResult(std::vector<BatchLine> lines, const BatchResults& results) {
  std::erase_if(lines, [&results](const BatchLine& line) { return results.Has(line); });
  return lines;
}

Result<BatchCounts> AnswerLines(const BatchFlags& flags, const std::vector<BatchLine>& lines,
                                BatchResults& results) {
  BatchOptions options{.requests_max = 2 * flags.served.engine.sequences_max};
  MIMO_ASSIGN_OR_RETURN(options.prices, ReadPriceCard(flags.served.model.config));
  std::unique_ptr<Checkpoint> checkpoint;
  MIMO_ASSIGN_OR_RETURN(ServedModel model, LoadServedModel(flags.served, &checkpoint));
  MIMO_ASSIGN_OR_RETURN(const std::unique_ptr<BatchRun> run,
                        BatchRun::Create(std::move(model), options, results, Interrupted()));
  return run->Run(lines);
}

Status RunBatch(BatchFlags& flags) {
  MIMO_RETURN_IF_ERROR(FinishServedModelFlags(&flags.served));
  MIMO_RETURN_IF_ERROR(RequireModel(flags.served.model));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.input));
  Result<std::vector<BatchLine>> all = ParseBatchFile(text);
  if (!all) {
    return MakeError(all.error().code, "{} ({}): give each its own", all.error().message, flags.input);
  }
  MIMO_ASSIGN_OR_RETURN(BatchResults results, BatchResults::Open(flags.output));
  const size_t num_requests = all->size();
  const std::vector<BatchLine> lines = LinesWithoutResult(*std::move(all), results);
  if (lines.size() < num_requests) {
    fmt::print(stderr, "{} of {} requests have their results in {}\n", num_requests - lines.size(),
               num_requests, flags.output);
  }
  if (lines.empty()) return {};
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const BatchCounts counts, AnswerLines(flags, lines, results));
  fmt::print(stderr, "answered {} requests, {} of them with an error\n", counts.answered, counts.failed);
  if (counts.answered == lines.size()) return {};
  return MakeError(ErrorCode::kCancelled, "interrupted with {} requests to go ({}): run again to continue",
                   lines.size() - counts.answered, flags.output);
}

}  // namespace

void AddBatchCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<BatchFlags>();
  flags->served.engine.queue = kNoQueueLimits;
  CLI::App* command = program.add_subcommand(
      "batch", "a file of requests in OpenAI's batch format; a run that was stopped goes on where it was");
  AddServedModelFlags(*command, &flags->served);
  command->add_option("input", flags->input, "JSON lines: custom_id, method, url, body")->required();
  command->add_option("output", flags->output, "JSON lines: a result for each, as they come")->required();
  command->callback([flags, action] { *action = [flags] { return RunBatch(*flags); }; });
}

}  // namespace mimo

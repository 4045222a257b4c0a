// `mimo replay`: a recorded agent session through the engine, turn after turn.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "apps/commands/command.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_session.h"
#include "apps/commands/price_flags.h"
#include "apps/commands/replay_run.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

Status RunReplay(const ReplayFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const PriceCard prices, ReadPriceCard(flags.model.config));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(flags.trace));
  MIMO_ASSIGN_OR_RETURN(const AgentTrace trace, ParseAgentTrace(text));
  TextSession session;
  if (!trace.HasOnlyCounts()) {
    MIMO_RETURN_IF_ERROR(RequireModel(flags.model));
    MIMO_ASSIGN_OR_RETURN(session, OpenTextSession(flags.model));
  }
  // A trace of counts has no text.
  TraceHistory history(trace, session.tokenizer.get(), session.chat_template);
  Replay replay(flags, trace, prices, history);
  MIMO_RETURN_IF_ERROR(replay.Run());
  if (replay.num_different() == 0) return {};
  return Internal("{} replies differ from a cold run's (--check)", replay.num_different());
}

}  // namespace

void AddReplayCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ReplayFlags>();
  CLI::App* command = program.add_subcommand(
      "replay", "a recorded agent session: what the prefix cache serves, and the cost");
  AddModelFlags(*command, &flags->model);
  command->add_option("trace", flags->trace, "JSON lines: a trace, chat requests, or a log of messages")
      ->required();
  command->add_option("--max-tokens", flags->max_tokens, "of a reply, where the trace does not say")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command->add_option("--restart-every", flags->restart_every,
                      "end the engine's process after every N turns");
  command->add_option("--kill-every", flags->kill_every, "kill it (SIGKILL) after every N turns");
  command->add_option("--check-every", flags->check_every, "compare every Nth reply with a cold run's");
  command->add_flag("--check", flags->check, "compare every reply with a cold run's, token for token");
  command->add_option("--price-of", flags->price_of, "take this model's price for every turn");
  command->add_flag("--json", flags->json, "one JSON document");
  command->callback([flags, action] { *action = [flags] { return RunReplay(*flags); }; });
}

}  // namespace mimo

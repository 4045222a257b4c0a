#pragma once
// The loop of `mimo replay`: turn after turn through the engine's process.

#include <cstdint>
#include <string>
#include <vector>

#include "apps/commands/model_flags.h"
#include "apps/commands/replay_report.h"
#include "apps/commands/replay_worker.h"
#include "server/agent_trace.h"
#include "server/repeated_tokens.h"
#include "server/trace_history.h"

namespace mimo {

struct ReplayFlags {
  ModelFlags model;
  std::string trace;
  std::string price_of;
  uint32_t max_tokens = 64;
  uint32_t restart_every = 0;  // turns; 0 = never
  uint32_t kill_every = 0;
  uint32_t check_every = 0;
  bool check = false;
  bool json = false;
};

// Not thread-safe. What it is made of must outlive it.
class Replay {
 public:
  Replay(const ReplayFlags& flags, const AgentTrace& trace, const PriceCard& prices, TraceHistory& history);

  // Prints as it goes. An error names the turn.
  Status Run();
  // Replies that were not those of a cold run.
  uint64_t num_different() const { return totals_.num_different; }

 private:
  bool IsCounts(size_t turn) const;
  void EndProcessWhenDue(size_t turn);
  ReplayRow CountTurn(size_t turn) const;
  Result<ReplayRow> RunTurn(size_t turn);
  Status Check(const std::vector<TokenId>& prompt, uint32_t max_tokens, const ReplayReply& reply);
  Status Report(const TraceTurn& turn, ReplayRow row);

  const ReplayFlags& flags_;
  const AgentTrace& trace_;
  const PriceCard& prices_;
  TraceHistory& history_;
  RepeatedTokens repeated_;
  ReplayWorker worker_;
  ReplayWorker cold_worker_;
  const uint32_t check_every_;
  ReplayTotals totals_;
  Json rows_ = Json::array();
};

}  // namespace mimo

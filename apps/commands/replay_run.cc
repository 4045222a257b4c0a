#include "apps/commands/replay_run.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "apps/commands/standard_streams.h"
#include "weights/default_model.h"

namespace mimo {
namespace {

// The session as it would be without any cache.
ModelFlags ColdFlags(ModelFlags flags) {
  flags.prefix_cache = "off";
  flags.cache_dir.clear();
  return flags;
}

std::string ModelName(const ModelFlags& flags) {
  if (flags.model.empty()) return kDefaultModelName;
  const std::filesystem::path path = std::filesystem::path(flags.model).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).stem().string();
}

}  // namespace

Replay::Replay(const ReplayFlags& flags, const AgentTrace& trace, const PriceCard& prices,
               TraceHistory& history)
    : flags_(flags),
      trace_(trace),
      prices_(prices),
      history_(history),
      worker_(flags.model),
      cold_worker_(ColdFlags(flags.model)),
      check_every_(flags.check ? 1 : flags.check_every) {}

Status Replay::Run() {
  if (!flags_.json) MIMO_RETURN_IF_ERROR(WriteStdout(HeadText()));
  for (size_t turn = 0; turn < trace_.turns.size(); ++turn) {
    EndProcessWhenDue(turn);
    Result<ReplayRow> row = IsCounts(turn) ? CountTurn(turn) : RunTurn(turn);
    if (!row) return MakeError(row.error().code, "turn {}: {}", trace_.turns[turn].id, row.error().message);
    MIMO_RETURN_IF_ERROR(Report(trace_.turns[turn], *row));
  }
  if (!flags_.json) return WriteStdout(TotalsText(totals_));
  return WriteStdout(DumpJson({{"turns", std::move(rows_)}, {"totals", TotalsJson(totals_)}}) + "\n");
}

bool Replay::IsCounts(size_t turn) const {
  return std::holds_alternative<TraceCounts>(trace_.turns[turn].content);
}

void Replay::EndProcessWhenDue(size_t turn) {
  const auto is_due = [turn](uint32_t every) { return every > 0 && turn > 0 && turn % every == 0; };
  if (is_due(flags_.kill_every)) {
    worker_.Kill();
  } else if (is_due(flags_.restart_every)) {
    worker_.Stop();
  }
}

// What a cache like ours serves of a prompt of which only the length is known: whole blocks of what earlier
// turns had, and at least what the recorded one did.
ReplayRow Replay::CountTurn(size_t turn) const {
  const auto& content = std::get<TraceCounts>(trace_.turns[turn].content);
  uint64_t shared = content.shared.value_or(0);
  if (!content.shared && trace_.turns[turn].after) {
    const auto& before = std::get<TraceCounts>(trace_.turns[*trace_.turns[turn].after].content).counts;
    shared = std::min(before.prompt + before.completion, content.counts.prompt);
  }
  ReplayRow row{.num_requests = content.num_requests, .counts = content.counts};
  row.counts.cached = std::max(content.counts.cached, shared / kKvBlockTokens * kKvBlockTokens);
  row.repeated = std::max(content.counts.cached, shared);
  return row;
}

Result<ReplayRow> Replay::RunTurn(size_t turn) {
  MIMO_ASSIGN_OR_RETURN(std::vector<TokenId> tokens, history_.Prompt(turn));
  const uint32_t max_tokens =
      trace_.turns[turn].max_tokens > 0 ? trace_.turns[turn].max_tokens : flags_.max_tokens;
  MIMO_ASSIGN_OR_RETURN(ReplayReply reply, worker_.Generate(tokens, max_tokens));
  if (check_every_ > 0 && turn % check_every_ == 0) MIMO_RETURN_IF_ERROR(Check(tokens, max_tokens, reply));
  ReplayRow row{.num_requests = 1};
  row.counts = {.prompt = tokens.size(), .cached = reply.cached_tokens, .completion = reply.tokens.size()};
  // The last token is always computed: its output is the first of the reply.
  row.repeated = repeated_.Count(std::span(tokens).first(tokens.size() - 1));
  row.replayed = reply.replayed_tokens;
  row.first_token_seconds = std::chrono::duration<double>(reply.first_token_time).count();
  row.total_seconds = std::chrono::duration<double>(reply.total_time).count();
  // And the last token of the reply never is.
  tokens.insert(tokens.end(), reply.tokens.begin(), reply.tokens.end() - (reply.tokens.empty() ? 0 : 1));
  repeated_.Add(tokens);
  history_.AddReply(turn, {std::move(reply.tokens), std::move(reply.text), reply.is_stopped});
  return row;
}

Status Replay::Check(const std::vector<TokenId>& prompt, uint32_t max_tokens, const ReplayReply& reply) {
  MIMO_ASSIGN_OR_RETURN(const ReplayReply cold, cold_worker_.Generate(prompt, max_tokens));
  ++totals_.num_checked;
  if (cold.tokens != reply.tokens) ++totals_.num_different;
  return {};
}

Status Replay::Report(const TraceTurn& turn, ReplayRow row) {
  row.recorded = turn.recorded;
  ReplayPrice price{.model = flags_.price_of.empty() ? turn.model : flags_.price_of, .price = std::nullopt};
  if (price.model.empty()) price.model = ModelName(flags_.model);
  price.price = prices_.Find(price.model, price.model);
  totals_.Add(row, price);
  if (!flags_.json) return WriteStdout(RowText(turn.id, row, price));
  rows_.push_back(RowJson(turn.id, row, price));
  return {};
}

}  // namespace mimo

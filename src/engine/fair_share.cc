#include "engine/fair_share.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace mimo {
namespace {

// A token of a prompt costs 1. One of output occupies a place for a whole step, while one of a prompt shares
// its step with hundreds. The paper and the prices of providers have 2 : 1 as well.
constexpr uint64_t kOutputTokenCost = 2;

// Owners take turns at this grain when places cannot be divided evenly: some dozens of steps.
constexpr uint64_t kYieldCostMin = 1024;

}  // namespace

// `account` is about to wait and has not waited until now.
void FairShare::Lift(const Level& level, OwnerAccount& account) {
  std::optional<uint64_t> least;
  for (const auto& [owner, other] : level.accounts) {
    if (other.num_waiting > 0) least = std::min(least.value_or(other.total()), other.total());
  }
  if (!least && level.last_waiting != nullptr) least = level.last_waiting->total();
  if (least && *least > account.total()) account.served = *least - account.committed;
}

void FairShare::OnWaiting(Sequence& sequence) {
  Level& level = levels_[sequence.priority];
  if (sequence.account == nullptr) {
    sequence.account = &level.accounts[sequence.owner];  // nodes of a map stay where they are
    ++level.num_sequences;
  } else {
    --sequence.account->num_running;
    sequence.account->committed -= sequence.num_committed;
    sequence.num_committed = 0;
  }
  if (sequence.account->num_waiting == 0) Lift(level, *sequence.account);
  ++sequence.account->num_waiting;
}

void FairShare::StopWaiting(Sequence& sequence) {
  if (--sequence.account->num_waiting == 0) levels_.at(sequence.priority).last_waiting = sequence.account;
}

void FairShare::OnRunning(Sequence& sequence) {
  StopWaiting(sequence);
  OwnerAccount& account = *sequence.account;
  ++account.num_running;
  // Tokens that came from a cache are free.
  sequence.num_charged = std::max(sequence.num_charged, sequence.num_computed);
  sequence.num_committed = sequence.num_tokens() - std::min(sequence.num_charged, sequence.num_tokens());
  account.committed += sequence.num_committed;
}

void FairShare::OnComputed(Sequence& sequence, uint32_t num_tokens) {
  const uint32_t end = sequence.num_computed + num_tokens;
  if (end <= sequence.num_charged) return;
  const uint32_t num_new = end - sequence.num_charged;
  sequence.num_charged = end;
  OwnerAccount& account = *sequence.account;
  const uint32_t num_prompt = std::min(num_new, sequence.num_committed);
  sequence.num_committed -= num_prompt;
  account.committed -= num_prompt;
  account.served += num_prompt + (num_new - num_prompt) * kOutputTokenCost;
}

void FairShare::OnRemoved(Sequence& sequence) {
  OwnerAccount& account = *sequence.account;
  if (sequence.is_running) {
    --account.num_running;
    account.committed -= sequence.num_committed;
    sequence.num_committed = 0;
  } else {
    StopWaiting(sequence);
  }
  sequence.account = nullptr;
  const auto level = levels_.find(sequence.priority);
  MIMO_CHECK(level != levels_.end());
  if (--level->second.num_sequences == 0) levels_.erase(level);
}

bool FairShare::Precedes(const Sequence& a, const Sequence& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  const uint64_t total_a = a.account->total();
  const uint64_t total_b = b.account->total();
  return total_a != total_b ? total_a < total_b : a.id < b.id;
}

bool FairShare::MustYield(const Sequence& running, const Sequence& waiting, uint32_t num_taken) {
  if (running.priority != waiting.priority) return running.priority < waiting.priority;
  const OwnerAccount& theirs = *running.account;
  const OwnerAccount& ours = *waiting.account;
  // Only what was really computed counts against them: committed cost changes with admission, and two owners
  // could throw each other out forever.
  const uint64_t cost = std::max<uint64_t>(kYieldCostMin, running.num_computed);
  return theirs.num_running > ours.num_running + num_taken && theirs.served > ours.total() + cost;
}

}  // namespace mimo

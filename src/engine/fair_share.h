#pragma once
// Whose turn it is: priorities first, then fair shares between owners, then the order of arrival.
//
// Each owner has a counter of what was computed for it, in the manner of the virtual token counter of Sheng
// et al., "Fairness in Serving Large Language Models" (arXiv 2401.00588): whoever was served least is next.
// An owner whose queue was empty does not save up its turn: when it comes back, its counter is lifted to the
// least among those that wait. Unlike there, a prompt is charged as it is computed, in chunks, and what was
// admitted but not computed yet counts as committed; so a cancelled or preempted prompt costs what it used.
// docs/decisions/0016-scheduler.md has the alternatives.

#include <cstdint>
#include <map>
#include <string>

#include "engine/sequence.h"

namespace mimo {

// One owner at one priority.
struct OwnerAccount {
  uint64_t served = 0;     // the cost of what was computed, lifted after a time without waiting requests
  uint64_t committed = 0;  // the cost of admitted prompts that are still to be computed
  uint32_t num_waiting = 0;
  uint32_t num_running = 0;

  uint64_t total() const { return served + committed; }
};

// Keeps the accounts; the sequences are the scheduler's. Not thread-safe: only the engine thread calls it.
class FairShare {
 public:
  // The four moments of a sequence's life. It waits when it arrives and again when it was preempted.
  void OnWaiting(Sequence& sequence);
  void OnRunning(Sequence& sequence);
  void OnRemoved(Sequence& sequence);
  // Requires: called before num_computed grows by `num_tokens`.
  void OnComputed(Sequence& sequence, uint32_t num_tokens);

  // The one order: who is admitted first, served first and preempted last.
  static bool Precedes(const Sequence& a, const Sequence& b);
  // Whether `running` must stand back for `waiting`, after `num_taken` others of its owner did. Between
  // priorities: always. Between owners of one priority: when its owner holds more places and was served more
  // by at least what throwing the sequence out costs, so that not more is lost than is made good.
  static bool MustYield(const Sequence& running, const Sequence& waiting, uint32_t num_taken);

 private:
  // The accounts live as long as anybody of their priority waits or runs. Fairness is between those who want
  // something at the same time, so an idle level may forget.
  struct Level {
    std::map<std::string, OwnerAccount> accounts;
    uint32_t num_sequences = 0;
    const OwnerAccount* last_waiting = nullptr;  // whose queue was the last to become empty
  };
  void StopWaiting(Sequence& sequence);
  static void Lift(const Level& level, OwnerAccount& account);

  std::map<int32_t, Level> levels_;  // by priority
};

}  // namespace mimo

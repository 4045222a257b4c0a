#pragma once
// Which tokens of which sequences the next step computes.
//
//   waiting -> running (has a ring and KV blocks) -> removed
//      ^------- preempted: gives its memory back -------'
//
// Three parts, so that each can change alone: FairShare orders the sequences (priority, then fair shares
// between owners, then arrival), SequenceMemory holds what they need to run, and the scheduler joins the two.
//
// Policy, with reasons in docs/decisions/0005-engine.md and 0016-scheduler.md:
//   - the first in the order is admitted when a ring and the blocks of all its tokens are there; nobody
//   overtakes
//   - a running sequence that must yield to it is preempted, and so is the last in the order when a running
//     one grows and no block is free. It keeps its tokens and later computes their keys and values again, so
//     the tokens that follow stay the same
//   - a step serves every decoding sequence first; the rest of the token budget goes to the prompts: the
//   higher
//     priority first, then in equal shares to owners and, within each, to its sequences

#include <cstdint>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "engine/fair_share.h"
#include "engine/sequence.h"
#include "engine/sequence_memory.h"

namespace mimo {

struct SchedulerOptions {
  uint32_t context_max = 0;          // tokens of one sequence that can be computed
  uint32_t sequences_max = 16;       // running at once; one ring each
  uint32_t tokens_per_step_max = 0;  // at least sequences_max, so that no decoding sequence misses a step
  uint32_t num_blocks = 0;           // at least those of one sequence of context_max tokens
  PrefixCacheOptions prefix_cache = {};
};

// What a step computes of one sequence.
struct ScheduledChunk {
  Sequence* sequence = nullptr;
  uint32_t num_tokens = 0;
  bool samples = false;  // computes the sequence's last token: its logits choose the next one
};

// Does not own the sequences. Not thread-safe: only the engine thread calls it.
class Scheduler {
 public:
  // `memory` is the prefix cache's, and must outlive this; null: nothing is cached. Requires: the minima
  // stated in SchedulerOptions.
  explicit Scheduler(const SchedulerOptions& options, KvMemory* memory = nullptr);

  // Requires: an id above all earlier ones; 1 to context_max tokens; the sequence outlives its stay here.
  void Enqueue(Sequence* sequence);
  // Takes a sequence out in any state and frees what it holds.
  void Remove(Sequence* sequence);
  // As SequenceMemory.
  void StopCaching() { memory_.StopCaching(); }

  // Moves waiting sequences to running while rings and blocks last or can be taken from those that must
  // yield.
  void AdmitSequences();
  // Chooses the next step: one token of every decoding sequence and, beside them, at most `prompt_tokens_max`
  // of prompts, or one of each (0: none); without decoding sequences the limit is the step's own. The blocks
  // for the chosen tokens are allocated. Empty only when nothing runs. Valid until the next call.
  std::span<const ScheduledChunk> NextStep(uint32_t prompt_tokens_max = UINT32_MAX);
  // Records that the step was computed.
  void CommitStep();

  std::span<Sequence* const> running() const { return running_; }
  std::span<Sequence* const> waiting() const { return waiting_; }
  uint32_t num_waiting() const { return static_cast<uint32_t>(waiting_.size()); }
  uint32_t num_running() const { return static_cast<uint32_t>(running_.size()); }
  // Of the running ones, those that need only the key and value of their newest token.
  uint32_t num_decoding() const;
  uint32_t num_blocks() const { return memory_.num_blocks(); }
  uint32_t num_blocks_free() const { return memory_.num_blocks_free(); }
  PrefixCache& prefix_cache() { return memory_.cache(); }
  const PrefixCache& prefix_cache() const { return memory_.cache(); }
  uint64_t num_preemptions() const { return num_preemptions_; }

 private:
  // One that wants a part of a budget.
  struct Demand {
    size_t index = 0;  // of whom
    uint32_t wanted = 0;
    uint32_t given = 0;
  };
  using ChunkIterator = std::vector<ScheduledChunk>::iterator;

  bool MakeRoom(const Sequence& sequence);
  void Preempt(Sequence* sequence);
  void GrowOrPreempt();
  void SharePromptBudget(ChunkIterator begin, uint32_t budget);
  uint32_t ShareBetweenOwners(ChunkIterator begin, ChunkIterator end, uint32_t budget);
  uint32_t ShareWithinOwner(ChunkIterator begin, ChunkIterator end, uint32_t budget);
  static void ShareEqually(std::vector<Demand>& demands, uint32_t budget);

  const SchedulerOptions options_;
  SequenceMemory memory_;
  FairShare shares_;
  std::vector<Sequence*> waiting_;  // in no order: the order changes with every step
  std::vector<Sequence*> running_;
  std::vector<ScheduledChunk> step_;
  uint64_t num_preemptions_ = 0;
  // Scratch, kept so that steps do not allocate.
  std::vector<Sequence*> yielding_;
  std::vector<Demand> owner_demands_;
  std::vector<Demand> sequence_demands_;
};

}  // namespace mimo

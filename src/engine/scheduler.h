#pragma once
// Which tokens of which sequences the next step computes.
//
//   waiting (first come, first served) -> running (has a ring and KV blocks) -> removed
//                       ^------- preempted: gives everything back -------'
//
// Policy, with reasons in docs/decisions/0005-engine.md:
//   - a sequence is admitted when a ring and the blocks of all its tokens are there; nobody overtakes
//   - a running sequence grows block by block; without a free block the youngest running one is preempted and
//     later computes its prompt and its output again, so its tokens stay the same
//   - a step serves every decoding sequence first; the rest of the token budget is shared by the prompts

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/token_id.h"
#include "engine/kv_block_allocator.h"
#include "model/kv_storage.h"
#include "model/model.h"

namespace mimo {

// A sequence as the scheduler sees it. `id` rises with the time of arrival.
struct Sequence {
  uint64_t id = 0;
  std::vector<TokenId> tokens = {};  // prompt and output; the caller appends after a step that sampled

  // Written by the scheduler only.
  bool is_running = false;
  uint32_t num_computed = 0;  // tokens whose keys and values are in the cache
  std::vector<KvBlockId> blocks = {};
  KvRingId ring{0};

  uint32_t num_pending() const { return static_cast<uint32_t>(tokens.size()) - num_computed; }
};

struct SchedulerOptions {
  uint32_t context_max = 0;          // tokens of one sequence that can be computed
  uint32_t sequences_max = 16;       // running at once; one ring each
  uint32_t tokens_per_step_max = 0;  // at least sequences_max, so that no decoding sequence misses a step
  uint32_t num_blocks = 0;           // at least those of one sequence of context_max tokens
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
  // Requires: the minima stated in SchedulerOptions.
  explicit Scheduler(const SchedulerOptions& options);

  // Requires: an id above all earlier ones; 1 to context_max tokens; the sequence outlives its stay here.
  void Enqueue(Sequence* sequence);
  // Takes a sequence out in any state and frees what it holds.
  void Remove(Sequence* sequence);

  // Moves waiting sequences to running while rings and blocks last.
  void AdmitSequences();
  // Chooses the next step: every running sequence has at least one token in it, unless it was just preempted.
  // The blocks for the chosen tokens are allocated. Empty only when nothing runs. Valid until the next call.
  std::span<const ScheduledChunk> NextStep();
  // Records that the step was computed.
  void CommitStep();

  std::span<Sequence* const> running() const { return running_; }
  uint32_t num_waiting() const { return static_cast<uint32_t>(waiting_.size()); }
  uint32_t num_running() const { return static_cast<uint32_t>(running_.size()); }
  uint32_t num_blocks() const { return blocks_.num_blocks(); }
  uint32_t num_blocks_free() const { return blocks_.num_free(); }

 private:
  void GrowOrPreempt();
  void PreemptYoungest();
  void ReleaseMemory(Sequence& sequence);
  void SharePromptBudget(uint32_t budget);

  const SchedulerOptions options_;
  KvBlockAllocator blocks_;
  std::vector<KvRingId> free_rings_;
  // Both in ascending order of ids, and every running id is below every waiting one.
  std::deque<Sequence*> waiting_;
  std::vector<Sequence*> running_;
  std::vector<ScheduledChunk> step_;    // one per running sequence, in the same order
  std::vector<uint32_t> prompt_order_;  // scratch: indices in step_, fewest pending tokens first
};

}  // namespace mimo

#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace mimo {

Scheduler::Scheduler(const SchedulerOptions& options) : options_(options), blocks_(options.num_blocks) {
  MIMO_CHECK(options.sequences_max > 0 && options.tokens_per_step_max >= options.sequences_max);
  MIMO_CHECK(options.context_max > 0 && options.num_blocks >= KvBlocksFor(options.context_max));
  for (uint32_t i = options.sequences_max; i > 0; --i) free_rings_.push_back({i - 1});
  running_.reserve(options.sequences_max);
  step_.reserve(options.sequences_max);
  prompt_order_.reserve(options.sequences_max);
}

void Scheduler::Enqueue(Sequence* sequence) {
  MIMO_CHECK(!sequence->tokens.empty() && sequence->tokens.size() <= options_.context_max);
  MIMO_CHECK(waiting_.empty() || waiting_.back()->id < sequence->id);
  waiting_.push_back(sequence);
}

void Scheduler::Remove(Sequence* sequence) {
  if (sequence->is_running) {
    ReleaseMemory(*sequence);
    std::erase(running_, sequence);
  } else {
    std::erase(waiting_, sequence);
  }
}

void Scheduler::ReleaseMemory(Sequence& sequence) {
  for (const KvBlockId block : sequence.blocks) blocks_.Release(block);
  sequence.blocks.clear();
  free_rings_.push_back(sequence.ring);
  sequence.num_computed = 0;
  sequence.is_running = false;
}

void Scheduler::AdmitSequences() {
  while (!waiting_.empty() && !free_rings_.empty()) {
    Sequence& sequence = *waiting_.front();
    const uint32_t num_needed = KvBlocksFor(static_cast<uint32_t>(sequence.tokens.size()));
    // One spare block per running sequence: otherwise the next one to grow would throw the newcomer out again
    // and its prompt would be computed for nothing.
    if (blocks_.num_free() < num_needed + num_running()) return;
    waiting_.pop_front();
    for (uint32_t i = 0; i < num_needed; ++i) sequence.blocks.push_back(blocks_.Allocate().value());
    sequence.ring = free_rings_.back();
    free_rings_.pop_back();
    sequence.is_running = true;
    running_.push_back(&sequence);
  }
}

void Scheduler::PreemptYoungest() {
  Sequence* youngest = running_.back();
  running_.pop_back();
  ReleaseMemory(*youngest);
  waiting_.push_front(youngest);
}

// Oldest first, so the oldest always makes progress: alone, it has the whole pool, which holds a full
// context.
void Scheduler::GrowOrPreempt() {
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence& sequence = *running_[i];
    const uint32_t num_needed = KvBlocksFor(static_cast<uint32_t>(sequence.tokens.size()));
    while (sequence.is_running && sequence.blocks.size() < num_needed) {
      const Result<KvBlockId> block = blocks_.Allocate();
      if (block) {
        sequence.blocks.push_back(*block);
      } else {
        PreemptYoungest();  // perhaps `sequence` itself, which then is the last of running_
      }
    }
  }
}

std::span<const ScheduledChunk> Scheduler::NextStep() {
  GrowOrPreempt();
  step_.clear();
  for (Sequence* sequence : running_) step_.push_back({.sequence = sequence});
  uint32_t budget = options_.tokens_per_step_max;
  prompt_order_.clear();
  for (uint32_t i = 0; i < step_.size(); ++i) {
    if (step_[i].sequence->num_pending() == 1) {
      step_[i].num_tokens = 1;
      --budget;
    } else {
      prompt_order_.push_back(i);
    }
  }
  SharePromptBudget(budget);
  for (ScheduledChunk& chunk : step_) chunk.samples = chunk.num_tokens == chunk.sequence->num_pending();
  return step_;
}

// Equal shares; what a short prompt leaves over goes to the longer ones.
void Scheduler::SharePromptBudget(uint32_t budget) {
  std::sort(prompt_order_.begin(), prompt_order_.end(), [&](uint32_t a, uint32_t b) {
    const uint32_t pending_a = step_[a].sequence->num_pending();
    const uint32_t pending_b = step_[b].sequence->num_pending();
    return pending_a != pending_b ? pending_a < pending_b : a < b;
  });
  auto num_sharing = static_cast<uint32_t>(prompt_order_.size());
  for (const uint32_t i : prompt_order_) {
    step_[i].num_tokens = std::min(budget / num_sharing, step_[i].sequence->num_pending());
    budget -= step_[i].num_tokens;
    --num_sharing;
  }
}

void Scheduler::CommitStep() {
  for (const ScheduledChunk& chunk : step_) chunk.sequence->num_computed += chunk.num_tokens;
}

}  // namespace mimo

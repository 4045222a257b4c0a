#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace mimo {
namespace {

bool ComesFirst(const Sequence* a, const Sequence* b) { return FairShare::Precedes(*a, *b); }

bool IsDecoding(const Sequence* sequence) { return sequence->num_pending() == 1; }

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, KvMemory* memory)
    : options_(options), memory_(options.sequences_max, options.num_blocks, memory, options.prefix_cache) {
  MIMO_CHECK(options.sequences_max > 0 && options.tokens_per_step_max >= options.sequences_max);
  MIMO_CHECK(options.context_max > 0 && options.num_blocks >= KvBlocksFor(options.context_max));
  running_.reserve(options.sequences_max);
  step_.reserve(options.sequences_max);
  yielding_.reserve(options.sequences_max);
  owner_demands_.reserve(options.sequences_max);
  sequence_demands_.reserve(options.sequences_max);
}

void Scheduler::Enqueue(Sequence* sequence) {
  MIMO_CHECK(!sequence->tokens.empty() && sequence->tokens.size() <= options_.context_max);
  shares_.OnWaiting(*sequence);
  waiting_.push_back(sequence);
}

void Scheduler::Remove(Sequence* sequence) {
  shares_.OnRemoved(*sequence);
  if (sequence->is_running) {
    memory_.Release(*sequence);
    std::erase(running_, sequence);
  } else {
    std::erase(waiting_, sequence);
  }
}

void Scheduler::AdmitSequences() {
  while (!waiting_.empty()) {
    const auto next = std::min_element(waiting_.begin(), waiting_.end(), ComesFirst);
    Sequence& sequence = **next;
    if (!MakeRoom(sequence)) return;
    std::erase(waiting_, &sequence);
    memory_.Admit(sequence);
    shares_.OnRunning(sequence);
    running_.push_back(&sequence);
  }
}

// Preempts as many as it takes to admit `sequence`, and nobody when that is not enough.
bool Scheduler::MakeRoom(const Sequence& sequence) {
  std::sort(running_.begin(), running_.end(), ComesFirst);
  yielding_.clear();
  SequenceMemory::Freed freed;
  const auto fits = [&] {
    // One spare block per running sequence: otherwise the next one to grow would throw the newcomer out again
    // and its prompt would be computed for nothing.
    const auto num_staying = static_cast<uint32_t>(running_.size() - yielding_.size());
    return memory_.Fits(sequence, num_staying, freed);
  };
  for (auto last = running_.rbegin(); last != running_.rend() && !fits(); ++last) {
    Sequence& candidate = **last;
    const auto num_taken = std::count_if(yielding_.begin(), yielding_.end(), [&](const Sequence* other) {
      return other->account == candidate.account;
    });
    if (!FairShare::MustYield(candidate, sequence, static_cast<uint32_t>(num_taken))) continue;
    const SequenceMemory::Freed more = memory_.FreedBy(candidate);
    freed.rings += more.rings;
    freed.blocks += more.blocks;
    yielding_.push_back(&candidate);
  }
  if (!fits()) return false;
  for (Sequence* candidate : yielding_) Preempt(candidate);
  return true;
}

void Scheduler::Preempt(Sequence* sequence) {
  std::erase(running_, sequence);
  memory_.Release(*sequence);
  shares_.OnWaiting(*sequence);
  waiting_.push_back(sequence);
  ++num_preemptions_;
}

// In the order of precedence, so the first always makes progress: alone, it has the whole pool, which holds a
// full context. Nothing is charged for what is computed again, so as long as nobody makes progress the order
// stands still, and the first gets to its next token.
void Scheduler::GrowOrPreempt() {
  std::sort(running_.begin(), running_.end(), ComesFirst);
  for (size_t i = 0; i < running_.size(); ++i) {
    Sequence* sequence = running_[i];
    // The last one is perhaps `sequence` itself.
    while (sequence->is_running && !memory_.Grow(*sequence)) Preempt(running_.back());
  }
}

uint32_t Scheduler::num_decoding() const {
  return static_cast<uint32_t>(std::count_if(running_.begin(), running_.end(), IsDecoding));
}

std::span<const ScheduledChunk> Scheduler::NextStep(uint32_t prompt_tokens_max) {
  GrowOrPreempt();
  step_.clear();
  for (Sequence* sequence : running_) step_.push_back({.sequence = sequence});
  const auto prompts = std::stable_partition(
      step_.begin(), step_.end(), [](const ScheduledChunk& chunk) { return IsDecoding(chunk.sequence); });
  for (auto chunk = step_.begin(); chunk != prompts; ++chunk) chunk->num_tokens = 1;
  const auto num_decoding = static_cast<uint32_t>(prompts - step_.begin());
  uint32_t budget = options_.tokens_per_step_max - num_decoding;
  // A token each is always there, so that no prompt stands still beside shorter ones.
  const auto num_prompts = static_cast<uint32_t>(step_.end() - prompts);
  if (num_decoding > 0) {
    budget = prompt_tokens_max == 0 ? 0 : std::min(budget, std::max(num_prompts, prompt_tokens_max));
  }
  SharePromptBudget(prompts, budget);
  std::erase_if(step_, [](const ScheduledChunk& chunk) { return chunk.num_tokens == 0; });
  for (ScheduledChunk& chunk : step_) chunk.samples = chunk.num_tokens == chunk.sequence->num_pending();
  return step_;
}

// The chunks from `begin` on are of prompts. The higher priority takes what it can use.
void Scheduler::SharePromptBudget(ChunkIterator begin, uint32_t budget) {
  // Sequences of one owner stand together, in their order of arrival.
  std::sort(begin, step_.end(), [](const ScheduledChunk& a, const ScheduledChunk& b) {
    const Sequence& first = *a.sequence;
    const Sequence& second = *b.sequence;
    return std::tie(second.priority, first.owner, first.id) <
           std::tie(first.priority, second.owner, second.id);
  });
  while (begin != step_.end() && budget > 0) {
    const int32_t priority = begin->sequence->priority;
    const auto end = std::find_if(begin, step_.end(), [priority](const ScheduledChunk& chunk) {
      return chunk.sequence->priority != priority;
    });
    budget -= ShareBetweenOwners(begin, end, budget);
    begin = end;
  }
}

// Shares `budget` between the owners of [begin, end), which are of one priority. Returns what was given.
uint32_t Scheduler::ShareBetweenOwners(ChunkIterator begin, ChunkIterator end, uint32_t budget) {
  owner_demands_.clear();
  const OwnerAccount* last = nullptr;
  for (auto chunk = begin; chunk != end; ++chunk) {
    if (chunk->sequence->account != last) {
      last = chunk->sequence->account;
      owner_demands_.push_back({.index = static_cast<size_t>(chunk - step_.begin())});
    }
    owner_demands_.back().wanted += chunk->sequence->num_pending_in_chunk();
  }
  ShareEqually(owner_demands_, budget);
  uint32_t given = 0;
  for (const Demand& owner : owner_demands_) {
    const auto first = step_.begin() + static_cast<ptrdiff_t>(owner.index);
    const auto owner_end = std::find_if(first, end, [&](const ScheduledChunk& chunk) {
      return chunk.sequence->account != first->sequence->account;
    });
    given += ShareWithinOwner(first, owner_end, owner.given);
  }
  return given;
}

uint32_t Scheduler::ShareWithinOwner(ChunkIterator begin, ChunkIterator end, uint32_t budget) {
  sequence_demands_.clear();
  for (auto chunk = begin; chunk != end; ++chunk) {
    sequence_demands_.push_back(
        {.index = static_cast<size_t>(chunk - begin), .wanted = chunk->sequence->num_pending_in_chunk()});
  }
  ShareEqually(sequence_demands_, budget);
  uint32_t given = 0;
  for (const Demand& demand : sequence_demands_) {
    begin[static_cast<ptrdiff_t>(demand.index)].num_tokens = demand.given;
    given += demand.given;
  }
  return given;
}

// Equal shares; what a small demand leaves over goes to the larger ones. A remainder goes to the small ones,
// which then are out of the way.
void Scheduler::ShareEqually(std::vector<Demand>& demands, uint32_t budget) {
  std::sort(demands.begin(), demands.end(), [](const Demand& a, const Demand& b) {
    return std::tie(a.wanted, a.index) < std::tie(b.wanted, b.index);
  });
  auto num_sharing = static_cast<uint32_t>(demands.size());
  for (Demand& demand : demands) {
    demand.given = std::min((budget + num_sharing - 1) / num_sharing, demand.wanted);
    budget -= demand.given;
    --num_sharing;
  }
}

void Scheduler::CommitStep() {
  for (const ScheduledChunk& chunk : step_) {
    shares_.OnComputed(*chunk.sequence, chunk.num_tokens);
    chunk.sequence->num_computed += chunk.num_tokens;
    memory_.OnComputed(*chunk.sequence);
  }
}

}  // namespace mimo

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/token_id.h"
#include "engine/prefix_key.h"
#include "engine/prefix_start.h"
#include "model/kv_storage.h"

namespace mimo {

struct OwnerAccount;

// A request as the scheduler sees it. `id` rises with the time of arrival.
struct Sequence {
  uint64_t id = 0;
  std::vector<TokenId> tokens = {};  // prompt and output; the caller appends after a step that sampled
  PrefixKey cache_salt = {};         // texts of different salts share nothing in the prefix cache
  std::string owner = {};            // who is served: fair shares are between owners
  int32_t priority = 0;              // higher ones go first

  // Written by the scheduler's parts only. SequenceMemory:
  bool is_running = false;
  uint32_t num_computed = 0;  // tokens whose keys and values are there, and whose windows the ring has
  std::vector<KvBlockId> blocks = {};
  KvRingId ring{0};
  PrefixStart start = {};   // where this run of it began
  uint32_t branch_end = 0;  // tokens after which the cache wants its window; 0: nowhere in particular
  uint32_t num_stored = 0;  // tokens when the cache last took its state
  bool has_stored_prompt = false;
  // FairShare:
  OwnerAccount* account = nullptr;
  uint32_t num_charged = 0;    // tokens the owner was charged for; what is computed again costs nothing
  uint32_t num_committed = 0;  // tokens of the prompt that were admitted and are not charged yet

  uint32_t num_tokens() const { return static_cast<uint32_t>(tokens.size()); }
  uint32_t num_pending() const { return num_tokens() - num_computed; }
  // Those that a chunk may have: it must end at branch_end for the window to be there.
  uint32_t num_pending_in_chunk() const {
    return branch_end > num_computed ? branch_end - num_computed : num_pending();
  }
};

}  // namespace mimo

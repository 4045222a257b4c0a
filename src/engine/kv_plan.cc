#include "engine/kv_plan.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace mimo {
namespace {

constexpr uint64_t kMemoryShareDivisor = 4;

// Windows for the prefix cache, of what the rings leave. A turn of an agent brings some hundred tokens and
// two windows, of which the last one of its conversation is what the next turn needs; the keys of all the
// tokens are needed as well.
constexpr uint64_t kSnapshotShareDivisor = 4;

}  // namespace

Result<KvPlan> PlanKvMemory(const ModelConfig& config, const EngineOptions& options,
                            uint64_t memory_bytes_available) {
  const uint32_t model_max = config.max_position_embeddings;
  if (options.context_max > model_max) {
    return InvalidArgument("a context of {} tokens exceeds the model's maximum of {}", options.context_max,
                           model_max);
  }
  const bool is_limited = options.kv_memory_bytes_max != 0;
  const uint64_t budget =
      is_limited ? options.kv_memory_bytes_max : memory_bytes_available / kMemoryShareDivisor;
  const uint64_t ring_bytes = options.sequences_max * KvStorage::BytesPerRing(config, options.kv_type);
  const uint64_t block_bytes = kKvBlockTokens * KvStorage::BytesPerToken(config, options.kv_type);

  const uint64_t rest = budget - std::min(budget, ring_bytes);
  const bool is_caching = options.prefix_cache.is_enabled;
  const uint64_t snapshot_share = is_caching ? rest / kSnapshotShareDivisor : 0;

  // All sequences at their longest never use more than this; a cache finds a use for any number.
  const uint64_t blocks_useful = uint64_t{options.sequences_max} * KvBlocksFor(model_max);
  uint64_t blocks_fit = rest > 0 ? blocks_useful : 0;
  uint64_t blocks_beside_snapshots = blocks_fit;
  if (block_bytes > 0) {
    blocks_fit = rest / block_bytes;
    blocks_beside_snapshots = (rest - snapshot_share) / block_bytes;
    if (!is_caching) blocks_beside_snapshots = std::min(blocks_beside_snapshots, blocks_useful);
  }
  const uint64_t blocks_wanted = KvBlocksFor(std::max(options.context_max, 1U));
  if (is_limited && blocks_fit < blocks_wanted) {
    return ResourceExhausted("a KV memory of {} bytes is too small for a context of {} tokens: {} are needed",
                             budget, std::max(options.context_max, 1U),
                             ring_bytes + blocks_wanted * block_bytes);
  }
  // Without a stated limit the quarter is a guess, and a wrong one must not keep a small machine from
  // starting.
  uint64_t num_blocks = std::max(blocks_beside_snapshots, blocks_wanted);
  KvPlan plan;
  plan.context_max = options.context_max;
  if (plan.context_max == 0) {
    plan.context_max = static_cast<uint32_t>(std::min<uint64_t>(model_max, num_blocks * kKvBlockTokens));
  }
  if (!is_caching) {
    num_blocks = std::min(num_blocks, uint64_t{options.sequences_max} * KvBlocksFor(plan.context_max));
  }
  plan.num_blocks =
      static_cast<uint32_t>(std::min<uint64_t>(num_blocks, std::numeric_limits<uint32_t>::max()));
  plan.snapshot_bytes_max = snapshot_share;
  // The context was asked for by name, a number of windows was not.
  if (is_limited) plan.snapshot_bytes_max = std::min(snapshot_share, rest - num_blocks * block_bytes);
  return plan;
}

uint64_t MemoryBytesAvailable() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  uint64_t kilobytes = 0;
  std::string unit;
  while (file >> key >> kilobytes) {
    std::getline(file, unit);
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  // Kernels before 3.14, and other systems: the free pages alone.
  return static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace mimo

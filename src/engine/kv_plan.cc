#include "engine/kv_plan.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace mimo {
namespace {

constexpr uint64_t kMemoryShareDivisor = 4;

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

  // All sequences at their longest never use more than this.
  const uint64_t blocks_useful = uint64_t{options.sequences_max} * KvBlocksFor(model_max);
  uint64_t blocks_fit = budget > ring_bytes ? blocks_useful : 0;
  if (block_bytes > 0 && budget > ring_bytes) {
    blocks_fit = std::min(blocks_useful, (budget - ring_bytes) / block_bytes);
  }
  const uint64_t blocks_wanted = KvBlocksFor(std::max(options.context_max, 1U));
  if (is_limited && blocks_fit < blocks_wanted) {
    return ResourceExhausted("a KV memory of {} bytes is too small for a context of {} tokens: {} are needed",
                             budget, std::max(options.context_max, 1U),
                             ring_bytes + blocks_wanted * block_bytes);
  }
  // Without a stated limit the quarter is a guess, and a wrong one must not keep a small machine from
  // starting.
  uint64_t num_blocks = std::max(blocks_fit, blocks_wanted);
  KvPlan plan;
  plan.context_max = options.context_max;
  if (plan.context_max == 0) {
    plan.context_max = static_cast<uint32_t>(std::min<uint64_t>(model_max, num_blocks * kKvBlockTokens));
  }
  num_blocks = std::min(num_blocks, uint64_t{options.sequences_max} * KvBlocksFor(plan.context_max));
  plan.num_blocks =
      static_cast<uint32_t>(std::min<uint64_t>(num_blocks, std::numeric_limits<uint32_t>::max()));
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

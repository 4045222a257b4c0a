#pragma once
// What `mimo inspect` prints.

#include <cstdint>
#include <string>

#include "apps/commands/machine_memory.h"
#include "base/json.h"
#include "weights/checkpoint.h"
#include "weights/inspect.h"

namespace mimo {

struct InspectReport {
  const Checkpoint* checkpoint = nullptr;
  CheckpointSummary summary;
  uint32_t context = 0;                // tokens
  uint64_t kv_bytes_per_token = 0;     // of full-attention layers
  uint64_t kv_bytes_per_sequence = 0;  // of sliding-window layers, at any length
  MachineMemory memory;

  uint64_t kv_bytes() const { return kv_bytes_per_token * context + kv_bytes_per_sequence; }
  uint64_t weight_bytes() const { return summary.trunk_bytes + summary.mtp_bytes; }
  bool weights_fit() const { return weight_bytes() <= memory.available_bytes; }
  bool all_fits() const { return weight_bytes() + kv_bytes() <= memory.available_bytes; }
  // Longest sequence whose KV cache fits beside the weights, at most the model's own limit.
  uint64_t context_that_fits() const;
};

Json ReportJson(const InspectReport& report);
std::string ReportText(const InspectReport& report);

}  // namespace mimo

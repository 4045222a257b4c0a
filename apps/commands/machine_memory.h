#pragma once

#include <cstdint>

namespace mimo {

struct MachineMemory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // for new programs, without swapping
};

// From /proc/meminfo; zeros where there is none.
MachineMemory ReadMachineMemory();

// What a model's weights may take when they are rearranged in memory (ModelOptions::packed_bytes_max): nine
// tenths of what is available, all where that is unknown.
uint64_t PackedBytesMax();

}  // namespace mimo

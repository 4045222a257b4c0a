#pragma once

#include <cstdint>

namespace mimo {

struct MachineMemory {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // for new programs, without swapping
};

// From /proc/meminfo; zeros where there is none.
MachineMemory ReadMachineMemory();

}  // namespace mimo

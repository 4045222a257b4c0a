#include "apps/commands/machine_memory.h"

#include <fstream>
#include <string>

namespace mimo {

MachineMemory ReadMachineMemory() {
  MachineMemory memory;
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::string rest;
  uint64_t kibibytes = 0;
  while (file >> key >> kibibytes && std::getline(file, rest)) {
    if (key == "MemTotal:") memory.total_bytes = kibibytes * 1024;
    if (key == "MemAvailable:") memory.available_bytes = kibibytes * 1024;
  }
  return memory;
}

uint64_t PackedBytesMax() {
  const uint64_t available = ReadMachineMemory().available_bytes;
  return available == 0 ? UINT64_MAX : available / 10 * 9;
}

}  // namespace mimo

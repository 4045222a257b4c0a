#pragma once
// The model that is part of the program.

#include <cstddef>
#include <span>

namespace mimo {

// How messages and the API call it.
constexpr const char* kDefaultModelName = "mimo-home";

// Its GGUF file, in the program's read-only data from a page boundary on; empty when the program was built
// without one (CMake's MIMO_DEFAULT_MODEL).
std::span<const std::byte> DefaultModelFile();

}  // namespace mimo

#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace mimo {

// "65536", "512M", "16G", "1.5T", "100 MiB", "2GB": K, M, G and T are powers of 1024, as memory is sold; with
// a B and no i as well. kInvalidArgument for anything else.
Result<uint64_t> ParseByteSize(const std::string& text);

// For CLI11's `check`: what is wrong, or empty.
std::string CheckByteSize(const std::string& text);

// "1.5 GiB".
std::string ByteSizeText(uint64_t bytes);

}  // namespace mimo

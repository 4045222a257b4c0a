#pragma once
// stdin and stdout as bytes.

#include <string>
#include <string_view>

#include "base/status.h"

namespace mimo {

// Everything up to the end of stdin. kResourceExhausted above 1 GiB.
Result<std::string> ReadStdin();

// Writes and flushes, so that a reader sees each piece as it comes. kUnavailable when stdout is closed.
Status WriteStdout(std::string_view text);

}  // namespace mimo

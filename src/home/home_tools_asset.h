#pragma once

#include <string_view>

namespace mimo {

// assets/home_tools.json, as it is on disk; part of the program's read-only data.
std::string_view HomeToolsAsset();

}  // namespace mimo

#pragma once

#include <string>

#include "engine/engine.h"

namespace mimo {

struct StatusPageFacts {
  std::string model;  // empty while it loads
  std::string state;  // "ready", "loading the model", ...
  uint32_t context_max = 0;
  Engine::Load load;
};

// The page at GET /: what runs here and one line to try it. Complete in itself, fetches nothing.
std::string StatusPage(const StatusPageFacts& facts);

}  // namespace mimo

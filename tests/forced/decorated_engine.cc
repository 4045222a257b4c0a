#include "apps/commands/decorated_engine.h"

#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "tests/forced/forced_engine.h"

namespace mimo {

std::unique_ptr<Engine> DecoratedEngine(std::unique_ptr<Engine> engine, const Tokenizer& tokenizer) {
  const char* path = std::getenv("MIMO_FORCED_TEXTS");
  if (path == nullptr) return engine;
  LogWarning("a test program: replies follow the script {}", path);
  return std::make_unique<ForcedEngine>(std::move(engine), tokenizer, path);
}

}  // namespace mimo

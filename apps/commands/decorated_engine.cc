#include "apps/commands/decorated_engine.h"

#include <utility>

namespace mimo {

std::unique_ptr<Engine> DecoratedEngine(std::unique_ptr<Engine> engine, const Tokenizer& /*tokenizer*/) {
  return engine;
}

}  // namespace mimo

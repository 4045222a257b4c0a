#pragma once
// What stands between the server and the engine: in the program nothing. A test program links another
// definition in its place (tests/forced/).

#include <memory>

#include "engine/engine.h"

namespace mimo {

// `tokenizer` must outlive the result.
std::unique_ptr<Engine> DecoratedEngine(std::unique_ptr<Engine> engine, const Tokenizer& tokenizer);

}  // namespace mimo

#pragma once
// The flags of the commands that make conversations.

#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/generator.h"

namespace CLI {
class App;
}

namespace mimo {

struct GeneratorFlags {
  GeneratorOptions options;
  std::string part = "training";       // or "held-out"
  std::vector<std::string> languages;  // "en=0.6"; none: the generator's default
};

void AddGeneratorFlags(CLI::App& command, GeneratorFlags* flags);

// What the flags say.
GeneratorOptions ResolveGeneratorOptions(const GeneratorFlags& flags);

// A generator as a function that gives its next conversation; the function owns it.
Result<std::function<Conversation()>> OpenGenerator(const GeneratorFlags& flags);

}  // namespace mimo

#pragma once
// The flags of every command that loads a model.

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "model/kv_storage.h"
#include "weights/model_config.h"

namespace CLI {
class App;
}

namespace mimo {

struct ModelFlags {
  std::string model;     // Hugging Face folder or .gguf file
  std::string config;    // TOML file with defaults for flags
  uint32_t threads = 0;  // 0 = one per core
  uint32_t context = 0;  // 0 = the command's own default
  std::string kv_type = "bf16";
  std::string memory;
  std::string cache_dir;  // of the prefix cache on disk; empty = none
  std::string cache_disk = "16G";
  std::string prefix_cache = "on";
  std::string cache_memory;  // for keys and values; empty = a share of the free memory
  std::string draft = "auto";
  std::string device = "cpu";
  std::vector<std::string> overrides;  // KEY=VALUE
};

// `flags` must live until the command has run.
void AddModelFlags(CLI::App& command, ModelFlags* flags);

// Splits "key=value"; for CLI11's `check`, an empty string means well-formed.
std::string CheckKeyValue(const std::string& text);
ConfigOverride SplitKeyValue(const std::string& text);

// kUnimplemented for each flag with a value that asks for what this version does not have: none is ignored.
Status CheckModelFlags(const ModelFlags& flags);

KvType KvTypeOf(const ModelFlags& flags);

}  // namespace mimo

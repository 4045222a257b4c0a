#include "apps/commands/model_flags.h"

#include <CLI/CLI.hpp>

#include "apps/commands/byte_size.h"
#include "apps/commands/config_file.h"

namespace mimo {

std::string CheckKeyValue(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals > 0) return {};
  return "'" + text + "' is not of the form KEY=VALUE";
}

ConfigOverride SplitKeyValue(const std::string& text) {
  const size_t equals = text.find('=');
  return {text.substr(0, equals), text.substr(equals + 1)};
}

void AddModelFlags(CLI::App& command, ModelFlags* flags) {
  const auto add = [&command](const std::string& name, auto& value, const std::string& help) {
    return command.add_option(name, value, help)->group(kModelGroup);
  };
  add("--model,-m", flags->model, "Hugging Face folder or .gguf file (first shard of a split one)");
  add("--threads,-t", flags->threads, "threads of the forward pass; 0: one per core")
      ->check(CLI::Range(0, 4096));
  add("--context", flags->context, "longest sequence in tokens; 0: what the command needs")
      ->check(CLI::Range(0, 1 << 24));
  add("--kv-type", flags->kv_type, "number format of the KV cache: f32, bf16, q8_0, q4_0")
      ->check(CLI::IsMember({"f32", "bf16", "q8_0", "q4_0"}));
  add("--memory", flags->memory, "limit on resident memory (not in this version)");
  add("--cache-dir", flags->cache_dir, "folder of the prefix cache on disk; without it there is none");
  add("--cache-disk", flags->cache_disk, "what the prefix cache may take on disk")
      ->check(CheckByteSize)
      ->capture_default_str();
  add("--prefix-cache", flags->prefix_cache, "on, or off: every prompt is computed whole")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  add("--cache-memory", flags->cache_memory,
      "memory for keys and values, of running requests and the prefix cache together; default: a share of "
      "what is free")
      ->check(CheckByteSize);
  add("--draft", flags->draft, "multi-token prediction: auto, off, or a number (not in this version)");
  add("--device", flags->device, "cpu (cuda:0: not in this version)");
  add("--override", flags->overrides, "KEY=VALUE: replaces a key of config.json at load; repeatable")
      ->check(CheckKeyValue)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_option("--config", flags->config, "TOML file with defaults for these flags")
      ->envname("MIMO_CONFIG");
}

namespace {

tl::unexpected<Error> NotYet(std::string_view flag, std::string_view value, std::string_view advice) {
  return Unimplemented("'{}' is not implemented in this version ({}): {}", value, flag, advice);
}

}  // namespace

Status CheckModelFlags(const ModelFlags& flags) {
  if (!flags.memory.empty()) return NotYet("--memory", flags.memory, "leave it out");
  if (flags.draft != "auto" && flags.draft != "off" && flags.draft != "0")
    return NotYet("--draft", flags.draft, "use off");
  if (flags.device != "cpu") return NotYet("--device", flags.device, "use cpu");
  return {};
}

KvType KvTypeOf(const ModelFlags& flags) {
  for (const KvType type : {KvType::kF32, KvType::kQ80, KvType::kQ40}) {
    if (flags.kv_type == WeightTypeName(WeightTypeOf(type))) return type;
  }
  return KvType::kBf16;
}

}  // namespace mimo

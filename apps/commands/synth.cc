// `mimo synth`.

#include "weights/synth.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/gguf_tokenizer.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "base/json.h"
#include "base/log.h"
#include "text/builtin_vocabulary.h"

namespace mimo {
namespace {

const std::map<std::string, SynthType> kTypes = {
    {"bf16", SynthType::kBf16}, {"f16", SynthType::kF16},     {"f32", SynthType::kF32},
    {"fp8", SynthType::kFp8},   {"mxfp4", SynthType::kMxFp4}, {"q8_0", SynthType::kQ80},
};

struct SynthFlags {
  SynthOptions options;
  std::vector<std::string> overrides;
  std::string out;
};

// Both forms of the built-in vocabulary, cut to the model's. A model too small for it gets no tokenizer.
Result<TokenizerSource> MakeTokenizerSource(uint32_t vocab_size) {
  TokenizerSource source;
  MIMO_ASSIGN_OR_RETURN(const TokenizerData builtin, BuiltinMimoVocabulary());
  Result<TokenizerData> cut = TruncateVocabulary(builtin, vocab_size);
  if (!cut) {
    LogWarning("no tokenizer is written: {}", cut.error().message);
    return source;
  }
  source.tokenizer_json = TokenizerJson(*cut);
  source.tokenizer_config_json =
      DumpJson(
          {{"tokenizer_class", "Qwen2Tokenizer"}, {"eos_token", "<|im_end|>"}, {"add_bos_token", false}}) +
      "\n";
  MIMO_RETURN_IF_ERROR(SetGgufTokenizer(*cut, &source));
  return source;
}

// The end token keeps its meaning when the vocabulary is cut.
void FollowEndToken(const TokenizerSource& source, SynthOptions* options) {
  for (const auto& [key, value] : options->overrides) {
    if (key == "eos_token_id") return;
  }
  for (size_t id = 0; id < source.tokens.size(); ++id) {
    if (source.tokens[id] == "<|im_end|>")
      options->overrides.emplace_back("eos_token_id", fmt::format("{}", id));
  }
}

Status Synth(const SynthFlags& flags) {
  CatchInterrupts();
  SynthOptions options = flags.options;
  options.cancelled = &Interrupted();
  for (const std::string& text : flags.overrides) options.overrides.push_back(SplitKeyValue(text));
  MIMO_ASSIGN_OR_RETURN(const uint32_t vocab_size, SynthVocabSize(options));
  MIMO_ASSIGN_OR_RETURN(options.tokenizer, MakeTokenizerSource(vocab_size));
  FollowEndToken(options.tokenizer, &options);
  const auto start = std::chrono::steady_clock::now();
  MIMO_ASSIGN_OR_RETURN(const SynthSummary summary, WriteSynthCheckpoint(flags.out, options));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  LogInfo("{}: {:.3f} billion parameters, {:.3f} GB in {} files, {:.1f} s, {:.2f} GB/s", flags.out,
          static_cast<double>(summary.parameters) / 1e9, static_cast<double>(summary.bytes) / 1e9,
          summary.files, seconds, static_cast<double>(summary.bytes) / 1e9 / seconds);
  return {};
}

}  // namespace

void AddSynthCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<SynthFlags>();
  CLI::App* command =
      program.add_subcommand("synth", "writes a checkpoint of random weights with a released geometry");
  command->add_option("--like", flags->options.like, "flash, v2.5, v2.5-pro, v2.6-flash or v2.6-pro")
      ->required()
      ->check(CLI::IsMember({"flash", "v2.5", "v2.5-pro", "v2.6-flash", "v2.6-pro"}));
  command->add_option("--set", flags->overrides, "key=value of config.json; repeatable")
      ->check(CheckKeyValue)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--type", flags->options.type,
                   "folder: bf16, f32, fp8, mxfp4 (default: as released); .gguf: bf16, f16, f32, q8_0")
      ->transform(CLI::CheckedTransformer(kTypes, CLI::ignore_case));
  command->add_option("--seed", flags->options.seed, "same seed, same bytes")->capture_default_str();
  command->add_option("--threads,-t", flags->options.num_threads, "0: one per core")
      ->check(CLI::Range(0, 4096));
  command->add_option("OUT", flags->out, "folder, or file that ends in .gguf")->required();
  command->callback([flags, action] { *action = [flags] { return Synth(*flags); }; });
}

}  // namespace mimo

// `mimo quantize`.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/commands/command.h"
#include "apps/commands/gguf_tokenizer.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "base/log.h"
#include "weights/importance_matrix.h"
#include "weights/quantize_row.h"
#include "weights/requantize.h"

namespace mimo {
namespace {

struct QuantizeFlags {
  std::string in;
  std::string out;
  std::string type;
  std::vector<std::string> rules;
  double bits_per_weight = 0;
  std::string importance_matrix;
  uint32_t threads = 0;
};

Result<StoredType> ParseType(std::string_view flag, const std::string& name) {
  if (const std::optional<StoredType> type = QuantizedTypeFromName(name)) return *type;
  return Unimplemented("type '{}' is not in this version ({}): use one of {}", name, flag,
                       QuantizedTypeNames());
}

Result<TypeRule> ParseRule(const std::string& text) {
  const size_t equals = text.rfind('=');
  MIMO_ASSIGN_OR_RETURN(const StoredType type, ParseType("--set-type", text.substr(equals + 1)));
  return TypeRule{text.substr(0, equals), type};
}

std::string CheckOut(const std::string& out) {
  if (out.ends_with(".gguf")) return {};
  return "must end in .gguf, not '" + out + "'";
}

// The name of the folder or file.
std::string NameOf(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  const std::filesystem::path last = normal.has_filename() ? normal : normal.parent_path();
  return last.extension() == ".gguf" ? last.stem().string() : last.filename().string();
}

Result<TokenizerSource> ConvertTokenizer(const Checkpoint& checkpoint) {
  TokenizerSource source = checkpoint.tokenizer();
  if (!source.tokenizer_json.empty()) {
    MIMO_ASSIGN_OR_RETURN(const TokenizerData data, ParseTokenizerJson(source.tokenizer_json));
    MIMO_RETURN_IF_ERROR(SetGgufTokenizer(data, &source));
  }
  if (source.tokens.empty()) LogWarning("the checkpoint has no tokenizer, so the output has none");
  return source;
}

// The table of --bpw, on stderr as everything that is not data.
void PrintChoices(const std::vector<TypeChoice>& choices) {
  if (choices.empty()) return;
  size_t width = 6;
  for (const TypeChoice& choice : choices) width = std::max(width, choice.name.size());
  fmt::print(stderr, "{:{}}  {:8} {:>8} {:>15} {:>8}\n", "tensor", width, "type", "bits", "bytes", "error");
  for (const TypeChoice& choice : choices) {
    const double bits = 8 * static_cast<double>(choice.bytes) / static_cast<double>(choice.parameters);
    fmt::print(stderr, "{:{}}  {:8} {:8.3f} {:15} {:8.5f}\n", choice.name, width,
               QuantizedTypeName(choice.type), bits, choice.bytes, choice.error);
  }
}

Status Quantize(const QuantizeFlags& flags) {
  RequantizeOptions options;
  if (!flags.type.empty()) {
    MIMO_ASSIGN_OR_RETURN(options.type, ParseType("--type", flags.type));
  }
  options.bits_per_weight = flags.bits_per_weight;
  for (const std::string& text : flags.rules) {
    MIMO_ASSIGN_OR_RETURN(TypeRule rule, ParseRule(text));
    options.rules.push_back(std::move(rule));
  }
  CatchInterrupts();
  options.cancelled = &Interrupted();
  options.num_threads = flags.threads;
  options.name = NameOf(flags.in);
  CheckpointOptions checkpoint_options;
  checkpoint_options.populate = false;  // each weight is read once
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(flags.in, checkpoint_options));
  MIMO_ASSIGN_OR_RETURN(options.tokenizer, ConvertTokenizer(checkpoint));
  ImportanceMatrix importance;
  if (!flags.importance_matrix.empty()) {
    MIMO_ASSIGN_OR_RETURN(importance, ReadImportanceMatrix(flags.importance_matrix));
    options.importance = &importance;
    options.importance_name = std::filesystem::path(flags.importance_matrix).filename().string();
  }
  const auto start = std::chrono::steady_clock::now();
  MIMO_ASSIGN_OR_RETURN(const RequantizeSummary summary, Requantize(checkpoint, flags.out, options));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  PrintChoices(summary.choices);
  const auto bytes = static_cast<double>(summary.bytes);
  LogInfo("{}: {:.4f} billion parameters, {:.4f} GB, {:.2f} bits per weight, {:.1f} s", flags.out,
          static_cast<double>(summary.parameters) / 1e9, bytes / 1e9,
          8 * bytes / static_cast<double>(summary.parameters), seconds);
  return {};
}

}  // namespace

void AddQuantizeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* command =
      program.add_subcommand("quantize", "writes a checkpoint as GGUF with other weight types");
  command->add_option("IN", flags->in, "Hugging Face folder or .gguf file")->required();
  command->add_option("OUT", flags->out, "file that ends in .gguf")->required()->check(CheckOut);
  command->add_option("--type", flags->type, "of the matrices: " + QuantizedTypeNames());
  command
      ->add_option(
          "--set-type", flags->rules,
          "PATTERN=TYPE: another type where the regular expression PATTERN occurs in a tensor's GGUF "
          "name; repeatable, the last match counts")
      ->check(CheckKeyValue)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option(
          "--bpw", flags->bits_per_weight,
          "chooses the types instead of --type, by measured error, for at most so many bits per weight")
      ->check(CLI::Range(1.0, 32.0));
  command->add_option("--imatrix", flags->importance_matrix,
                      "importance matrix of 'mimo imatrix' or llama.cpp: which columns matter");
  command->add_option("--threads,-t", flags->threads, "0: one per core")->check(CLI::Range(0, 4096));
  command->callback([flags, action] {
    if (flags->type.empty() && flags->bits_per_weight == 0) throw CLI::RequiredError("--type or --bpw");
    *action = [flags] { return Quantize(*flags); };
  });
}

}  // namespace mimo

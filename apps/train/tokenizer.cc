// `mimo-train tokenizer`.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "apps/commands/interrupt.h"
#include "apps/train/builder_progress.h"
#include "apps/train/generator_flags.h"
#include "apps/train/train_command.h"
#include "data/chat_template_asset.h"
#include "data/tokenizer_recipe.h"
#include "text/builtin_vocabulary.h"
#include "weights/output_file.h"

namespace mimo {
namespace {

constexpr uint64_t kBytesPerMegabyte = 1'000'000;

struct TokenizerFlags {
  GeneratorFlags generator;
  uint32_t vocab_size = 4096;
  uint64_t megabytes = 20;
  std::string out;
};

Status MakeTokenizer(const TokenizerFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const std::function<Conversation()> next, OpenGenerator(flags.generator));
  const TokenizerBuilderOptions options{.vocab_size = flags.vocab_size,
                                        .text_bytes = flags.megabytes * kBytesPerMegabyte};
  BuilderBar bar("tokenizer", options.text_bytes);
  MIMO_ASSIGN_OR_RETURN(const TokenizerData data, BuildTokenizer(next, options, bar.Callback()));
  MIMO_RETURN_IF_ERROR(WriteTextFile(flags.out, TokenizerJson(data)));
  const std::filesystem::path folder = std::filesystem::path(flags.out).parent_path();
  return WriteTextFile((folder / "chat_template.jinja").string(), HomeChatTemplate());
}

}  // namespace

void AddTokenizerCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<TokenizerFlags>();
  CLI::App* command = program.add_subcommand("tokenizer", "learns a vocabulary from generated conversations");
  AddGeneratorFlags(*command, &flags->generator);
  command->add_option("--vocab-size", flags->vocab_size, "tokens, with bytes and added tokens")
      ->check(CLI::Range(256, 1 << 20))
      ->capture_default_str();
  command->add_option("--megabytes", flags->megabytes, "text to learn from")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("OUT", flags->out, "tokenizer.json; chat_template.jinja goes beside it")->required();
  command->callback([flags, action] { *action = [flags] { return MakeTokenizer(*flags); }; });
}

}  // namespace mimo

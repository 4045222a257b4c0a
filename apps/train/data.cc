// `mimo-train data`.

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands/interrupt.h"
#include "apps/commands/standard_streams.h"
#include "apps/train/builder_progress.h"
#include "apps/train/generator_flags.h"
#include "apps/train/train_command.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "data/dataset_builder.h"

namespace mimo {
namespace {

struct DataFlags {
  GeneratorFlags generator;
  DatasetLimits limits;
  uint64_t num_printed = 0;
  bool is_rendered = false;
  std::string tokenizer;
  std::string out;
};

Status PrintConversations(const std::function<Conversation()>& next, const DataFlags& flags) {
  for (uint64_t i = 0; i < flags.num_printed && !Interrupted(); ++i) {
    if (!flags.is_rendered) {
      MIMO_RETURN_IF_ERROR(WriteStdout(ConversationText(next()) + "\n"));
      continue;
    }
    MIMO_ASSIGN_OR_RETURN(const std::string text, ConversationPrompt(next()));
    MIMO_RETURN_IF_ERROR(WriteStdout(text));
  }
  return {};
}

Result<Tokenizer> OpenTokenizer(const std::string& path) {
  MIMO_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(path));
  MIMO_ASSIGN_OR_RETURN(TokenizerData data, ParseTokenizerJson(json));
  return Tokenizer::Create(std::move(data));
}

Status MakeData(const DataFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const std::function<Conversation()> next, OpenGenerator(flags.generator));
  if (flags.num_printed > 0) return PrintConversations(next, flags);
  MIMO_ASSIGN_OR_RETURN(const Tokenizer tokenizer, OpenTokenizer(flags.tokenizer));
  BuilderBar bar("data",
                 flags.limits.num_tokens != 0 ? flags.limits.num_tokens : flags.limits.num_conversations);
  MIMO_ASSIGN_OR_RETURN(const DatasetInfo info,
                        BuildDataset(next, flags.limits, tokenizer, flags.out, bar.Callback()));
  return WriteStdout(DumpJson({{"path", flags.out},
                               {"vocab_size", info.vocab_size},
                               {"conversations", info.num_conversations},
                               {"tokens", info.num_tokens},
                               {"targets", info.num_targets},
                               {"content_hash", info.content_hash}}) +
                     "\n");
}

}  // namespace

void AddDataCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<DataFlags>();
  CLI::App* command = program.add_subcommand("data", "writes a dataset of generated conversations");
  AddGeneratorFlags(*command, &flags->generator);
  CLI::Option* tokenizer =
      command->add_option("--tokenizer", flags->tokenizer, "tokenizer.json")->check(CLI::ExistingFile);
  CLI::Option_group* amount = command->add_option_group("amount");
  amount->add_option("--tokens", flags->limits.num_tokens, "ends behind so many")->check(CLI::PositiveNumber);
  amount->add_option("--conversations", flags->limits.num_conversations, "ends behind so many")
      ->check(CLI::PositiveNumber);
  CLI::Option* print =
      amount->add_option("--print", flags->num_printed, "shows so many as text on stdout, and writes no file")
          ->check(CLI::PositiveNumber);
  command
      ->add_flag("--rendered", flags->is_rendered,
                 "with --print: in the chat template's form, as 'mimo perplexity --special' reads it")
      ->needs(print);
  amount->require_option(1);
  CLI::Option* out = command->add_option("OUT", flags->out, "file");
  tokenizer->excludes(print);
  out->excludes(print);
  command->callback([flags, print, action] {
    if (print->count() == 0 && flags->out.empty()) throw CLI::RequiredError("OUT");
    if (print->count() == 0 && flags->tokenizer.empty()) throw CLI::RequiredError("--tokenizer");
    *action = [flags] { return MakeData(*flags); };
  });
}

}  // namespace mimo

// `mimo tokenize` and `mimo detokenize`.

#include <CLI/CLI.hpp>
#include <limits>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/standard_streams.h"
#include "apps/commands/token_list.h"
#include "base/json.h"

namespace mimo {
namespace {

struct TokenizeFlags {
  ModelFlags model;
  bool special = false;
};

Status Tokenize(const TokenizeFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const TextSession session, OpenTextSession(flags.model));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadStdin());
  const AddedTokens added_tokens = flags.special ? AddedTokens::kParse : AddedTokens::kPlainText;
  return WriteStdout(DumpJson(session.tokenizer->Encode(text, added_tokens)) + "\n");
}

Status Detokenize(const ModelFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const TextSession session, OpenTextSession(flags));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadStdin());
  MIMO_ASSIGN_OR_RETURN(const std::vector<TokenId> tokens, ParseTokenList(text, "stdin"));
  for (const TokenId token : tokens) {
    if (token >= session.tokenizer->vocab_size()) {
      return InvalidArgument("token {} is not below {} (stdin): use this model's ids", token,
                             session.tokenizer->vocab_size());
    }
  }
  return WriteStdout(session.tokenizer->Decode(tokens));
}

}  // namespace

void AddTokenizeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = program.add_subcommand("tokenize", "text on stdin -> JSON list of token ids on stdout");
  AddModelFlags(*command, &flags->model);
  command->add_flag("--special", flags->special, "control tokens spelled in the text become their ids");
  command->callback([flags, action] { *action = [flags] { return Tokenize(*flags); }; });
}

void AddDetokenizeCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ModelFlags>();
  CLI::App* command =
      program.add_subcommand("detokenize", "JSON list of token ids on stdin -> text on stdout, byte-exact");
  AddModelFlags(*command, flags.get());
  command->callback([flags, action] { *action = [flags] { return Detokenize(*flags); }; });
}

}  // namespace mimo

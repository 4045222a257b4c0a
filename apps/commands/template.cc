// `mimo template`.

#include <CLI/CLI.hpp>
#include <memory>

#include "apps/commands/command.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/standard_streams.h"
#include "base/json.h"

namespace mimo {
namespace {

Status RenderTemplate(const ModelFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(const TextSession session, OpenTextSession(flags));
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadStdin());
  const Result<Json> json = ParseJson(text);
  if (!json) return InvalidArgument("{} (stdin): give a chat request as JSON", json.error().message);
  MIMO_ASSIGN_OR_RETURN(const ChatRequest request, ParseChatRequest(*json));
  MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, session.chat_template.RenderPrompt(request));
  return WriteStdout(DumpJson({{"text", prompt.text}, {"tokens", EncodePrompt(*session.tokenizer, prompt)}}) +
                     "\n");
}

}  // namespace

void AddTemplateCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ModelFlags>();
  CLI::App* command = program.add_subcommand(
      "template", "chat request as JSON on stdin -> {\"text\": ..., \"tokens\": [...]} on stdout");
  AddModelFlags(*command, flags.get());
  command->callback([flags, action] { *action = [flags] { return RenderTemplate(*flags); }; });
}

}  // namespace mimo

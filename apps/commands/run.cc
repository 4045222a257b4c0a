// `mimo run`.

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "apps/commands/command.h"
#include "apps/commands/generation.h"
#include "apps/commands/interrupt.h"
#include "apps/commands/model_flags.h"
#include "apps/commands/model_session.h"
#include "apps/commands/sampling_flags.h"
#include "apps/commands/standard_streams.h"
#include "text/output_parser.h"

namespace mimo {
namespace {

struct RunFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::optional<std::string> prompt;
  std::string system;
  std::vector<std::string> images;
  bool raw = false;
  bool json = false;
};

ChatRequest MakeChatRequest(const RunFlags& flags, const std::string& prompt) {
  ChatRequest request;
  if (!flags.system.empty()) request.messages.push_back(TextMessage("system", flags.system));
  request.messages.push_back(TextMessage("user", prompt));
  return request;
}

struct Prompt {
  std::vector<TokenId> tokens;
  bool starts_in_reasoning = false;
};

Result<Prompt> MakePrompt(const ModelSession& session, const RunFlags& flags) {
  std::string text = flags.prompt.value_or("");
  if (!flags.prompt) {
    MIMO_ASSIGN_OR_RETURN(text, ReadStdin());
  }
  if (flags.raw) return Prompt{session.tokenizer->Encode(text, AddedTokens::kParse)};
  const ChatRequest request = MakeChatRequest(flags, text);
  MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, session.chat_template.RenderPrompt(request));
  return Prompt{EncodePrompt(*session.tokenizer, prompt), session.chat_template.StartsInReasoning(request)};
}

Status PrintJson(const GenerationOutcome& outcome, const RunFlags& flags, bool starts_in_reasoning) {
  Json json = {{"text", outcome.text}};
  if (!flags.raw) {
    OutputParserOptions options;
    options.starts_in_reasoning = starts_in_reasoning;
    const ParsedOutput parsed = ParseOutput(outcome.text, options);
    json["reasoning"] = parsed.reasoning;
    json["content"] = parsed.content;
  }
  json["token_ids"] = outcome.tokens;
  json["finish_reason"] = FinishReasonName(outcome.finish);
  json["usage"] = UsageJson(outcome.usage);
  json["timings"] = TimingsJson(outcome.usage);
  return WriteStdout(DumpJson(json) + "\n");
}

Status RunPrompt(const RunFlags& flags) {
  if (!flags.images.empty()) {
    return Unimplemented("images are not implemented in this version (--image): describe it in words");
  }
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const ModelSession session, OpenModelSession(flags.model, {.sequences_max = 1}));
  MIMO_ASSIGN_OR_RETURN(Prompt prompt, MakePrompt(session, flags));
  GenerationRequest request = MakeGenerationRequest(flags.sampling);
  request.prompt = std::move(prompt.tokens);
  const auto on_text = [&flags](const std::string& text) {
    return flags.json ? Status() : WriteStdout(text);
  };
  MIMO_ASSIGN_OR_RETURN(const GenerationOutcome outcome,
                        Generate(*session.engine, std::move(request), on_text));
  MIMO_RETURN_IF_ERROR(flags.json ? PrintJson(outcome, flags, prompt.starts_in_reasoning)
                                  : WriteStdout("\n"));
  if (outcome.finish != FinishReason::kCancelled) return {};
  return MakeError(ErrorCode::kCancelled, "interrupted: the reply is incomplete");
}

}  // namespace

void AddRunCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = program.add_subcommand("run", "answers one prompt, streaming to stdout");
  AddModelFlags(*command, &flags->model);
  AddSamplingFlags(*command, &flags->sampling);
  command->add_option("-p,--prompt", flags->prompt, "the prompt; without it, stdin");
  command->add_option("--system", flags->system, "system message");
  command->add_option("--image", flags->images, "image file (not in this version)")->allow_extra_args(false);
  command->add_flag("--raw", flags->raw, "no chat template: the prompt is continued");
  command->add_flag("--json", flags->json, "one JSON object: text, token ids, usage, timings");
  command->callback([flags, action] { *action = [flags] { return RunPrompt(*flags); }; });
}

}  // namespace mimo

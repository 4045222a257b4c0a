// `mimo chat`: a conversation in the terminal.

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
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

constexpr char kDim[] = "\x1b[2m";
constexpr char kPlain[] = "\x1b[0m";

struct ChatFlags {
  ModelFlags model;
  SamplingFlags sampling;
  std::string system;
};

// The next line without its end; nothing at the end of stdin.
std::optional<std::string> ReadLine() {
  while (true) {
    ClearInterrupt();
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "> ");
    char* line = nullptr;
    size_t capacity = 0;
    const ssize_t size = getline(&line, &capacity, stdin);
    std::string text = size > 0 ? std::string(line, static_cast<size_t>(size)) : std::string();
    std::free(line);
    if (size < 0 && !Interrupted()) return std::nullopt;
    if (size < 0) {  // Ctrl-C at the prompt drops the line
      std::clearerr(stdin);
      fmt::print(stderr, "\n(/exit or Ctrl-D ends)\n");
      continue;
    }
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    return text;
  }
}

// Prints a reply as it comes, reasoning dimmed on a terminal, and collects it.
class ReplyPrinter {
 public:
  explicit ReplyPrinter(bool starts_in_reasoning)
      : parser_(OutputParserOptions{starts_in_reasoning, false, {}}),
        is_terminal_(isatty(STDOUT_FILENO) != 0) {}

  Status Push(const std::string& text) { return Print(parser_.Push(text)); }

  Status Finish() {
    MIMO_RETURN_IF_ERROR(Print(parser_.Finish()));
    return WriteStdout(SwitchTo(OutputEvent::Kind::kContent) + "\n");
  }

  // What the next prompt contains of this reply.
  ChatMessage message() const {
    ChatMessage message = TextMessage("assistant", content_);
    if (!reasoning_.empty()) message.reasoning_content = reasoning_;
    return message;
  }

 private:
  Status Print(const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      (event.kind == OutputEvent::Kind::kReasoning ? reasoning_ : content_) += event.text;
      MIMO_RETURN_IF_ERROR(WriteStdout(SwitchTo(event.kind) + event.text));
    }
    return {};
  }

  // What must be written before text of this kind.
  std::string SwitchTo(OutputEvent::Kind kind) {
    if (kind == kind_) return {};
    kind_ = kind;
    const bool is_reasoning = kind == OutputEvent::Kind::kReasoning;
    if (!is_terminal_) return is_reasoning ? "" : "\n";
    return is_reasoning ? kDim : fmt::format("{}\n", kPlain);
  }

  OutputParser parser_;
  const bool is_terminal_;
  OutputEvent::Kind kind_ = OutputEvent::Kind::kContent;
  std::string reasoning_;
  std::string content_;
};

Status Reply(const ModelSession& session, const SamplingFlags& sampling, ChatRequest* chat) {
  MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, session.chat_template.RenderPrompt(*chat));
  GenerationRequest request = MakeGenerationRequest(sampling);
  request.prompt = EncodePrompt(*session.tokenizer, prompt);
  ReplyPrinter printer(session.chat_template.StartsInReasoning(*chat));
  const auto on_text = [&printer](const std::string& text) { return printer.Push(text); };
  MIMO_ASSIGN_OR_RETURN(const GenerationOutcome outcome,
                        Generate(*session.engine, std::move(request), on_text));
  MIMO_RETURN_IF_ERROR(printer.Finish());
  if (outcome.finish == FinishReason::kCancelled) fmt::print(stderr, "(stopped)\n");
  chat->messages.push_back(printer.message());
  return {};
}

Status Chat(const ChatFlags& flags) {
  CatchInterrupts();
  MIMO_ASSIGN_OR_RETURN(const ModelSession session, OpenModelSession(flags.model, {.sequences_max = 1}));
  ChatRequest chat;
  if (!flags.system.empty()) chat.messages.push_back(TextMessage("system", flags.system));
  while (const std::optional<std::string> line = ReadLine()) {
    if (*line == "/exit") return {};
    if (line->empty()) continue;
    chat.messages.push_back(TextMessage("user", *line));
    MIMO_RETURN_IF_ERROR(Reply(session, flags.sampling, &chat));
  }
  return {};
}

}  // namespace

void AddChatCommand(CLI::App& program, CommandAction* action) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* command = program.add_subcommand(
      "chat", "conversation in the terminal; Ctrl-C stops a reply, /exit or Ctrl-D ends");
  AddModelFlags(*command, &flags->model);
  AddSamplingFlags(*command, &flags->sampling);
  command->add_option("--system", flags->system, "system message");
  command->callback([flags, action] { *action = [flags] { return Chat(*flags); }; });
}

}  // namespace mimo

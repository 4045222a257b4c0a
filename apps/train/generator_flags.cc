#include "apps/train/generator_flags.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

namespace mimo {
namespace {

// "en=0.6" as language and share.
std::optional<std::pair<std::string, double>> ParseShare(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return std::nullopt;
  double share = 0;
  if (!CLI::detail::lexical_cast(text.substr(equals + 1), share) || !(share > 0) || share > 1e9) {
    return std::nullopt;
  }
  return std::pair(text.substr(0, equals), share);
}

std::string CheckShare(const std::string& text) {
  if (ParseShare(text)) return {};
  return "must be LANGUAGE=SHARE with a share above 0, such as en=0.6: " + text;
}

}  // namespace

void AddGeneratorFlags(CLI::App& command, GeneratorFlags* flags) {
  command.add_option("--seed", flags->options.seed, "same seed, same conversations")->capture_default_str();
  command.add_option("--part", flags->part, "which of all conversations")
      ->check(CLI::IsMember({"training", "held-out"}))
      ->capture_default_str();
  command.add_option("--languages", flags->languages, "en=0.6,zh=0.25,...: languages with their shares")
      ->delimiter(',')
      ->check(CheckShare);
  command
      .add_option("--bare", flags->options.bare_share, "share of conversations without a home and its tools")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command
      .add_option("--tools-taken", flags->options.tool_taken_share,
                  "share of requests whose tool is not offered, where no other request needs it")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

GeneratorOptions ResolveGeneratorOptions(const GeneratorFlags& flags) {
  GeneratorOptions options = flags.options;
  options.part = flags.part == "held-out" ? DataPart::kHeldOut : DataPart::kTraining;
  if (!flags.languages.empty()) options.languages.clear();
  for (const std::string& text : flags.languages) options.languages.push_back(*ParseShare(text));
  return options;
}

Result<std::function<Conversation()>> OpenGenerator(const GeneratorFlags& flags) {
  MIMO_ASSIGN_OR_RETURN(ConversationGenerator generator,
                        ConversationGenerator::Create(ResolveGeneratorOptions(flags)));
  // std::function copies what it holds, and a generator cannot be copied.
  const auto shared = std::make_shared<ConversationGenerator>(std::move(generator));
  return std::function<Conversation()>([shared] { return shared->Next(); });
}

}  // namespace mimo

#include "data/generator.h"

#include <algorithm>

#include "data/conversation_language.h"
#include "data/conversation_maker.h"
#include "data/language_pack.h"
#include "data/random.h"
#include "data/seen_turns.h"

namespace mimo {

struct ConversationGenerator::Impl {
  explicit Impl(GeneratorOptions wanted) : options(std::move(wanted)), random(options.seed) {}

  GeneratorOptions options;
  Random random;
  SeenTurns seen;
  std::vector<std::unique_ptr<ConversationLanguage>> languages;
  WeightedChoice language_choice;
};

Result<ConversationGenerator> ConversationGenerator::Create(const GeneratorOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  for (const auto& [tag, share] : options.languages) {
    MIMO_ASSIGN_OR_RETURN(LanguagePack pack, LoadBuiltinLanguage(tag));
    impl->languages.push_back(std::make_unique<ConversationLanguage>(std::move(pack), options.devices_max));
    impl->language_choice.Add(std::max(share, 0.0));
  }
  if (impl->language_choice.empty()) return InvalidArgument("no language has a share of the conversations");
  return ConversationGenerator(std::move(impl));
}

ConversationGenerator::ConversationGenerator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConversationGenerator::~ConversationGenerator() = default;
ConversationGenerator::ConversationGenerator(ConversationGenerator&&) noexcept = default;
ConversationGenerator& ConversationGenerator::operator=(ConversationGenerator&&) noexcept = default;

Conversation ConversationGenerator::Next() {
  for (;;) {
    const ConversationLanguage& language = *impl_->languages[impl_->language_choice.Draw(impl_->random)];
    Conversation conversation = MakeConversation(language, impl_->options, impl_->random, impl_->seen);
    if (!conversation.turns.empty()) return conversation;
  }
}

}  // namespace mimo

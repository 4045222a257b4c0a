#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "data/conversation.h"

namespace mimo {

enum class DataPart : uint8_t { kTraining, kHeldOut };

struct GeneratorOptions {
  uint64_t seed = 1;
  DataPart part = DataPart::kTraining;
  // Language tag and share; the shares need not add up to 1.
  std::vector<std::pair<std::string, double>> languages = {{"en", 0.6}, {"zh", 0.25}, {"zh-Hant", 0.15}};
  uint32_t turns_max = 20;
  uint32_t devices_max = 120;  // most homes have 3 to 40 devices, some none
  // Of conversations: those of a client that says nothing of a home. They are small talk and questions.
  double bare_share = 0;
  // Of turns whose tool is not needed elsewhere in the conversation: those where it is taken out of the
  // offer.
  double tool_taken_share = 0.045;
};

// Makes conversation after conversation; the same options give the same ones on every machine. No two turns
// are equal: a combination (language, situation, phrase, values, home) that came before is drawn again.
//
// Held out is decided by a hash of (situation, argument values), one combination in sixteen: a training
// conversation never has such a turn, a held-out conversation has nothing else.
class ConversationGenerator {
 public:
  // kInvalidArgument for a language without a pack.
  static Result<ConversationGenerator> Create(const GeneratorOptions& options);
  ~ConversationGenerator();
  ConversationGenerator(ConversationGenerator&&) noexcept;
  ConversationGenerator& operator=(ConversationGenerator&&) noexcept;

  Conversation Next();

 private:
  struct Impl;
  explicit ConversationGenerator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimo

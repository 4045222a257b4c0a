#pragma once

#include <string>

#include "data/language_pack.h"
#include "data/random.h"
#include "data/spoken_values.h"
#include "text/chat_message.h"

namespace mimo {

// What a tool answered, for a reply in the pack's language: states and durations in its words, counts as
// "2/5", details left out. Tools answer in English, whatever the language.
std::string ResultInWords(const LanguagePack& pack, Random& random, const ToolCall& call,
                          const std::string& result);

}  // namespace mimo

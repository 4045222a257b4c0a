#pragma once
// data/: training conversations, made from a seed.
//
//   seed -> ConversationGenerator -> Conversation -> RenderConversation -> tokens with a loss mask -> dataset
//   file
//
// The generator knows homes, tools and what an argument must be; languages are packs of words
// (docs/formats/language-pack.md).

#include <string>
#include <vector>

#include "home/home.h"
#include "text/chat_message.h"

namespace mimo {

// One request of the user and everything until the final reply.
struct ConversationTurn {
  std::string situation;  // "turn_on.name", "two.join(open.area,timer.start)"
  std::string user;
  std::vector<ToolCall> calls;       // none: the reply is given at once
  std::vector<std::string> results;  // one per call
  std::string reply;
  // The combination of situation and values belongs to the held-out part: never in a training conversation.
  bool held_out = false;
};

struct Conversation {
  std::string language;
  // Of a client that says nothing of a home: no tools, `home` is empty, and the system message, if any, is
  // `system`.
  bool is_bare = false;
  std::string system;
  Home home;  // as at the start
  std::string speaker_area;
  std::vector<ToolDefinition> tools;
  std::vector<ConversationTurn> turns;
};

}  // namespace mimo

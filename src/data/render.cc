#include "data/render.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/check.h"
#include "home/home_tools.h"
#include "text/encode_prompt.h"

namespace mimo {
namespace {

void AddTurn(const ConversationTurn& turn, std::vector<ChatMessage>* messages) {
  MIMO_CHECK(turn.calls.size() == turn.results.size());
  messages->push_back(TextMessage("user", turn.user));
  if (!turn.calls.empty()) {
    messages->push_back(TextMessage("assistant", ""));
    messages->back().tool_calls = turn.calls;
    for (size_t i = 0; i < turn.calls.size(); ++i) {
      messages->push_back(TextMessage("tool", turn.results[i]));
      messages->back().tool_call_id = turn.calls[i].id;
    }
  }
  messages->push_back(TextMessage("assistant", turn.reply));
}

// What stands before each answer: the text that the template adds to ask for one.
Result<std::vector<TokenId>> GenerationPrompt(const ChatTemplate& chat_template, const Tokenizer& tokenizer) {
  ChatRequest request;
  request.enable_thinking = false;
  request.messages.push_back(TextMessage("user", ""));
  MIMO_ASSIGN_OR_RETURN(const std::string with, chat_template.Render(request));
  request.add_generation_prompt = false;
  MIMO_ASSIGN_OR_RETURN(const std::string without, chat_template.Render(request));
  MIMO_CHECK(with.starts_with(without));
  return tokenizer.Encode(std::string_view(with).substr(without.size()), AddedTokens::kParse);
}

}  // namespace

ChatRequest ConversationRequest(const Conversation& conversation, size_t num_turns) {
  MIMO_CHECK(num_turns <= conversation.turns.size());
  ChatRequest request;
  request.enable_thinking = false;
  request.tools = conversation.tools;
  if (!conversation.is_bare) {
    request.messages.push_back(
        TextMessage("system", HomeSystemPrompt(conversation.home, conversation.speaker_area)));
  } else if (!conversation.system.empty()) {
    request.messages.push_back(TextMessage("system", conversation.system));
  }
  for (size_t i = 0; i < num_turns; ++i) AddTurn(conversation.turns[i], &request.messages);
  return request;
}

Result<RenderedConversation> RenderConversation(const Conversation& conversation,
                                                const ChatTemplate& chat_template,
                                                const Tokenizer& tokenizer) {
  ChatRequest request = ConversationRequest(conversation, conversation.turns.size());
  request.add_generation_prompt = false;
  MIMO_ASSIGN_OR_RETURN(const RenderedPrompt prompt, chat_template.RenderPrompt(request));
  MIMO_ASSIGN_OR_RETURN(const std::vector<TokenId> opening, GenerationPrompt(chat_template, tokenizer));
  const std::optional<TokenId> end = tokenizer.Find("<|im_end|>");
  if (!end) return InvalidArgument("tokenizer: has no <|im_end|>, which ends an answer");

  RenderedConversation rendered;
  rendered.tokens = EncodePrompt(tokenizer, prompt);
  rendered.is_target.assign(rendered.tokens.size(), 0);
  // Control tokens spelled in a message are text, so whatever looks like the opening is the template's own.
  auto answer = rendered.tokens.begin();
  while (true) {
    answer = std::search(answer, rendered.tokens.end(), opening.begin(), opening.end());
    if (answer == rendered.tokens.end()) return rendered;
    answer += static_cast<std::ptrdiff_t>(opening.size());
    const auto answer_end = std::find(answer, rendered.tokens.end(), *end);
    MIMO_CHECK(answer_end != rendered.tokens.end());
    std::fill(rendered.is_target.begin() + (answer - rendered.tokens.begin()),
              rendered.is_target.begin() + (answer_end - rendered.tokens.begin()) + 1, uint8_t{1});
    answer = answer_end;
  }
}

}  // namespace mimo

#include "data/dataset_builder.h"

#include <fmt/core.h>

#include "data/render.h"

namespace mimo {
namespace {

bool IsReached(uint64_t done, uint64_t limit) { return limit != 0 && done >= limit; }

}  // namespace

Result<DatasetInfo> BuildDataset(const std::function<Conversation()>& next_conversation,
                                 const DatasetLimits& limits, const Tokenizer& tokenizer,
                                 const std::string& path, const BuilderProgress& progress) {
  if (limits.num_conversations == 0 && limits.num_tokens == 0) {
    return InvalidArgument("dataset without an end ({}): give a number of tokens or of conversations", path);
  }
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  MIMO_ASSIGN_OR_RETURN(DatasetWriter writer, DatasetWriter::Create(path, tokenizer.vocab_size()));
  uint64_t num_conversations = 0;
  uint64_t num_tokens = 0;
  while (!IsReached(num_conversations, limits.num_conversations) &&
         !IsReached(num_tokens, limits.num_tokens)) {
    MIMO_ASSIGN_OR_RETURN(const RenderedConversation rendered,
                          RenderConversation(next_conversation(), chat_template, tokenizer));
    MIMO_RETURN_IF_ERROR(writer.Add(rendered));
    ++num_conversations;
    num_tokens += rendered.tokens.size();
    if (progress) MIMO_RETURN_IF_ERROR(progress(limits.num_tokens != 0 ? num_tokens : num_conversations));
  }
  return writer.Finish();
}

std::string ConversationText(const Conversation& conversation) {
  std::string text = fmt::format("language: {}\n", conversation.language);
  for (const ChatMessage& message : ConversationRequest(conversation, conversation.turns.size()).messages) {
    if (message.role == "system") {
      text += message.content + fmt::format("\ntools: {}\n", conversation.tools.size());
    } else if (message.tool_calls.empty()) {
      text += fmt::format("{}: {}\n", message.role, message.content);
    }
    for (const ToolCall& call : message.tool_calls) {
      text += fmt::format("call: {} {}\n", call.name, DumpJson(call.arguments));
    }
  }
  return text;
}

Result<std::string> ConversationPrompt(const Conversation& conversation) {
  ChatRequest request = ConversationRequest(conversation, conversation.turns.size());
  request.add_generation_prompt = false;
  return ChatTemplate(ChatTemplateKind::kMimoV26).Render(request);
}

}  // namespace mimo

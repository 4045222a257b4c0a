#include "data/tokenizer_recipe.h"

#include <fmt/core.h>

#include <set>
#include <string>

#include "data/render.h"
#include "home/home_tools.h"
#include "text/bpe_trainer.h"

namespace mimo {
namespace {

// Printed before each name of a tool, and what stands between two tools or ends them.
const char kToolOpening[] = R"({"type": "function", "function": {"name": ")";
const char kParametersOpening[] = R"(", "parameters": {"type": "object", "properties": {)";
const char kToolsEnd[] = "\n</tools>";

class AddedTokenList {
 public:
  void AddSpecial(std::string content) {
    tokens_.push_back({.content = std::move(content), .special = true});
  }
  void Add(std::string content) { tokens_.push_back({.content = std::move(content)}); }
  std::vector<TokenizerData::AddedToken> Finish() && { return std::move(tokens_); }

 private:
  std::vector<TokenizerData::AddedToken> tokens_;
};

// The list of tools: NAME (KEY TYPE)* with the punctuation between them in the types' tokens.
void AddToolListTokens(AddedTokenList* list) {
  const std::string next_tool = fmt::format("\n{}", kToolOpening);
  list->Add(fmt::format("system\nYou are provided with the following tools:\n\n<tools>{}", next_tool));
  list->Add(fmt::format("{}\"", kParametersOpening));
  for (const char* type : {"string", "integer", "number", "boolean"}) {
    const std::string schema = fmt::format(R"(": {{"type": "{}"}})", type);
    list->Add(schema + ", \"");
    for (const std::string& end : {next_tool, std::string(kToolsEnd)}) list->Add(schema + "}}}}" + end);
  }
  for (const std::string& end : {next_tool, std::string(kToolsEnd)}) {
    list->Add(fmt::format("{}}}}}}}}}{}", kParametersOpening, end));
  }
}

// Messages and calls. A value stands between tokens of its own, so that it is cut into the same tokens as
// where it was read.
void AddMessageTokens(AddedTokenList* list) {
  for (const char* text : {"assistant\n<think></think>", "assistant\n", "user\n", "tool\n", "system\n"}) {
    list->Add(text);
  }
  for (const char* text : {"<tool_call><function=", "</parameter>", "</parameter></function></tool_call>",
                           "></function></tool_call>"}) {
    list->Add(text);
  }
}

// Names of tools, names of parameters that are not one word, and the parameters' tags.
void AddCatalogueTokens(AddedTokenList* list) {
  std::set<std::string> parameters;
  for (const HomeTool& tool : HomeToolCatalogue()) {
    list->Add(tool.definition.name);
    const auto properties = tool.definition.parameters.find("properties");
    if (properties == tool.definition.parameters.end()) continue;
    for (const auto& [name, schema] : properties->items()) parameters.insert(name);
  }
  for (const std::string& name : parameters) {
    list->Add(fmt::format("<parameter={}>", name));
    if (name.find('_') != std::string::npos) list->Add(name);
  }
}

}  // namespace

std::vector<TokenizerData::AddedToken> SmallModelAddedTokens() {
  AddedTokenList list;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) list.AddSpecial(text);
  for (const char* text : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) list.Add(text);
  AddMessageTokens(&list);
  AddToolListTokens(&list);
  AddCatalogueTokens(&list);
  return std::move(list).Finish();
}

Result<TokenizerData> BuildTokenizer(const std::function<Conversation()>& next_conversation,
                                     const TokenizerBuilderOptions& options,
                                     const BuilderProgress& progress) {
  BpeTrainer trainer({.vocab_size = options.vocab_size, .added_tokens = SmallModelAddedTokens()});
  const ChatTemplate chat_template(ChatTemplateKind::kMimoV26);
  for (uint64_t done = 0; done < options.text_bytes;) {
    const Conversation conversation = next_conversation();
    const ChatRequest request = ConversationRequest(conversation, conversation.turns.size());
    MIMO_ASSIGN_OR_RETURN(const std::string text, chat_template.Render(request));
    done += trainer.Add(text);
    if (progress) MIMO_RETURN_IF_ERROR(progress(done));
  }
  return trainer.Train(nullptr);
}

}  // namespace mimo

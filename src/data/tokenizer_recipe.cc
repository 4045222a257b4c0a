#include "data/tokenizer_recipe.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <string>

#include "data/render.h"
#include "home/home_tools.h"
#include "text/bpe_trainer.h"
#include "text/chat_template_values.h"

namespace mimo {
namespace {

// What the template prints around the names of tools.
const char kToolOpening[] = "\n{\"type\": \"function\", \"function\": {\"name\": \"";
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

// The punctuation of any list of tools: NAME, then KEY and a type for each parameter.
void AddToolListTokens(AddedTokenList* list) {
  list->Add(fmt::format("system\nYou are provided with the following tools:\n\n<tools>{}", kToolOpening));
  list->Add(fmt::format("{}\"", kParametersOpening));
  for (const char* type : {"string", "integer", "number", "boolean"}) {
    const std::string schema = fmt::format(R"(": {{"type": "{}"}})", type);
    list->Add(schema + ", \"");
    for (const char* end : {kToolOpening, kToolsEnd}) list->Add(schema + "}}}}" + end);
  }
  list->Add(fmt::format("{}}}}}}}}}{}", kParametersOpening, kToolsEnd));
}

void AddMessageTokens(AddedTokenList* list) {
  for (const char* text : {"assistant\n<think></think>", "assistant\n", "user\n", "tool\n", "system\n"}) {
    list->Add(text);
  }
  for (const char* text : {"<tool_call><function=", "</parameter>", "</parameter></function></tool_call>",
                           "></function></tool_call>"}) {
    list->Add(text);
  }
}

// What the home says in each prompt and most results.
void AddHomeTokens(AddedTokenList* list) {
  for (const char* text : {"tool\ndone:", "\nThe speaker is in the", " binary_sensor", " media_player"}) {
    list->Add(text);
  }
}

// Names of tools, parameters that several tools have alike, and the tags of parameters in calls.
void AddCatalogueTokens(AddedTokenList* list) {
  std::map<std::string, int> signatures;  // from behind one tool's name to the next one's
  std::set<std::string> parameters;
  for (const HomeTool& tool : HomeToolCatalogue()) {
    const std::string& name = tool.definition.name;
    list->Add(name);
    const std::string line = PythonJson(tool.definition.raw);
    ++signatures[line.substr(line.find(name) + name.size()) + kToolOpening];
    const auto properties = tool.definition.parameters.find("properties");
    if (properties == tool.definition.parameters.end()) continue;
    for (const auto& [key, schema] : properties->items()) parameters.insert(key);
  }
  for (const auto& [signature, count] : signatures) {
    if (count > 1) list->Add(signature);
  }
  for (const std::string& name : parameters) {
    for (const char* before : {">", "</parameter>"}) list->Add(fmt::format("{}<parameter={}>", before, name));
    if (name.find('_') != std::string::npos) list->Add(name);  // one word is learnt as one
  }
}

}  // namespace

std::vector<TokenizerData::AddedToken> SmallModelAddedTokens() {
  AddedTokenList list;
  for (const char* text : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) list.AddSpecial(text);
  for (const char* text : {"<think>", "</think>", "<tool_call>", "</tool_call>"}) list.Add(text);
  AddMessageTokens(&list);
  AddToolListTokens(&list);
  AddHomeTokens(&list);
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

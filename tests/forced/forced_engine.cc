#include "tests/forced/forced_engine.h"

#include <algorithm>

#include "base/json.h"
#include "base/mapped_file.h"
#include "text/grammar.h"

namespace mimo {
namespace {

Result<std::vector<std::string>> ReadTexts(const Json& entry, const char* key) {
  std::vector<std::string> texts;
  const auto list = entry.find(key);
  if (list == entry.end()) return texts;
  if (!list->is_array()) return InvalidArgument("'{}' of a forced reply must be an array", key);
  for (const Json& text : *list) {
    if (!text.is_string()) return InvalidArgument("'{}' of a forced reply must hold strings", key);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// The server asked for a form that its client relies on: a script that breaks it would test what cannot be.
Status CheckObeys(const ForcedReply& reply, const GrammarPtr& grammar) {
  if (grammar == nullptr) return {};
  GrammarMatcher matcher(grammar, nullptr);
  if (matcher.AcceptBytes(reply.text) && matcher.CanEnd()) return {};
  return InvalidArgument("the request's grammar does not allow the forced reply: {}", reply.text);
}

}  // namespace

Result<std::vector<ForcedReply>> ParseForcedReplies(std::string_view json) {
  MIMO_ASSIGN_OR_RETURN(const Json script, ParseJson(json));
  if (!script.is_array()) return InvalidArgument("the script of forced replies must be an array");
  std::vector<ForcedReply> replies;
  for (const Json& entry : script) {
    const auto text = entry.is_object() ? entry.find("text") : entry.end();
    if (!entry.is_object() || text == entry.end() || !text->is_string()) {
      return InvalidArgument("a forced reply must have a string 'text'");
    }
    ForcedReply reply;
    MIMO_ASSIGN_OR_RETURN(reply.required, ReadTexts(entry, "if"));
    MIMO_ASSIGN_OR_RETURN(reply.forbidden, ReadTexts(entry, "unless"));
    reply.text = text->get<std::string>();
    replies.push_back(std::move(reply));
  }
  return replies;
}

const ForcedReply* FindForcedReply(const std::vector<ForcedReply>& replies, std::string_view prompt) {
  const auto stands = [&](const std::string& text) { return prompt.find(text) != std::string_view::npos; };
  for (const ForcedReply& reply : replies) {
    if (std::all_of(reply.required.begin(), reply.required.end(), stands) &&
        std::none_of(reply.forbidden.begin(), reply.forbidden.end(), stands)) {
      return &reply;
    }
  }
  return nullptr;
}

EngineResult<RequestId> ForcedEngine::Submit(GenerationRequest request, EventSink sink) {
  MIMO_ASSIGN_OR_RETURN(const std::string json, ReadTextFile(script_path_));
  MIMO_ASSIGN_OR_RETURN(const std::vector<ForcedReply> replies, ParseForcedReplies(json));
  const ForcedReply* reply = FindForcedReply(replies, tokenizer_.Decode(request.prompt));
  if (reply != nullptr) {
    MIMO_RETURN_IF_ERROR(CheckObeys(*reply, request.grammar));
    MIMO_ASSIGN_OR_RETURN(request.grammar, GrammarFromChoices(std::span(&reply->text, 1)));
  }
  return engine_->Submit(std::move(request), std::move(sink));
}

}  // namespace mimo

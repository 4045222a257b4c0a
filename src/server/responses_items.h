#pragma once
// Pieces of a reply -> the output items of OpenAI's Responses API, and the events that announce them. The
// final response holds the same items under the same ids.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "server/responses_conversation.h"
#include "text/output_parser.h"

namespace mimo {

struct ResponsesItemsOptions {
  bool encrypts_reasoning = false;
  bool summarizes_reasoning = false;
  std::map<std::string, ResponsesTool> tools = {};  // by the name the model calls it by
};

class ResponsesItems {
 public:
  explicit ResponsesItems(ResponsesItemsOptions options) : options_(std::move(options)) {}

  // The events of these pieces, in order, without their sequence numbers. `logprobs` belong to the text among
  // them, if there is any.
  std::vector<Json> Add(const std::vector<OutputEvent>& pieces, const Json& logprobs);
  // Ends the item that is still open; "incomplete" when the reply was cut off. A call that was cut off gets
  // no last event, so that nobody carries it out, and is left out of the output.
  std::vector<Json> Close(const char* status);

  // The finished items.
  const Json& output() const { return output_; }
  bool message_is_open() const { return open_ == Open::kMessage; }

 private:
  enum class Open { kNothing, kReasoning, kMessage, kFunctionCall, kCustomCall };

  // An event about the open item.
  Json Event(const char* type) const;
  Json PartEvent(const char* type, Json part) const;

  void StartReasoning(std::vector<Json>* events);
  void StartMessage(std::vector<Json>* events);
  void StartCall(const std::string& name, std::vector<Json>* events);
  void StartItem(Open kind, Json item, std::vector<Json>* events);
  void AddReasoning(const std::string& text, std::vector<Json>* events);
  void AddText(const std::string& text, const Json& logprobs, std::vector<Json>* events);
  void AddArguments(const std::string& text, std::vector<Json>* events);

  void Stop(const char* status, std::vector<Json>* events);
  void StopReasoning(std::vector<Json>* events);
  void StopMessage(std::vector<Json>* events);
  void StopCall(std::vector<Json>* events);

  const ResponsesItemsOptions options_;
  Open open_ = Open::kNothing;
  Json item_;         // the open one, as its start announced it
  std::string text_;  // of the open item: reasoning, text, or the arguments' JSON
  Json logprobs_ = Json::array();
  int64_t index_ = -1;  // of the open or last item
  bool call_ended_ = false;
  Json output_ = Json::array();
};

}  // namespace mimo

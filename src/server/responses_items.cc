#include "server/responses_items.h"

#include <utility>

#include "server/generation_route.h"
#include "server/opaque_text.h"

namespace mimo {
namespace {

Json OutputText(const std::string& text, Json logprobs) {
  return Json{{"type", "output_text"},
              {"text", text},
              {"annotations", Json::array()},
              {"logprobs", std::move(logprobs)}};
}

Json SummaryText(const std::string& text) { return Json{{"type", "summary_text"}, {"text", text}}; }
Json ReasoningText(const std::string& text) { return Json{{"type", "reasoning_text"}, {"text", text}}; }

// The plain text that the model gave a custom tool.
std::string CustomInput(const std::string& arguments) {
  const Result<Json> parsed = ParseJson(arguments);
  if (!parsed || !parsed->is_object()) return arguments;
  const auto input = parsed->find(kCustomToolInput);
  return input != parsed->end() && input->is_string() ? input->get<std::string>() : arguments;
}

}  // namespace

Json ResponsesItems::Event(const char* type) const {
  return Json{{"type", type}, {"item_id", item_["id"]}, {"output_index", index_}};
}

Json ResponsesItems::PartEvent(const char* type, Json part) const {
  Json event = Event(type);
  event["content_index"] = 0;
  event["part"] = std::move(part);
  return event;
}

void ResponsesItems::StartItem(Open kind, Json item, std::vector<Json>* events) {
  Stop("completed", events);
  open_ = kind;
  ++index_;
  item_ = std::move(item);
  text_.clear();
  logprobs_ = Json::array();
  call_ended_ = false;
  events->push_back(Json{{"type", "response.output_item.added"}, {"output_index", index_}, {"item", item_}});
}

void ResponsesItems::StartReasoning(std::vector<Json>* events) {
  Json item{{"type", "reasoning"}, {"id", RandomId("rs_")}, {"summary", Json::array()}};
  if (!options_.summarizes_reasoning) item["content"] = Json::array();
  if (options_.encrypts_reasoning) item["encrypted_content"] = "";
  item["status"] = "in_progress";
  StartItem(Open::kReasoning, std::move(item), events);
  if (options_.summarizes_reasoning) {
    Json event = Event("response.reasoning_summary_part.added");
    event["summary_index"] = 0;
    event["part"] = SummaryText("");
    events->push_back(std::move(event));
  } else {
    events->push_back(PartEvent("response.content_part.added", ReasoningText("")));
  }
}

void ResponsesItems::AddReasoning(const std::string& text, std::vector<Json>* events) {
  if (open_ != Open::kReasoning) StartReasoning(events);
  text_ += text;
  Json event = Event(options_.summarizes_reasoning ? "response.reasoning_summary_text.delta"
                                                   : "response.reasoning_text.delta");
  event[options_.summarizes_reasoning ? "summary_index" : "content_index"] = 0;
  event["delta"] = text;
  events->push_back(std::move(event));
}

void ResponsesItems::StopReasoning(std::vector<Json>* events) {
  const bool is_summary = options_.summarizes_reasoning;
  const char* index_name = is_summary ? "summary_index" : "content_index";
  Json text_done =
      Event(is_summary ? "response.reasoning_summary_text.done" : "response.reasoning_text.done");
  text_done[index_name] = 0;
  text_done["text"] = text_;
  events->push_back(std::move(text_done));
  Json part_done = Event(is_summary ? "response.reasoning_summary_part.done" : "response.content_part.done");
  part_done[index_name] = 0;
  part_done["part"] = is_summary ? SummaryText(text_) : ReasoningText(text_);
  item_[is_summary ? "summary" : "content"] = Json::array({part_done["part"]});
  events->push_back(std::move(part_done));
  if (options_.encrypts_reasoning) item_["encrypted_content"] = PackOpaqueText(text_);
}

void ResponsesItems::StartMessage(std::vector<Json>* events) {
  StartItem(Open::kMessage,
            Json{{"type", "message"},
                 {"id", RandomId("msg_")},
                 {"status", "in_progress"},
                 {"role", "assistant"},
                 {"content", Json::array()}},
            events);
  events->push_back(PartEvent("response.content_part.added", OutputText("", Json::array())));
}

void ResponsesItems::AddText(const std::string& text, const Json& logprobs, std::vector<Json>* events) {
  if (open_ != Open::kMessage) StartMessage(events);
  text_ += text;
  for (const Json& logprob : logprobs) logprobs_.push_back(logprob);
  Json event = Event("response.output_text.delta");
  event["content_index"] = 0;
  event["delta"] = text;
  event["logprobs"] = logprobs;
  events->push_back(std::move(event));
}

void ResponsesItems::StopMessage(std::vector<Json>* events) {
  Json text_done = Event("response.output_text.done");
  text_done["content_index"] = 0;
  text_done["text"] = text_;
  text_done["logprobs"] = logprobs_;
  events->push_back(std::move(text_done));
  item_["content"] = Json::array({OutputText(text_, std::move(logprobs_))});
  events->push_back(PartEvent("response.content_part.done", item_["content"][0]));
}

void ResponsesItems::StartCall(const std::string& name, std::vector<Json>* events) {
  const auto known = options_.tools.find(name);
  const ResponsesTool tool =
      known == options_.tools.end() ? ResponsesTool{.name = name, .name_space = {}} : known->second;
  const bool is_custom = tool.kind == ResponsesTool::Kind::kCustom;
  Json item{{"type", is_custom ? "custom_tool_call" : "function_call"},
            {"id", RandomId(is_custom ? "ctc_" : "fc_")},
            {"call_id", RandomId("call_")},
            {"name", tool.name}};
  if (!tool.name_space.empty()) item["namespace"] = tool.name_space;
  item[is_custom ? "input" : "arguments"] = "";
  item["status"] = "in_progress";
  StartItem(is_custom ? Open::kCustomCall : Open::kFunctionCall, std::move(item), events);
}

void ResponsesItems::AddArguments(const std::string& text, std::vector<Json>* events) {
  text_ += text;
  // A custom tool's input is known when its JSON is whole.
  if (open_ != Open::kFunctionCall) return;
  Json event = Event("response.function_call_arguments.delta");
  event["delta"] = text;
  events->push_back(std::move(event));
}

void ResponsesItems::StopCall(std::vector<Json>* events) {
  if (open_ == Open::kFunctionCall) {
    Json done = Event("response.function_call_arguments.done");
    done["name"] = item_["name"];
    done["arguments"] = text_;
    item_["arguments"] = text_;
    events->push_back(std::move(done));
    return;
  }
  const std::string input = CustomInput(text_);
  Json delta = Event("response.custom_tool_call_input.delta");
  delta["delta"] = input;
  events->push_back(std::move(delta));
  Json done = Event("response.custom_tool_call_input.done");
  done["input"] = input;
  item_["input"] = input;
  events->push_back(std::move(done));
}

void ResponsesItems::Stop(const char* status, std::vector<Json>* events) {
  switch (open_) {
    case Open::kNothing:
      return;
    case Open::kReasoning:
      StopReasoning(events);
      break;
    case Open::kMessage:
      StopMessage(events);
      break;
    case Open::kFunctionCall:
    case Open::kCustomCall:
      if (!call_ended_) {
        open_ = Open::kNothing;
        return;
      }
      StopCall(events);
      break;
  }
  open_ = Open::kNothing;
  item_["status"] = status;
  output_.push_back(item_);
  events->push_back(Json{{"type", "response.output_item.done"}, {"output_index", index_}, {"item", item_}});
}

std::vector<Json> ResponsesItems::Add(const std::vector<OutputEvent>& pieces, const Json& logprobs) {
  std::vector<Json> events;
  bool logprobs_used = false;
  for (const OutputEvent& piece : pieces) {
    switch (piece.kind) {
      case OutputEvent::Kind::kReasoning:
        if (!piece.text.empty()) AddReasoning(piece.text, &events);
        break;
      case OutputEvent::Kind::kContent:
        if (piece.text.empty()) break;
        AddText(piece.text, logprobs_used ? Json::array() : logprobs, &events);
        logprobs_used = true;
        break;
      case OutputEvent::Kind::kToolCallBegin:
        StartCall(piece.text, &events);
        break;
      case OutputEvent::Kind::kToolArguments:
        AddArguments(piece.text, &events);
        break;
      case OutputEvent::Kind::kToolCallEnd:
        call_ended_ = true;
        Stop("completed", &events);
        break;
    }
  }
  return events;
}

std::vector<Json> ResponsesItems::Close(const char* status) {
  std::vector<Json> events;
  Stop(status, &events);
  return events;
}

}  // namespace mimo

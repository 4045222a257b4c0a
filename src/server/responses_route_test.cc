#include "server/responses_route.h"

#include "server/server_testutil.h"

namespace mimo {
namespace {

constexpr char kTools[] =
    R"("tools":[{"type":"function","name":"set_light","description":"Switches a lamp.","strict":true,)"
    R"("parameters":{"type":"object","properties":{"room":{"type":"string"},"level":{"type":"integer"}}}},)"
    R"({"type":"namespace","name":"files","description":"d","tools":[{"type":"function","name":"read",)"
    R"("parameters":{"type":"object","properties":{"path":{"type":"string"}}}}]},)"
    R"({"type":"custom","name":"apply_patch","description":"Edits files.","format":{"type":"grammar",)"
    R"("syntax":"lark","definition":"start: patch"}},{"type":"web_search","external_web_access":true}])";
constexpr char kCallText[] =
    "<tool_call>\n<function=set_light>\n<parameter=room>hall</parameter>\n<parameter=level>3</parameter>\n"
    "</function>\n</tool_call>";

class ResponsesRouteTest : public ServerTest {
 protected:
  ClientReply Responses(const std::string& fields) { return Post("/v1/responses", "{" + fields + "}"); }
  // The prompt that a body gives, as text.
  std::string PromptOf(const std::string& fields) {
    AnswerWith({"ok"});
    const ClientReply reply = Responses(fields);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return MakeByteTokenizer()->Decode(engine_->requests().back().prompt);
  }
  // The stream's events; fails unless each is named as its type and numbered by its place.
  static std::vector<Json> Events(const ClientReply& reply) {
    std::vector<Json> events;
    for (const std::string& text : reply.events()) {
      events.push_back(ParseJson(text).value());
      const Json& event = events.back();
      EXPECT_EQ(event["sequence_number"], events.size() - 1);
      EXPECT_NE(reply.body.find(fmt::format("event: {}\ndata: {}", event["type"].get<std::string>(), text)),
                std::string::npos);
    }
    return events;
  }
  static std::vector<std::string> Types(const std::vector<Json>& events) {
    std::vector<std::string> types;
    for (const Json& event : events)
      types.push_back(event["type"].get<std::string>().substr(9));  // "response."
    return types;
  }
};

TEST_F(ResponsesRouteTest, RepliesWithOneWholeObject) {
  AnswerWith({"Hel", "lo"});

  const ClientReply reply = Responses(R"("model":"mimo-v2-flash","input":"hi","instructions":"Be brief.",)"
                                      R"("metadata":{"a":"b"},"temperature":0.5)");

  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json json = reply.json();
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("resp_"));
  EXPECT_EQ(json["object"], "response");
  EXPECT_EQ(json["status"], "completed");
  EXPECT_EQ(json["model"], "mimo-v2-flash");
  ASSERT_EQ(json["output"].size(), 1U);
  const Json& message = json["output"][0];
  EXPECT_TRUE(message["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(message["status"], "completed");
  EXPECT_EQ(message["content"][0]["text"], "Hello");
  EXPECT_EQ(message["content"][0]["annotations"], Json::array());
  EXPECT_EQ(json["usage"]["input_tokens"], engine_->requests()[0].prompt.size());
  EXPECT_EQ(json["usage"]["input_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(json["usage"]["output_tokens"], 6);
  EXPECT_EQ(json["usage"]["total_tokens"], json["usage"]["input_tokens"].get<int>() + 6);
  EXPECT_EQ(json["instructions"], "Be brief.");
  EXPECT_EQ(json["metadata"], (Json{{"a", "b"}}));
  EXPECT_EQ(json["temperature"], 0.5);
}

TEST_F(ResponsesRouteTest, HasEveryKeyThatCheckersOfTheSchemaWant) {
  AnswerWith({"ok"});

  const Json json = Responses(R"("input":"hi")").json();

  for (const char* key : {"id",
                          "object",
                          "created_at",
                          "completed_at",
                          "status",
                          "model",
                          "output",
                          "parallel_tool_calls",
                          "tool_choice",
                          "tools",
                          "error",
                          "incomplete_details",
                          "instructions",
                          "max_output_tokens",
                          "max_tool_calls",
                          "previous_response_id",
                          "reasoning",
                          "store",
                          "temperature",
                          "text",
                          "top_p",
                          "truncation",
                          "usage",
                          "user",
                          "metadata",
                          "service_tier",
                          "top_logprobs",
                          "presence_penalty",
                          "frequency_penalty",
                          "safety_identifier",
                          "prompt_cache_key",
                          "background"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["text"], (Json{{"format", {{"type", "text"}}}}));
  EXPECT_EQ(json["reasoning"], (Json{{"effort", nullptr}, {"summary", nullptr}}));
  EXPECT_EQ(json["tool_choice"], "auto");
}

TEST_F(ResponsesRouteTest, StreamsTextInTheOrderOfOpenAi) {
  AnswerWith({"<think>", "why", "</think>", "be", "cause"});

  const ClientReply reply = Responses(R"("input":"hi","stream":true,"reasoning":{"effort":"high"})");

  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  const std::vector<Json> events = Events(reply);
  ASSERT_EQ(Types(events),
            (std::vector<std::string>{"created", "in_progress", "output_item.added", "content_part.added",
                                      "reasoning_text.delta", "reasoning_text.done", "content_part.done",
                                      "output_item.done", "output_item.added", "content_part.added",
                                      "output_text.delta", "output_text.delta", "output_text.done",
                                      "content_part.done", "output_item.done", "completed"}));
  EXPECT_EQ(events[0]["response"]["status"], "in_progress");
  EXPECT_EQ(events[0]["response"]["output"], Json::array());
  EXPECT_EQ(events[2]["item"]["type"], "reasoning");
  EXPECT_EQ(events[8]["output_index"], 1);
  EXPECT_EQ(events[8]["item"]["status"], "in_progress");
  EXPECT_EQ(events[8]["item"]["content"], Json::array());
  EXPECT_EQ(events[9]["part"]["text"], "");
  EXPECT_EQ(events[10]["delta"], "be");
  EXPECT_EQ(events[12]["text"], "because");
  EXPECT_EQ(events[14]["item"]["status"], "completed");
  const Json& response = events.back()["response"];
  EXPECT_EQ(response["status"], "completed");
  EXPECT_EQ(response["output"], Json::array({events[7]["item"], events[14]["item"]}));
  EXPECT_EQ(response["usage"]["output_tokens_details"]["reasoning_tokens"], 18);
  for (size_t i = 8; i < 14; ++i) {
    const Json& event = events[i];
    EXPECT_EQ(event.contains("item") ? event["item"]["id"] : event["item_id"], response["output"][1]["id"]);
  }
}

TEST_F(ResponsesRouteTest, StreamsCallsOfFunctionsNamespacesAndCustomTools) {
  AnswerWith(
      {kCallText, "\n<tool_call>\n<function=files.read>\n<parameter=path>a.txt</parameter>\n</function>\n",
       "</tool_call>\n<tool_call>\n<function=apply_patch>\n<parameter=input>*** Begin\n\"x\"</parameter>\n",
       "</function>\n</tool_call>"});

  const std::vector<Json> events = Events(Responses(std::string(kTools) + R"(,"input":"hi","stream":true)"));

  const Json& output = events.back()["response"]["output"];
  ASSERT_EQ(output.size(), 3U) << output.dump();
  EXPECT_EQ(output[0]["type"], "function_call");
  EXPECT_EQ(output[0]["name"], "set_light");
  EXPECT_EQ(ParseJson(output[0]["arguments"].get<std::string>()).value(),
            (Json{{"room", "hall"}, {"level", 3}}));
  EXPECT_TRUE(output[0]["id"].get<std::string>().starts_with("fc_"));
  EXPECT_TRUE(output[0]["call_id"].get<std::string>().starts_with("call_"));
  EXPECT_FALSE(output[0].contains("namespace"));
  EXPECT_EQ(output[1]["name"], "read");
  EXPECT_EQ(output[1]["namespace"], "files");
  EXPECT_EQ(output[2]["type"], "custom_tool_call");
  EXPECT_EQ(output[2]["name"], "apply_patch");
  EXPECT_EQ(output[2]["input"], "*** Begin\n\"x\"");
  std::vector<std::string> deltas(3);
  for (const Json& event : events) {
    if (event.contains("delta"))
      deltas[event["output_index"].get<size_t>()] += event["delta"].get<std::string>();
    if (event["type"] == "response.output_item.added") {
      EXPECT_EQ(event["item"].value(event["output_index"] == 2 ? "input" : "arguments", "x"), "");
    }
  }
  EXPECT_EQ(deltas,
            (std::vector<std::string>{output[0]["arguments"], output[1]["arguments"], output[2]["input"]}));
  EXPECT_EQ(Types(events)[2], "output_item.added");
  EXPECT_EQ(Types(events)[events.size() - 3], "custom_tool_call_input.done");
}

TEST_F(ResponsesRouteTest, ToolsAreShownToTheModelAsFunctions) {
  const std::string prompt = PromptOf(std::string(kTools) + R"(,"input":"hi")");

  EXPECT_NE(prompt.find("<name>set_light</name>"), std::string::npos);
  EXPECT_NE(prompt.find("<name>files.read</name>"), std::string::npos);
  EXPECT_NE(prompt.find("start: patch"), std::string::npos);
  EXPECT_EQ(prompt.find("web_search"), std::string::npos);
  EXPECT_EQ(PromptOf(std::string(kTools) + R"(,"tool_choice":"none","input":"hi")"),
            PromptOf(R"("input":"hi")"));
}

TEST_F(ResponsesRouteTest, ForcedCallsAndFormatsRestrictWhatMayBeSaid) {
  AnswerWith({"ok"});
  const auto allows = [&](const std::string& fields, std::string_view text) {
    const ClientReply reply = Responses(fields + R"(,"input":"hi","reasoning":{"effort":"none"})");
    EXPECT_EQ(reply.status, 200) << reply.body;
    const GrammarPtr grammar = engine_->requests().back().grammar;
    return grammar == nullptr || GrammarMatcher(grammar, nullptr).AcceptBytes(text);
  };
  const std::string tools = kTools;
  const std::string schema = R"("text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":)"
                             R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}})";
  const std::string named = tools + R"(,"tool_choice":{"type":"function","name":"read"})";

  EXPECT_TRUE(allows(tools, "hello"));
  EXPECT_FALSE(allows(tools + R"(,"tool_choice":"required")", "hello"));
  EXPECT_TRUE(allows(tools + R"(,"tool_choice":"required")", "<tool_call>\n<function=apply_patch>"));
  EXPECT_TRUE(allows(named, "<tool_call>\n<function=files.read>"));
  EXPECT_FALSE(allows(named, "<tool_call>\n<function=set_light>"));
  EXPECT_TRUE(allows(schema, R"({"a": 5)"));
  EXPECT_FALSE(allows(schema, R"({"a": "x)"));
  EXPECT_FALSE(allows(R"("text":{"format":{"type":"json_object"}})", "hello"));
}

TEST_F(ResponsesRouteTest, RepliesReplayAsTheyWereGenerated) {
  const std::string generated = "<think> one\n\ntwo </think>  text" + std::string(kCallText);
  for (const char* options :
       {R"("reasoning":{"effort":"high"})", R"("reasoning":{"effort":"high","summary":"auto"})",
        R"("reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"])"}) {
    AnswerWith({generated});
    const Json output =
        Responses(fmt::format(R"({},{},"input":"hi","store":false)", kTools, options)).json()["output"];
    ASSERT_EQ(output.size(), 3U) << output.dump();

    Json input = Json::array({Json{{"role", "user"}, {"content", "hi"}}});
    for (const Json& item : output) input.push_back(item);
    input.push_back(
        Json{{"type", "function_call_output"}, {"call_id", output[2]["call_id"]}, {"output", "on"}});
    const std::string prompt = PromptOf(fmt::format(R"({},"input":{})", kTools, input.dump()));

    EXPECT_NE(prompt.find("<|im_start|>assistant\n" + generated + "<|im_end|>"), std::string::npos) << prompt;
  }
}

TEST_F(ResponsesRouteTest, EncryptedReasoningNeedsNothingElse) {
  AnswerWith({"<think>secret</think>answer"});
  Json reasoning = Responses(R"("input":"hi","store":false,"reasoning":{"effort":"low","summary":"auto"},)"
                             R"("include":["reasoning.encrypted_content"])")
                       .json()["output"][0];
  EXPECT_EQ(reasoning["summary"][0]["text"], "secret");
  reasoning["summary"] = Json::array();

  const std::string prompt = PromptOf(fmt::format(
      R"("input":[{{"role":"user","content":"hi"}},{},{{"role":"assistant","content":"answer"}}])",
      reasoning.dump()));

  EXPECT_NE(prompt.find("<think>secret</think>answer"), std::string::npos) << prompt;
}

TEST_F(ResponsesRouteTest, JoinsInstructionsAndDeveloperMessagesAtTheStart) {
  const std::string prompt = PromptOf(
      R"("instructions":"one","input":[{"type":"message","role":"developer","content":[{"type":"input_text",)"
      R"("text":"two"}]},{"role":"system","content":"three"},{"role":"user","content":[{"type":"input_text",)"
      R"("text":"hi"}]},{"role":"developer","content":"later"}])");

  EXPECT_TRUE(prompt.starts_with("<|im_start|>system\none\n\ntwo\n\nthree<|im_end|>")) << prompt;
  EXPECT_NE(prompt.find("<|im_start|>system\nlater<|im_end|>"), std::string::npos);
}

TEST_F(ResponsesRouteTest, SkipsItemsItDoesNotKnow) {
  const std::string prompt = PromptOf(
      R"("input":[{"role":"user","content":"hi"},{"type":"web_search_call","id":"ws","status":"completed"},)"
      R"({"type":"compaction","encrypted_content":"x"},{"type":"unheard_of"},)"
      R"({"type":"custom_tool_call","call_id":"c","name":"apply_patch","input":"p"},)"
      R"({"type":"custom_tool_call_output","call_id":"c","output":[{"type":"input_text","text":"done"},)"
      R"({"type":"input_image","image_url":"data:"}]}])");

  EXPECT_NE(prompt.find("<function=apply_patch>\n<parameter=input>p</parameter>"), std::string::npos)
      << prompt;
  EXPECT_NE(prompt.find("done[input_image, which this model cannot see]"), std::string::npos);
}

TEST_F(ResponsesRouteTest, ALimitMakesTheResponseIncomplete) {
  AnswerWith({"par", "tial"}, FinishReason::kLength);

  const Json json = Responses(R"("input":"hi","max_output_tokens":7)").json();
  EXPECT_EQ(json["status"], "incomplete");
  EXPECT_EQ(json["incomplete_details"], (Json{{"reason", "max_output_tokens"}}));
  EXPECT_EQ(json["output"][0]["status"], "incomplete");
  EXPECT_EQ(json["completed_at"], nullptr);
  EXPECT_EQ(engine_->requests()[0].max_tokens, 7U);

  AnswerWith({"<tool_call>\n<function=set_light>\n<parameter=room>ha"}, FinishReason::kLength);
  const std::vector<Json> events = Events(Responses(std::string(kTools) + R"(,"input":"hi","stream":true)"));
  EXPECT_EQ(events.back()["type"], "response.incomplete");
  EXPECT_EQ(events.back()["response"]["output"], Json::array());
  for (const Json& event : events) EXPECT_NE(event["type"], "response.output_item.done");
}

TEST_F(ResponsesRouteTest, AnErrorInTheMiddleOfAStreamFailsTheResponse) {
  engine_->on_submit = [](const GenerationRequest& /*request*/, const EventSink& sink) {
    GenerationEvent event;
    event.text = "par";
    sink(event);
    event.text.clear();
    event.finish = FinishReason::kError;
    event.error = Error{ErrorCode::kInternal, "/secret/path failed"};
    sink(event);
  };

  const std::vector<Json> events = Events(Responses(R"("input":"hi","stream":true)"));

  EXPECT_EQ(events.back()["type"], "response.failed");
  EXPECT_EQ(events.back()["response"]["status"], "failed");
  EXPECT_EQ(events.back()["response"]["error"]["code"], "server_error");
  EXPECT_EQ(events.back().dump().find("secret"), std::string::npos);
}

TEST_F(ResponsesRouteTest, ContinuesAStoredResponse) {
  AnswerWith({"<think>why</think>because"});
  const Json first =
      Responses(R"("input":"one","instructions":"Be brief.","reasoning":{"effort":"low"})").json();

  const std::string prompt =
      PromptOf(fmt::format(R"("input":"two","previous_response_id":{})", first["id"].dump()));

  EXPECT_EQ(prompt.find("Be brief."), std::string::npos);  // instructions are of one response only
  EXPECT_NE(prompt.find("user\none<|im_end|><|im_start|>assistant\n<think>why</think>because<|im_end|>"
                        "<|im_start|>user\ntwo<|im_end|>"),
            std::string::npos)
      << prompt;
}

TEST_F(ResponsesRouteTest, StoredResponsesCanBeReadAndDeleted) {
  AnswerWith({"Hello"});
  const Json response = Responses(R"("input":"one")").json();
  const std::string path = "/v1/responses/" + response["id"].get<std::string>();

  EXPECT_EQ(Request("GET", path).json(), response);
  const Json items = Request("GET", path + "/input_items").json();
  EXPECT_EQ(items["object"], "list");
  EXPECT_EQ(items["data"][0]["content"][0]["text"], "one");
  EXPECT_EQ(items["first_id"], items["data"][0]["id"]);
  EXPECT_EQ(Request("GET", path + "/input_items?limit=0").status, 400);
  EXPECT_EQ(Request("DELETE", path).json(),
            (Json{{"id", response["id"]}, {"object", "response"}, {"deleted", true}}));
  EXPECT_EQ(Request("GET", path).status, 404);
  EXPECT_EQ(Request("DELETE", path).status, 404);
  EXPECT_EQ(Post(path + "/cancel", "{}").status, 501);
}

TEST_F(ResponsesRouteTest, WhatIsNotStoredIsNotFound) {
  AnswerWith({"Hello"});
  const Json response = Responses(R"("input":"one","store":false)").json();

  EXPECT_EQ(Request("GET", "/v1/responses/" + response["id"].get<std::string>()).status, 404);
  const ClientReply next =
      Responses(fmt::format(R"("input":"two","previous_response_id":{})", response["id"].dump()));
  EXPECT_EQ(next.status, 404);
  EXPECT_EQ(next.json()["error"]["code"], "previous_response_not_found");
  EXPECT_EQ(next.json()["error"]["param"], "previous_response_id");
  EXPECT_EQ(Responses(R"("input":[{"type":"item_reference","id":"msg_x"}])").status, 404);
}

TEST_F(ResponsesRouteTest, ReferencesStandForItemsOfEarlierResponses) {
  AnswerWith({"Hello"});
  const Json item = Responses(R"("input":"one")").json()["output"][0];

  const std::string prompt = PromptOf(
      fmt::format(R"("input":[{{"role":"user","content":"one"}},{{"type":"item_reference","id":{}}},)"
                  R"({{"role":"user","content":"two"}}])",
                  item["id"].dump()));

  EXPECT_NE(prompt.find("<think></think>Hello<|im_end|><|im_start|>user\ntwo"), std::string::npos) << prompt;
}

TEST_F(ResponsesRouteTest, CountsTheTokensOfTheSamePrompt) {
  AnswerWith({"ok"});
  const std::string fields = std::string(kTools) + R"(,"input":"hi","instructions":"Be brief.")";

  const Json counted = Post("/v1/responses/input_tokens", "{" + fields + "}").json();
  Responses(fields);

  EXPECT_EQ(counted, (Json{{"object", "response.input_tokens"},
                           {"input_tokens", engine_->requests()[0].prompt.size()}}));
}

TEST_F(ResponsesRouteTest, ReportsLogprobsOfTheTextWhereAsked) {
  AnswerWith({"<think>", "why", "</think>", "be", "cause"});
  const std::string fields =
      R"("input":"hi","reasoning":{"effort":"low"},"include":["message.output_text.logprobs"])";

  const Json logprobs = Responses(fields).json()["output"][1]["content"][0]["logprobs"];

  std::string text;
  for (const Json& entry : logprobs) text += entry["token"].get<std::string>();
  EXPECT_EQ(text, "because");
}

TEST_F(ResponsesRouteTest, RefusesWhatItCannotDoByName) {
  const std::vector<std::pair<std::string, std::string>> unimplemented = {
      {"background", R"("input":"hi","background":true)"},
      {"conversation", R"("input":"hi","conversation":"conv_1")"},
      {"prompt", R"("input":"hi","prompt":{"id":"p"})"},
      {"input[0].content[0]",
       R"("input":[{"role":"user","content":[{"type":"input_image","image_url":"u"}]}])"}};
  for (const auto& [param, fields] : unimplemented) {
    const ClientReply reply = Responses(fields);
    EXPECT_EQ(reply.status, 501) << fields;
    EXPECT_EQ(reply.json()["error"]["param"], param) << reply.body;
  }
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"input", R"("model":"mimo-v2-flash")"},
      {"input", R"("input":5)"},
      {"input[0]", R"("input":[5])"},
      {"input[0].role", R"("input":[{"type":"message","role":"nobody","content":"x"}])"},
      {"input[0].arguments",
       R"("input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{"}])"},
      {"input[0].content", R"("input":[{"role":"user","content":5}])"},
      {"instructions", R"("input":"hi","instructions":5)"},
      {"tools[0].name", R"("input":"hi","tools":[{"type":"function"}])"},
      {"text.format", R"("input":"hi","text":{"format":{"type":"yaml"}})"},
      {"reasoning", R"("input":"hi","reasoning":5)"},
      {"max_output_tokens", R"("input":"hi","max_output_tokens":0)"},
      {"store", R"("input":"hi","store":"yes")"}};
  for (const auto& [param, fields] : wrong) {
    const ClientReply reply = Responses(fields);
    EXPECT_EQ(reply.status, 400) << fields;
    EXPECT_EQ(reply.json()["error"]["param"], param) << reply.body;
  }
}

TEST_F(ResponsesRouteTest, PromptBeyondTheContext) {
  engine_->context = 16;

  const ClientReply reply = Responses(R"("input":"hi")");

  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(reply.json()["error"]["code"], "context_length_exceeded");
}

}  // namespace
}  // namespace mimo

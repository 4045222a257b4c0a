#include "server/server.h"

#include "server/server_testutil.h"

namespace mimo {
namespace {

class LoadingServerTest : public ServerTest {
 protected:
  LoadingServerTest() { set_model_at_start_ = false; }
};

TEST_F(LoadingServerTest, HealthNamesTheReasonUntilTheModelIsThere) {
  const ClientReply loading = Request("GET", "/health");
  EXPECT_EQ(loading.status, 503);
  EXPECT_NE(loading.body.find("loading"), std::string::npos);
  EXPECT_EQ(Chat().status, 503);
  EXPECT_EQ(Request("GET", "/").status, 200);

  SetModel();

  const ClientReply ready = Request("GET", "/health");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.json(), (Json{{"status", "ok"}}));
}

TEST_F(ServerTest, HealthTestsTheEngineAndNotTheSocket) {
  engine_->health = Internal("the engine thread has failed");

  const ClientReply reply = Request("GET", "/health");

  EXPECT_EQ(reply.status, 503);
  EXPECT_NE(reply.body.find("engine thread has failed"), std::string::npos);
}

TEST_F(ServerTest, ListsTheModelForBothKindsOfClients) {
  const Json list = Request("GET", "/v1/models").json();

  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["has_more"], false);
  EXPECT_EQ(list["first_id"], "mimo-v2-flash");
  const Json& model = list["data"][0];
  EXPECT_EQ(model["id"], "mimo-v2-flash");
  EXPECT_EQ(model["object"], "model");
  EXPECT_EQ(model["type"], "model");
  EXPECT_EQ(model["created_at"], "1970-01-01T00:00:00Z");
  EXPECT_EQ(model["max_model_len"], 4096);
  EXPECT_EQ(Request("GET", "/models/XiaomiMiMo/MiMo-V2-Flash").json(), model);
  EXPECT_EQ(Request("GET", "/v1/models/gpt-9").status, 404);
}

TEST_F(ServerTest, TakesPathsWithAndWithoutPrefixAndSlash) {
  AnswerWith({"ok"});

  for (const char* path : {"/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"}) {
    EXPECT_EQ(Post(path, ChatBody()).status, 200) << path;
  }
}

TEST_F(ServerTest, AnswersUnknownAndLaterRoutesClearly) {
  const ClientReply unknown = Request("GET", "/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_TRUE(unknown.json()["error"]["message"].is_string());
  const ClientReply embeddings = Post("/v1/embeddings", "{}");
  EXPECT_EQ(embeddings.status, 501);
  EXPECT_EQ(embeddings.headers.at("x-should-retry"), "false");
  const ClientReply wrong_method = Request("GET", "/v1/chat/completions");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.headers.at("allow"), "POST");
}

TEST_F(ServerTest, GivesOtherOriginsNoAccess) {
  const ClientReply reply = Request("OPTIONS", "/v1/chat/completions");

  EXPECT_EQ(reply.status, 204);
  EXPECT_FALSE(reply.headers.contains("access-control-allow-origin"));
}

TEST_F(ServerTest, ShowsAPageThatFetchesNothingFromElsewhere) {
  const ClientReply reply = Request("GET", "/");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_NE(reply.body.find("<title>mimo"), std::string::npos);
  EXPECT_EQ(reply.body.find("src=\"http"), std::string::npos);
  EXPECT_EQ(reply.body.find("https://"), std::string::npos);
}

TEST_F(LoadingServerTest, StatusTellsWhatRunsHereBeforeAndAfterLoading) {
  const Json loading = Request("GET", "/status").json();
  EXPECT_EQ(loading["model"], "");
  EXPECT_EQ(loading["state"], "the model is still loading");

  SetModel();

  const Json ready = Request("GET", "/status").json();
  EXPECT_EQ(ready["model"], "mimo-v2-flash");
  EXPECT_EQ(ready["state"], "ready");
  EXPECT_EQ(ready["context_max"], 4096);
  EXPECT_EQ(ready["requests_running"], 0);
}

TEST_F(ServerTest, HeadHasTheHeadersOfGetAndNoBody) {
  RawClient client(server_->port());
  client.Send("HEAD /health HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n");

  const std::string head = client.ReadUntil("\r\n\r\n");
  const ClientReply get = client.ReadReply();

  EXPECT_NE(head.find("200 OK"), std::string::npos);
  EXPECT_EQ(get.json()["status"], "ok");
}

TEST_F(ServerTest, TokenizesAndBack) {
  const Json tokens = Post("/tokenize", R"({"content":"h\u00e9<|im_end|>"})").json();
  const Json plain = Post("/v1/tokenize", R"({"prompt":"<|im_end|>","parse_special":false})").json();
  const Json pieces = Post("/tokenize", R"({"content":"h\u00e9","with_pieces":true})").json();

  EXPECT_EQ(tokens["tokens"], (Json{0x68, 0xc3, 0xa9, 257}));
  EXPECT_EQ(tokens["count"], 4);
  EXPECT_EQ(plain["count"], 10);
  EXPECT_EQ(pieces["tokens"][0], (Json{{"id", 0x68}, {"piece", "h"}}));
  EXPECT_EQ(pieces["tokens"][1], (Json{{"id", 0xc3}, {"piece", {0xc3}}}));
  EXPECT_EQ(Post("/detokenize", R"({"tokens":[104,195,169,257]})").json()["content"], "h\u00e9<|im_end|>");
}

TEST_F(ServerTest, TokenizesConversationsAsTheyArePrompted) {
  AnswerWith({"ok"});
  const Json tokens = Post("/tokenize", ChatBody()).json();

  EXPECT_EQ(Chat().json()["usage"]["prompt_tokens"], tokens["count"]);
  EXPECT_GT(tokens["count"], 2);
}

TEST_F(ServerTest, RefusesWhatIsNotTokens) {
  EXPECT_EQ(Post("/detokenize", fmt::format(R"({{"tokens":[{}]}})", kTestVocabSize)).status, 400);
  EXPECT_EQ(Post("/detokenize", R"({"tokens":["a"]})").json()["error"]["param"], "tokens");
  EXPECT_EQ(Post("/detokenize", R"({})").status, 400);
  EXPECT_EQ(Post("/tokenize", R"({})").status, 400);
  EXPECT_EQ(Post("/tokenize", R"({"content":5})").json()["error"]["param"], "content");
}

TEST_F(ServerTest, DrainLetsRunningRequestsFinishAndRefusesNewOnes) {
  RawClient client(server_->port());
  client.SendPost("/v1/chat/completions", ChatBody());
  ASSERT_TRUE(engine_->WaitForRequests(1));

  server_->BeginDrain();

  EXPECT_EQ(server_->num_active(), 1U);
  EXPECT_EQ(Request("GET", "/health").status, 503);
  const ClientReply refused = Chat();
  EXPECT_EQ(refused.status, 503);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  for (GenerationEvent& event : EventsOf({"done"}, FinishReason::kStop))
    engine_->Deliver(0, std::move(event));
  EXPECT_EQ(client.ReadReply().json()["choices"][0]["message"]["content"], "done");
}

TEST_F(ServerTest, CancellingTheRunningTellsTheirClients) {
  RawClient whole(server_->port());
  whole.SendPost("/v1/chat/completions", ChatBody());
  RawClient stream(server_->port());
  stream.SendPost("/v1/chat/completions", ChatBody(R"("stream":true)"));
  ASSERT_TRUE(engine_->WaitForRequests(2));

  server_->BeginDrain();
  server_->CancelRunning();

  EXPECT_EQ(whole.ReadReply().status, 503);
  const ClientReply cut = stream.ReadReply();
  EXPECT_NE(cut.body.find("shutting down"), std::string::npos);
  EXPECT_EQ(cut.body.find("[DONE]"), std::string::npos);
  EXPECT_TRUE(engine_->WaitForCancel(0));
  EXPECT_TRUE(engine_->WaitForCancel(1));
}

TEST_F(ServerTest, StopsWhileClientsAreConnected) {
  RawClient idle(server_->port());
  RawClient waiting(server_->port());
  waiting.SendPost("/v1/chat/completions", ChatBody());
  ASSERT_TRUE(engine_->WaitForRequests(1));

  const auto start = std::chrono::steady_clock::now();
  server_.reset();

  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_TRUE(idle.IsClosedByServer());
}

}  // namespace
}  // namespace mimo

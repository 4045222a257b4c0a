#include "server/gate.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "server/server_testutil.h"

namespace mimo {
namespace {

std::string KeyLine(const std::string& name, std::string_view secret, std::string_view settings = "") {
  ApiKey key;
  key.name = name;
  key.hash = HashOfKey(secret);
  return fmt::format("{} {}\n", FormatKeyLine(key), settings);
}

class GateTest : public ServerTest {
 protected:
  GateTest() : path_(testing::TempDir() + fmt::format("gate-keys-{}", getpid())) {
    std::ofstream(path_) << KeyLine("alice", "sk-alice") << KeyLine("boss", "sk-boss", "admin")
                         << KeyLine("slow", "sk-slow", "requests-per-minute=2 tokens-per-minute=5000")
                         << KeyLine("narrow", "sk-narrow", "concurrent=1");
  }
  ~GateTest() override { std::filesystem::remove(path_); }
  void Configure(ApiServerOptions& options) override {
    options.keys_path = path_;
    auto prices = PriceCard::Parse(*ParseJson(
        R"({"currency":"USD","models":{"mimo-v2-flash":{"cached-input":1,"input":10,"output":100}}})"));
    options.prices = *prices;
  }
  ClientReply ChatAs(std::string_view secret, std::string_view more = "") {
    return Post("/v1/chat/completions", ChatBody(more), fmt::format("Authorization: Bearer {}\r\n", secret));
  }
  ClientReply Get(std::string_view path, std::string_view secret) {
    return Request("GET", path, fmt::format("x-api-key: {}\r\n", secret));
  }

  const std::string path_;
};

TEST_F(GateTest, TakesAKeyInAnyOfThreeHeaders) {
  AnswerWith({"ok"});
  for (const char* header :
       {"Authorization: Bearer sk-alice", "authorization: bearer  sk-alice", "api-key: sk-alice",
        "x-api-key: sk-alice", "Authorization: Bearer wrong\r\nx-api-key: sk-alice"}) {
    EXPECT_EQ(Post("/v1/chat/completions", ChatBody(), fmt::format("{}\r\n", header)).status, 200) << header;
  }
  for (const char* header : {"", "Authorization: Bearer wrong\r\n", "Authorization: Basic sk-alice\r\n",
                             "Authorization: Bearer \r\n", "x-api-key: \r\n"}) {
    EXPECT_EQ(Post("/v1/chat/completions", ChatBody(), header).status, 401) << header;
  }
}

TEST_F(GateTest, EveryRouteButTheOpenOnesNeedsAKey) {
  for (const RouteEntry& entry : RouteTable()) {
    const ClientReply reply = entry.method == "GET" ? Request("GET", entry.path) : Post(entry.path, "{}");
    EXPECT_EQ(reply.status == 401, entry.access != RouteAccess::kOpen) << entry.path << " " << reply.status;
    EXPECT_EQ(Request("OPTIONS", entry.path).status, 204) << entry.path;
  }
}

TEST_F(GateTest, RefusesInTheWordsOfTheRoutesClients) {
  const ClientReply open_ai = Post("/v1/chat/completions", "{}");
  EXPECT_EQ(open_ai.json()["error"]["code"], "invalid_api_key");
  EXPECT_EQ(open_ai.json()["error"]["type"], "invalid_request_error");
  EXPECT_EQ(open_ai.headers.at("www-authenticate"), "Bearer");

  const ClientReply anthropic = Post("/anthropic/v1/messages", "{}");
  EXPECT_EQ(anthropic.status, 401);
  EXPECT_EQ(anthropic.json()["type"], "error");
  EXPECT_EQ(anthropic.json()["error"]["type"], "authentication_error");
  EXPECT_EQ(anthropic.json()["request_id"], anthropic.headers.at("request-id"));

  const ClientReply models = Request("GET", "/v1/models", "anthropic-version: 2023-06-01\r\n");
  EXPECT_EQ(models.json()["error"]["type"], "authentication_error");
}

TEST_F(GateTest, AKeyThatIsRemovedStopsWorking) {
  EXPECT_EQ(Get("/v1/models", "sk-alice").status, 200);
  std::ofstream(path_) << KeyLine("bob", "sk-bob");
  server_->Reload();

  EXPECT_EQ(Get("/v1/models", "sk-alice").status, 401);
  EXPECT_EQ(Get("/v1/models", "sk-bob").status, 200);
}

TEST_F(GateTest, TheKeyOwnsTheEnginesRequest) {
  AnswerWith({"ok"});
  ChatAs("sk-boss");

  EXPECT_EQ(engine_->requests().at(0).owner, "boss");
}

TEST_F(GateTest, RequestsPerMinuteAreBoundedAndShown) {
  AnswerWith({"ok"});
  const ClientReply first = ChatAs("sk-slow");
  EXPECT_EQ(first.headers.at("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(first.headers.at("x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(first.headers.at("x-ratelimit-limit-tokens"), "5000");
  EXPECT_EQ(ChatAs("sk-slow").status, 200);

  const ClientReply refused = ChatAs("sk-slow");

  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_EQ(refused.headers.at("x-ratelimit-remaining-requests"), "0");
  const int seconds = std::stoi(refused.headers.at("retry-after"));
  EXPECT_GE(seconds, 25);
  EXPECT_LE(seconds, 30);
  EXPECT_EQ(ChatAs("sk-alice").status, 200);  // others are not held back
  EXPECT_FALSE(ChatAs("sk-alice").headers.contains("x-ratelimit-limit-requests"));
}

TEST_F(GateTest, TokensPerMinuteHoldBackTheNextRequest) {
  engine_->on_submit = [](const GenerationRequest& /*request*/, const EventSink& sink) {
    for (GenerationEvent& event : EventsOf({"ok"}, FinishReason::kStop, /*prompt_tokens=*/6000)) {
      sink(std::move(event));
    }
  };
  EXPECT_EQ(ChatAs("sk-slow").status, 200);

  const ClientReply refused = ChatAs("sk-slow");

  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.json()["error"]["message"].get<std::string>().find("tokens per minute"),
            std::string::npos);
}

TEST_F(GateTest, ConcurrentRequestsAreBounded) {
  RawClient first(server_->port());
  first.SendPost("/v1/chat/completions", ChatBody(), "x-api-key: sk-narrow\r\n");
  ASSERT_TRUE(engine_->WaitForRequests(1));

  EXPECT_EQ(ChatAs("sk-narrow").status, 429);

  for (GenerationEvent& event : EventsOf({"ok"}, FinishReason::kStop)) engine_->Deliver(0, std::move(event));
  EXPECT_EQ(first.ReadReply().status, 200);
  AnswerWith({"ok"});
  EXPECT_EQ(ChatAs("sk-narrow").status, 200);
}

TEST_F(GateTest, CostStandsInTheUsageOfAReply) {
  AnswerWith({"four"});

  const Json usage = ChatAs("sk-alice").json()["usage"];

  // 4 tokens of the prompt came from the cache.
  const auto prompt = usage["prompt_tokens"].get<uint64_t>();
  const auto completion = usage["completion_tokens"].get<uint64_t>();
  EXPECT_EQ(usage["currency"], "USD");
  EXPECT_DOUBLE_EQ(
      usage["cost"].get<double>(),
      (4.0 * 1 + static_cast<double>(prompt - 4) * 10 + static_cast<double>(completion) * 100) / 1e6);
  const auto events = ChatAs("sk-alice", R"("stream":true,"stream_options":{"include_usage":true})").events();
  EXPECT_EQ((*ParseJson(events.at(events.size() - 2)))["usage"], usage);
}

TEST_F(GateTest, UsageIsSummedByKeyAndAKeySeesOnlyItself) {
  AnswerWith({"four"});
  const Json usage = ChatAs("sk-alice").json()["usage"];
  ChatAs("sk-alice");
  ChatAs("sk-boss");

  const Json own = Get("/v1/usage", "sk-alice").json();
  ASSERT_EQ(own["data"].size(), 1U);
  EXPECT_EQ(own["data"][0]["key"], "alice");
  EXPECT_EQ(own["data"][0]["model"], "mimo-v2-flash");
  EXPECT_EQ(own["data"][0]["day"], UsageDay(std::chrono::system_clock::now()));
  EXPECT_EQ(own["data"][0]["requests"], 2);
  EXPECT_EQ(own["data"][0]["prompt_tokens"], 2 * usage["prompt_tokens"].get<int>());
  EXPECT_EQ(own["data"][0]["cached_tokens"], 8);
  EXPECT_DOUBLE_EQ(own["data"][0]["cost"].get<double>(), 2 * usage["cost"].get<double>());
  EXPECT_EQ(own["data"][0]["currency"], "USD");
  EXPECT_EQ(Get("/v1/usage?key=boss", "sk-alice").json(), own);

  const Json all = Get("/v1/usage?group_by=key", "sk-boss").json();
  EXPECT_EQ(all["data"].size(), 2U);
  EXPECT_EQ(all["totals"][0]["requests"], 3);
  EXPECT_EQ(Get("/v1/usage?key=boss&group_by=", "sk-boss").json()["data"][0]["requests"], 1);
  EXPECT_TRUE(Get("/v1/usage?to=2020-01-01", "sk-boss").json()["data"].empty());
  EXPECT_EQ(Get("/v1/usage?from=yesterday", "sk-boss").json()["error"]["param"], "from");
  EXPECT_EQ(Get("/v1/usage?group_by=colour", "sk-boss").status, 400);
}

// However many names clients invent, a pattern has one row for each price.
TEST_F(GateTest, UsageOfAPatternIsKeptUnderThePattern) {
  aliases_ = {{.name = "*"}, {.name = "fast"}};
  Restart();
  AnswerWith({"four"});

  for (const char* name : {"a", "b", "c-thinking"}) {
    const Json reply = ChatAs("sk-alice", fmt::format(R"("model":"{}")", name)).json();
    EXPECT_EQ(reply["model"], name);
    EXPECT_EQ(reply["usage"]["currency"], "USD");
  }
  ChatAs("sk-alice", R"("model":"FAST")");
  ChatAs("sk-alice", R"("model":"mimo-v2-flash-nothink")");

  const Json usage = Get("/v1/usage", "sk-alice").json();
  std::map<std::string, int> requests;
  for (const Json& row : usage["data"]) {
    requests[row["model"].get<std::string>()] = row["requests"].get<int>();
  }
  EXPECT_EQ(requests, (std::map<std::string, int>{{"*", 3}, {"fast", 1}, {"mimo-v2-flash-nothink", 1}}));
}

TEST_F(GateTest, ARequestThatNeverStartedCostsNothing) {
  engine_->submit_error = EngineError({ErrorCode::kResourceExhausted, "the queue is full"}, TryLater{});

  EXPECT_EQ(ChatAs("sk-alice").status, 429);

  EXPECT_TRUE(Get("/v1/usage", "sk-alice").json()["data"].empty());
  EXPECT_NE(Get("/metrics", "sk-alice")
                .body.find("vllm:admission_rejections_total{model_name=\"mimo-v2-flash\"} 1"),
            std::string::npos);
}

TEST_F(GateTest, AClientThatLeavesPaysForWhatWasMade) {
  {
    RawClient client(server_->port());
    client.SendPost("/v1/chat/completions", ChatBody(R"("stream":true)"), "x-api-key: sk-alice\r\n");
    ASSERT_TRUE(engine_->WaitForRequests(1));
    std::vector<GenerationEvent> events = EventsOf({"abc", "def"}, FinishReason::kStop);
    engine_->Deliver(0, events[0]);
    client.ReadUntil("abc");
    engine_->Deliver(0, events[1]);  // made, though nobody reads it
  }
  ASSERT_TRUE(engine_->WaitForCancel(0));
  engine_->ForgetSinks();

  Json data = Json::array();
  for (int i = 0; i < 200 && data.empty(); ++i) {
    usleep(10'000);
    data = Get("/v1/usage", "sk-alice").json()["data"];
  }
  ASSERT_EQ(data.size(), 1U);
  EXPECT_EQ(data[0]["completion_tokens"], 6);
}

TEST_F(GateTest, StatusShowsTheKeysUsageOfToday) {
  AnswerWith({"ok"});
  ChatAs("sk-alice");
  ChatAs("sk-boss");

  EXPECT_EQ(Get("/status", "sk-alice").json()["usage_today"].size(), 1U);
  const Json status = Get("/status", "sk-boss").json();
  EXPECT_EQ(status["usage_today"].size(), 2U);
  EXPECT_GT(status["cache_hit_rate"].get<double>(), 0.0);
}

TEST_F(GateTest, CountsWhatClientsLeaveOutAndAskInVain) {
  AnswerWith({"ok"});
  const std::string body = R"({"enable_thinking":true,"messages":[{"role":"user","content":"hi"},
      {"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"a","content":"done"}],
      "tools":[{"type":"web_search"},{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]})";
  EXPECT_EQ(Post("/v1/chat/completions", body, "x-api-key: sk-alice\r\n").status, 200);

  const std::string metrics = Get("/metrics", "sk-alice").body;
  EXPECT_NE(metrics.find("mimo:missing_reasoning_replays_total{model_name=\"mimo-v2-flash\"} 1"),
            std::string::npos);
  EXPECT_NE(metrics.find("mimo:hosted_tools_skipped_total{model_name=\"mimo-v2-flash\"} 1"),
            std::string::npos);
}

class OpenMetricsTest : public GateTest {
 protected:
  void Configure(ApiServerOptions& options) override {
    GateTest::Configure(options);
    options.open_metrics = true;
  }
};

TEST_F(OpenMetricsTest, MetricsNeedNoKeyWhereConfigured) {
  EXPECT_EQ(Request("GET", "/metrics").status, 200);
  EXPECT_EQ(Request("GET", "/v1/usage").status, 401);
}

TEST_F(ServerTest, WithoutAKeyFileEverybodyMayDoEverything) {
  AnswerWith({"ok"});
  EXPECT_EQ(Chat().status, 200);

  const Json usage = Request("GET", "/v1/usage").json();
  EXPECT_EQ(usage["data"][0]["requests"], 1);
  EXPECT_EQ(usage["data"][0]["key"], nullptr);
  EXPECT_EQ(usage["data"][0]["currency"], "CNY");  // the published price of the test's model name
}

class CorsTest : public GateTest {
 protected:
  void Configure(ApiServerOptions& options) override {
    GateTest::Configure(options);
    options.cors_origins = {"https://chat.example"};
  }
};

TEST_F(CorsTest, PreflightWorksWithoutAKeyForListedOriginsOnly) {
  const ClientReply reply =
      Request("OPTIONS", "/v1/chat/completions",
              "Origin: https://chat.example\r\nAccess-Control-Request-Method: POST\r\n"
              "Access-Control-Request-Headers: authorization, content-type, x-stainless-os\r\n");
  EXPECT_EQ(reply.status, 204);
  EXPECT_EQ(reply.headers.at("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(reply.headers.at("access-control-allow-headers"), "authorization, content-type, x-stainless-os");
  EXPECT_NE(reply.headers.at("access-control-allow-methods").find("POST"), std::string::npos);
  EXPECT_FALSE(reply.headers.contains("access-control-allow-credentials"));

  const ClientReply other = Request("OPTIONS", "/v1/chat/completions", "Origin: https://evil.example\r\n");
  EXPECT_FALSE(other.headers.contains("access-control-allow-origin"));
  EXPECT_FALSE(other.headers.contains("access-control-allow-headers"));
}

TEST_F(CorsTest, RepliesAndRefusalsCarryTheHeader) {
  const ClientReply refused = Request("GET", "/v1/models", "Origin: https://chat.example\r\n");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers.at("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(refused.headers.at("vary"), "Origin");
}

}  // namespace
}  // namespace mimo

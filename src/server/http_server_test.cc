#include "server/http_server.h"

#include "server/server_testutil.h"

namespace mimo {
namespace {

using HttpServerTest = ServerTest;

TEST_F(HttpServerTest, SecondServerOnOnePortIsAnErrorThatSaysSo) {
  ApiServerOptions options;
  options.http.port = server_->port();

  const auto second = ApiServer::Start(options);

  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos) << second.error().message;
}

TEST_F(HttpServerTest, UnknownHostIsAnError) {
  ApiServerOptions options;
  options.http.host = "256.256.256.256";
  options.http.port = 0;

  EXPECT_FALSE(ApiServer::Start(options).has_value());
}

TEST_F(HttpServerTest, RefusesABodyTooLargeBeforeReadingIt) {
  RawClient client(server_->port());
  client.Send("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{");

  const ClientReply reply = client.ReadReply();

  EXPECT_EQ(reply.status, 413);
  EXPECT_TRUE(reply.json()["error"]["message"].is_string());
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

TEST_F(HttpServerTest, ClientThatSendsATooLargeBodyCanReadTheRefusal) {
  const ClientReply reply = Post("/v1/chat/completions", std::string(3 << 20, ' '));

  EXPECT_EQ(reply.status, 413);
}

TEST_F(HttpServerTest, BoundsAChunkedBody) {
  RawClient client(server_->port());
  client.Send("POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) client.Send("10000\r\n" + std::string(0x10000, ' ') + "\r\n");

  EXPECT_EQ(client.ReadReply().status, 413);
}

TEST_F(HttpServerTest, ReadsAChunkedBody) {
  AnswerWith({"ok"});
  const std::string body = ChatBody();
  RawClient client(server_->port());
  client.Send("POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.Send(
      fmt::format("5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", body.substr(0, 5), body.size() - 5, body.substr(5)));

  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(HttpServerTest, AnswersExpectContinueBeforeTheBody) {
  AnswerWith({"ok"});
  const std::string body = ChatBody();
  RawClient client(server_->port());
  client.Send(
      fmt::format("POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
                  body.size()));

  EXPECT_NE(client.ReadUntil("\r\n\r\n").find("100 Continue"), std::string::npos);
  client.Send(body);
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(HttpServerTest, RefusesExpectContinueOfABodyTooLarge) {
  RawClient client(server_->port());
  client.Send(
      "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");

  EXPECT_EQ(client.ReadReply().status, 413);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  AnswerWith({"ok"});
  RawClient client(server_->port());
  const std::string body = ChatBody();
  const std::string post =
      fmt::format("POST /chat/completions HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
  client.Send("GET /health HTTP/1.1\r\n\r\n" + post + "GET /v1/models HTTP/1.1\r\n\r\n");

  EXPECT_EQ(client.ReadReply().json()["status"], "ok");
  EXPECT_EQ(client.ReadReply().json()["object"], "chat.completion");
  EXPECT_EQ(client.ReadReply().json()["object"], "list");
}

TEST_F(HttpServerTest, KeepsAConnectionForManyRequests) {
  RawClient client(server_->port());

  for (int i = 0; i < 20; ++i) {
    client.Send("GET /health HTTP/1.1\r\n\r\n");
    ASSERT_EQ(client.ReadReply().status, 200) << i;
  }
}

TEST_F(HttpServerTest, PostWithoutABodyIsAnsweredAtOnce) {
  const auto start = std::chrono::steady_clock::now();

  const ClientReply reply = Request("POST", "/v1/chat/completions");

  EXPECT_EQ(reply.status, 400);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(HttpServerTest, AnswersMalformedHttpWithJson) {
  for (const char* request :
       {"NONSENSE\r\n\r\n", "GET /health HTTP/9\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"}) {
    RawClient client(server_->port());
    client.Send(request);
    const ClientReply reply = client.ReadReply();
    EXPECT_EQ(reply.status, 400) << request;
    EXPECT_TRUE(reply.json().contains("error")) << request;
  }
}

TEST_F(HttpServerTest, RefusesMediaTypesAndEncodingsItCannotRead) {
  for (const char* header : {"Content-Type: multipart/form-data; boundary=x", "Content-Encoding: compress"}) {
    RawClient client(server_->port());
    client.SendPost("/v1/chat/completions", "{}", fmt::format("{}\r\n", header));
    EXPECT_EQ(client.ReadReply().status, 415) << header;
  }
}

// A zstd frame of one block, at most 255 bytes, which is stored as it is.
std::string StoredZstd(std::string_view text) {
  std::string frame("\x28\xb5\x2f\xfd\x20", 5);
  frame += static_cast<char>(text.size());
  const auto header = static_cast<uint32_t>(text.size() << 3 | 1);
  for (int shift = 0; shift < 24; shift += 8) frame += static_cast<char>(header >> shift & 0xff);
  return frame + std::string(text);
}

// A zstd frame of blocks of 128 KiB that are one byte repeated: four bytes each.
std::string ZstdBomb(int num_blocks) {
  std::string frame("\x28\xb5\x2f\xfd\x00\x58", 6);
  for (int i = 0; i < num_blocks; ++i) {
    const uint32_t header = uint32_t{128} << 10 << 3 | 1 << 1 | (i + 1 == num_blocks ? 1 : 0);
    for (int shift = 0; shift < 24; shift += 8) frame += static_cast<char>(header >> shift & 0xff);
    frame += ' ';
  }
  return frame;
}

TEST_F(HttpServerTest, ReadsABodyCompressedWithZstd) {
  AnswerWith({"ok"});
  const std::string body = StoredZstd(ChatBody());

  EXPECT_EQ(Post("/v1/chat/completions", body, "Content-Encoding: zstd\r\n").status, 200);
  // Two frames in a row are one text.
  const std::string two = StoredZstd(ChatBody().substr(0, 9)) + StoredZstd(ChatBody().substr(9));
  EXPECT_EQ(Post("/v1/chat/completions", two, "Content-Encoding: zstd\r\n").status, 200);
}

TEST_F(HttpServerTest, BoundsAndChecksABodyCompressedWithZstd) {
  const std::string body = StoredZstd(ChatBody());
  const auto status = [this](const std::string& bytes) {
    return Post("/v1/chat/completions", bytes, "Content-Encoding: zstd\r\n").status;
  };
  EXPECT_EQ(status(ZstdBomb(9)), 413);  // 1,152 KiB out of 42 bytes; the limit is 1 MiB
  EXPECT_EQ(status(body.substr(0, body.size() - 1)), 400);
  EXPECT_EQ(status("not zstd"), 400);
  EXPECT_EQ(status(body + "x"), 400);
}

TEST_F(HttpServerTest, ShowsHandlersHeadersAndQuery) {
  HttpServerOptions options;
  options.port = 0;
  auto server = HttpServer::Start(
      options,
      [](const HttpRequest& request) {
        HttpReply reply;
        reply.body = DumpJson(Json{{"header", request.Header("x-a")},
                                   {"query", request.Query("q").value_or("none")},
                                   {"other", request.Query("r").has_value()}});
        return reply;
      },
      [](int status, std::string_view reason) { return ErrorReply(status, reason); });
  ASSERT_TRUE(server.has_value());
  RawClient client((*server)->port());
  client.Send("GET /a?q=b%20c HTTP/1.1\r\nX-A: 1\r\n\r\n");

  EXPECT_EQ(client.ReadReply().json(), (Json{{"header", "1"}, {"query", "b c"}, {"other", false}}));
}

TEST_F(HttpServerTest, BoundsTheHeaders) {
  RawClient client(server_->port());
  client.Send("GET /health HTTP/1.1\r\n");
  for (int i = 0; i < 100; ++i) client.Send("X-Long: " + std::string(4000, 'a') + "\r\n");

  EXPECT_TRUE(client.IsClosedByServer());
}

TEST_F(HttpServerTest, EchoesAPlainRequestIdAndReplacesAHostileOne) {
  RawClient client(server_->port());
  client.Send("GET /health HTTP/1.1\r\nX-Request-Id: abc-1\r\n\r\n");
  EXPECT_EQ(client.ReadReply().headers.at("x-request-id"), "abc-1");
  client.Send("GET /health HTTP/1.1\r\nX-Request-Id: a b\tc\r\n\r\n");
  EXPECT_TRUE(client.ReadReply().headers.at("x-request-id").starts_with("req_"));
}

TEST_F(HttpServerTest, ClosesWhenAskedInAnyCase) {
  RawClient client(server_->port());
  client.Send("GET /health HTTP/1.1\r\nConnection: Close\r\n\r\n");

  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_TRUE(client.IsClosedByServer());
}

TEST(HttpServer, RefusesConnectionsBeyondItsLimitAtOnce) {
  HttpServerOptions options;
  options.port = 0;
  options.connections_max = 2;
  auto server = HttpServer::Start(
      options, [](const HttpRequest& /*request*/) { return HttpReply{}; },
      [](int status, std::string_view reason) { return ErrorReply(status, reason); });
  ASSERT_TRUE(server.has_value());
  RawClient first((*server)->port());
  RawClient second((*server)->port());
  for (RawClient* client : {&first, &second}) {
    client->Send("GET / HTTP/1.1\r\n\r\n");
    ASSERT_EQ(client->ReadReply().status, 200);
  }

  RawClient third((*server)->port());

  EXPECT_EQ(third.ReadReply().status, 503);
}

}  // namespace
}  // namespace mimo

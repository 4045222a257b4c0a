// The input is what a client sends on one connection: any number of requests, cut off anywhere. It goes
// through the real server, from the socket to the routes that need no model, and the connection must come to
// its end.

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "server/api_error.h"
#include "server/http_server.h"

namespace mimo {
namespace {

// Answers what it was asked, so that a request's parts come out again.
HttpReply Echo(const HttpRequest& request) {
  HttpReply reply;
  reply.body = DumpJson(Json{{"method", request.method}, {"path", request.path}, {"body", request.body}});
  for (const auto& [name, value] : request.headers) {
    MIMO_CHECK(value.find('\n') == std::string::npos);
    MIMO_CHECK(request.Header(name) == request.Header(name));
  }
  if (request.method == "OPTIONS") {
    reply.stream = [body = reply.body](HttpStreamWriter& writer) { return writer.Write(body); };
  }
  return reply;
}

HttpServer& Server() {
  static const std::unique_ptr<HttpServer> kServer = [] {
    SetLogLevel(LogLevel::kError);
    HttpServerOptions options;
    options.port = 0;
    options.body_bytes_max = 1 << 20;
    // A client that is silent has said all: nothing waits.
    options.header_timeout = std::chrono::seconds(0);
    options.read_timeout = std::chrono::seconds(0);
    options.keep_alive_timeout = std::chrono::seconds(0);
    auto started = HttpServer::Start(
        options, Echo, [](int status, std::string_view reason) { return ErrorReply(status, reason); });
    MIMO_CHECK(started.has_value());
    return std::move(*started);
  }();
  return *kServer;
}

}  // namespace
}  // namespace mimo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  HttpServer& server = Server();
  std::array<int, 2> ends = {};
  MIMO_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  // The reply may be longer than the socket's buffer.
  std::thread client([socket = ends[0], data, size] {
    for (size_t at = 0; at < size;) {
      const ssize_t sent = send(socket, data + at, size - at, MSG_NOSIGNAL);
      if (sent <= 0) break;
      at += static_cast<size_t>(sent);
    }
    shutdown(socket, SHUT_WR);
    std::array<char, 4096> reply;
    while (recv(socket, reply.data(), reply.size(), 0) > 0) {
    }
    close(socket);
  });
  server.ServeConnection(ends[1]);
  client.join();
  return 0;
}

#pragma once
// HTTP/1.1 behind a narrow interface, so that nothing else knows which library parses the bytes. The library,
// what it lacks and how this file makes up for it: docs/decisions/0006-http-server.md.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace mimo {

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                               // 0 = any free one
  uint64_t body_bytes_max = uint64_t{64} << 20;  // after decompression; beyond it 413
  uint64_t header_bytes_max = 64 << 10;          // request line and headers together
  uint32_t connections_max = 512;                // one thread each, started on demand; beyond it 503 at once
  std::chrono::seconds header_timeout{10};       // from the first byte of a request to the end of its headers
  std::chrono::seconds read_timeout{30};         // silence within a request body
  std::chrono::seconds write_timeout{30};        // a client that takes no bytes for this long is gone
  std::chrono::seconds keep_alive_timeout{30};   // an idle connection is closed after this
  std::string tls_certificate;                   // PEM file with the chain; empty: plain HTTP
  std::string tls_key;                           // PEM file
};

// Tells whether the client is still there. Valid while its request is being handled.
class HttpPeer {
 public:
  virtual ~HttpPeer() = default;
  // False after the client closed its side or the connection broke; never waits. A client that only
  // half-closes its sending side counts as gone: the two cannot be told apart before something is written.
  virtual bool IsConnected() const = 0;
};

struct HttpRequest {
  using Fields = std::vector<std::pair<std::string, std::string>>;

  std::string method;
  std::string path;  // percent-decoded, without the query
  std::string body;
  std::string id;  // the client's x-request-id if it is a plain short word, else a new one
  Fields headers;  // names in lower case, in no order
  Fields query;    // percent-decoded
  const HttpPeer* peer = nullptr;

  // The first header of that name, which is in lower case; empty when there is none.
  std::string_view Header(std::string_view name) const;
  // The first parameter of that name.
  std::optional<std::string> Query(std::string_view name) const;
};

// Takes the pieces of a streamed reply.
class HttpStreamWriter {
 public:
  virtual ~HttpStreamWriter() = default;
  // Blocks while the client is slow, up to write_timeout. False when the client is gone: stop then.
  virtual bool Write(std::string_view bytes) = 0;
  virtual bool IsConnected() const = 0;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // When set, `body` is unused: called once on the connection's thread, writes everything and returns false
  // if the reply must be cut off instead of ended properly.
  std::function<bool(HttpStreamWriter& writer)> stream;
};

// Connections run on their own threads; the handler is called from many of them at once.
class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpRequest& request)>;
  // Makes the reply for what fails below the handler: malformed HTTP, bodies too large.
  using ErrorReply = std::function<HttpReply(int status, std::string_view reason)>;

  // Binds, listens and starts to accept. kUnavailable names the address and the cause (port in use, ...);
  // kInvalidArgument a certificate or key that cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options, Handler handler,
                                                   ErrorReply error_reply);
  // Stops accepting, breaks every open connection and joins their threads. Handlers must return soon: end
  // what they wait for first.
  virtual ~HttpServer() = default;

  virtual int port() const = 0;

  // Reads certificate and key again, for connections that come. On an error the old ones stay. Ok without
  // TLS.
  virtual Status ReloadCertificate() = 0;

  // Serves a connection that was accepted elsewhere on the calling thread, to its end, and closes it.
  virtual void ServeConnection(int socket) = 0;
};

}  // namespace mimo

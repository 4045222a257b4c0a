// cpp-httplib 0.11 gives the accept loop, request parsing, chunked and compressed bodies, and response
// headers. The connection's own input and output are here: the library's loses pipelined bytes between
// requests, reads headers without a limit, and cannot tell a waiting handler that its client has gone.

#include "server/http_server.h"

#include <httplib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "server/socket_io.h"

namespace mimo {
namespace {

constexpr size_t kReadBufferBytes = 16384;
constexpr int kListenBacklog = 512;
// What a refused client may still be sending while we wait for it to read the refusal.
constexpr size_t kDrainBytesMax = size_t{8} << 20;
constexpr std::chrono::milliseconds kDrainTimeout{1000};

// One connection, for all of its requests. Used by one thread.
class ConnectionStream final : public httplib::Stream, public HttpPeer {
 public:
  ConnectionStream(int socket, const HttpServerOptions& options) : socket_(socket), options_(options) {
    buffer_.resize(kReadBufferBytes);
  }

  // Waits for the first byte of the next request; false when none comes in time.
  bool WaitForRequest() {
    return HasBufferedInput() || WaitReadable(socket_, options_.keep_alive_timeout) == SocketReady::kYes;
  }
  void BeginHeaders() {
    in_headers_ = true;
    header_bytes_left_ = options_.header_bytes_max;
    header_deadline_ = std::chrono::steady_clock::now() + options_.header_timeout;
    close_after_reply_ = false;
    refusal_ = 0;
    has_body_ = false;
  }
  // From here on reads belong to the body.
  void BeginBody(bool has_body) {
    in_headers_ = false;
    has_body_ = has_body;
  }

  bool IsConnected() const override { return HasBufferedInput() || !PeerHasClosed(socket_); }

  bool is_readable() const override {
    return HasBufferedInput() || WaitReadable(socket_, ReadTimeout()) == SocketReady::kYes;
  }
  bool is_writable() const override {
    return WaitWritable(socket_, options_.write_timeout) == SocketReady::kYes && IsConnected();
  }

  ssize_t read(char* data, size_t size) override {
    if (in_headers_ && header_bytes_left_ < size) return -1;
    if (!HasBufferedInput() && !FillBuffer()) return buffer_result_;
    const size_t taken = std::min(size, buffer_end_ - buffer_begin_);
    std::memcpy(data, buffer_.data() + buffer_begin_, taken);
    buffer_begin_ += taken;
    if (in_headers_) header_bytes_left_ -= taken;
    return static_cast<ssize_t>(taken);
  }

  ssize_t write(const char* data, size_t size) override {
    for (;;) {
      if (WaitWritable(socket_, options_.write_timeout) != SocketReady::kYes) return -1;
      const ssize_t sent = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) return sent;
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return -1;
    }
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return socket_; }

  // The status with which this request is answered before its body is read; 0 = go on.
  int refusal() const { return refusal_; }
  bool has_body() const { return has_body_; }
  // True until a request's headers were read and understood.
  bool in_headers() const { return in_headers_; }
  bool close_after_reply() const { return close_after_reply_; }
  void Refuse(int status) {
    refusal_ = status;
    close_after_reply_ = true;
  }
  void CloseAfterReply() { close_after_reply_ = true; }

 private:
  bool HasBufferedInput() const { return buffer_begin_ < buffer_end_; }
  std::chrono::milliseconds ReadTimeout() const {
    if (!in_headers_) return options_.read_timeout;
    const auto left = header_deadline_ - std::chrono::steady_clock::now();
    return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(left));
  }
  bool FillBuffer() {
    buffer_begin_ = 0;
    buffer_end_ = 0;
    buffer_result_ = -1;
    if (WaitReadable(socket_, ReadTimeout()) != SocketReady::kYes) return false;
    buffer_result_ = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (buffer_result_ <= 0) return false;
    buffer_end_ = static_cast<size_t>(buffer_result_);
    return true;
  }

  const int socket_;
  const HttpServerOptions& options_;
  std::vector<char> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
  ssize_t buffer_result_ = 0;  // of the last recv
  bool in_headers_ = true;
  uint64_t header_bytes_left_ = 0;
  std::chrono::steady_clock::time_point header_deadline_;
  bool close_after_reply_ = false;
  int refusal_ = 0;
  bool has_body_ = false;
};

// The library passes handlers a request without its connection; each connection has its thread, so this finds
// it.
thread_local ConnectionStream* current_connection = nullptr;
// Set while the accepting thread itself runs a connection because no thread is left for it.
thread_local bool refuse_connection = false;

// Starts a thread when none is idle. Never queues: a connection that waits unseen would look like a hang.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(uint32_t threads_max) : threads_max_(threads_max) {}

  void enqueue(std::function<void()> task) override {
    std::unique_lock lock(mutex_);
    if (tasks_.size() >= idle_) {
      if (threads_.size() >= threads_max_) {
        lock.unlock();
        refuse_connection = true;
        task();
        refuse_connection = false;
        return;
      }
      threads_.emplace_back([this] { Work(); });
    }
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const uint32_t threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

bool EqualsIgnoringCase(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
}

// What the headers say about the body. `refusal` is an HTTP status, 0 when the request may go on.
struct BodyVerdict {
  int refusal = 0;
  bool has_body = false;
};

BodyVerdict JudgeBody(const httplib::Request& request, uint64_t body_bytes_max) {
  const size_t lengths = request.get_header_value_count("Content-Length");
  if (request.has_header("Transfer-Encoding")) {
    // Both at once is how requests are smuggled past proxies (RFC 9112, 6.3).
    if (lengths > 0) return {.refusal = 400};
    if (!EqualsIgnoringCase(request.get_header_value("Transfer-Encoding"), "chunked"))
      return {.refusal = 501};
  } else if (lengths == 0) {
    return {};
  } else {
    const std::string text = request.get_header_value("Content-Length");
    uint64_t length = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
    if (lengths > 1 || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      return {.refusal = 400};
    }
    if (length > body_bytes_max) return {.refusal = 413};
    if (length == 0) return {};
  }
  const std::string encoding = request.get_header_value("Content-Encoding");
  if (!encoding.empty() && encoding != "gzip" && encoding != "deflate" && encoding != "br" &&
      encoding != "identity") {
    return {.refusal = 415};
  }
  // No route takes forms, and the library keeps those in memory without our limit.
  if (request.is_multipart_form_data()) return {.refusal = 415};
  return {.has_body = true};
}

std::string_view ReasonFor(int status) {
  switch (status) {
    case 400:
      return "the request is not well-formed HTTP/1.1";
    case 413:
      return "the request body is larger than this server accepts";
    case 414:
      return "the request's path is too long";
    case 415:
      return "this media type or content encoding is not accepted: send JSON, plain or compressed with gzip "
             "or br";
    case 416:
      return "the Range header is not well-formed";
    case 500:
      return "the server failed to handle the request";
    case 501:
      return "this transfer encoding is not accepted: send chunked or a Content-Length";
    case 503:
      return "too many connections are open: try again in a moment";
    default:
      return "the request was refused";
  }
}

std::string NewRequestId() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return fmt::format("req_{:016x}{:016x}", generator(), generator());
}

// A client's own id is echoed, so it must not be able to break a header or a log line.
std::string RequestIdOf(const httplib::Request& request) {
  std::string id = request.get_header_value("x-request-id");
  const bool plain = !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  });
  return plain ? id : NewRequestId();
}

class SinkWriter final : public HttpStreamWriter {
 public:
  SinkWriter(httplib::DataSink& sink, const ConnectionStream& connection)
      : sink_(sink), connection_(connection) {}
  // An empty piece would end the library's loop.
  bool Write(std::string_view bytes) override {
    return bytes.empty() || sink_.write(bytes.data(), bytes.size());
  }
  bool IsConnected() const override { return connection_.IsConnected(); }

 private:
  httplib::DataSink& sink_;
  const ConnectionStream& connection_;
};

class HttplibServer final : public HttpServer, private httplib::Server {
 public:
  HttplibServer(const HttpServerOptions& options, HttpServer::Handler handler, ErrorReply error_reply)
      : options_(options), handler_(std::move(handler)), error_reply_(std::move(error_reply)) {
    new_task_queue = [this] { return new ConnectionThreads(options_.connections_max); };
    // The library's default is SO_REUSEPORT, with which a second server on the same port starts without an
    // error and takes half of the connections.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return HandleWithoutBody(request, response);
    });
    Post(R"([\s\S]*)",
         [this](const httplib::Request& request, httplib::Response& response,
                const httplib::ContentReader& reader) { HandleBody(request, response, reader); });
    set_expect_100_continue_handler([](const httplib::Request& /*request*/, httplib::Response& response) {
      const int refusal = current_connection->refusal();
      if (refusal == 0) return 100;
      response.status = refusal;
      return refusal;
    });
    set_error_handler(httplib::Server::HandlerWithResponse(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (!response.body.empty()) return HandlerResponse::Unhandled;
          Send(request, error_reply_(response.status, ReasonFor(response.status)), response);
          if (current_connection->in_headers()) response.set_header("Connection", "close");
          return HandlerResponse::Handled;
        }));
    set_exception_handler([](const httplib::Request& /*request*/, httplib::Response& response,
                             const std::exception_ptr& /*cause*/) { response.status = 500; });
  }

  ~HttplibServer() override {
    if (!accepting_.joinable()) return;
    // stop() does nothing before the accepting thread has come to its loop.
    while (!is_running() && svr_sock_ != INVALID_SOCKET)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
    }
    accepting_.join();
  }

  Status Listen() {
    errno = 0;
    if (options_.port == 0) {
      port_ = bind_to_any_port(options_.host);
    } else {
      port_ = bind_to_port(options_.host, options_.port) ? options_.port : -1;
    }
    if (port_ < 0) {
      const int cause = errno;
      return Unavailable("cannot listen ({}:{}): {}", options_.host, options_.port,
                         cause == EADDRINUSE
                             ? "the port is in use, choose another with --port"
                             : fmt::format("{}, check --host and --port",
                                           cause == 0 ? "unknown host" : std::strerror(cause)));
    }
    // The library asks for 5 waiting connections; a burst of clients would wait for retransmissions.
    ::listen(svr_sock_, kListenBacklog);
    accepting_ = std::thread([this] { listen_after_bind(); });
    return {};
  }

  int port() const override { return port_; }

 private:
  // Replaces the library's: the whole life of one connection.
  bool process_and_close_socket(socket_t socket) override {
    ConnectionStream connection(socket, options_);
    if (refuse_connection || !Register(socket)) {
      RefuseConnection(connection);
      return false;
    }
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    current_connection = &connection;
    bool keep = true;
    while (keep && svr_sock_ != INVALID_SOCKET && connection.WaitForRequest()) {
      connection.BeginHeaders();
      bool closed_by_client = false;
      keep = process_request(connection, /*close_connection=*/false, closed_by_client,
                             [&](httplib::Request& request) { PrepareRequest(request, connection); });
      // After headers that could not be read nobody knows where the next request begins.
      keep = keep && !closed_by_client && !connection.close_after_reply() && !connection.in_headers();
    }
    current_connection = nullptr;
    Unregister(socket);
    CloseAfterDraining(socket, kDrainBytesMax, kDrainTimeout);
    return true;
  }

  bool Register(int socket) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    sockets_.insert(socket);
    return true;
  }
  void Unregister(int socket) {
    const std::lock_guard lock(mutex_);
    sockets_.erase(socket);
  }

  // Runs on the accepting thread: one short write into an empty socket buffer, which cannot block.
  void RefuseConnection(ConnectionStream& connection) {
    const HttpReply reply = error_reply_(503, ReasonFor(503));
    const std::string text = fmt::format(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {}\r\nContent-Length: {}\r\nRetry-After: 1\r\n"
        "Connection: close\r\n\r\n{}",
        reply.content_type, reply.body.size(), reply.body);
    connection.write(text.data(), text.size());
    CloseAfterDraining(connection.socket(), 0, std::chrono::milliseconds(0));
  }

  // After the headers, before the body: decides what may be read.
  void PrepareRequest(httplib::Request& request, ConnectionStream& connection) const {
    BodyVerdict verdict = JudgeBody(request, options_.body_bytes_max);
    connection.BeginBody(verdict.has_body);
    if (verdict.refusal != 0) connection.Refuse(verdict.refusal);
    // Only POST has routes that read a body; another method's body is left unread.
    if (verdict.has_body && request.method != "POST") connection.CloseAfterReply();
    if (EqualsIgnoringCase(request.get_header_value("Connection"), "close") ||
        request.version == "HTTP/1.0") {
      connection.CloseAfterReply();
    }
    if (connection.close_after_reply()) {
      request.headers.erase("Connection");
      request.headers.emplace("Connection", "close");  // the library copies it into the reply
    }
    request.headers.erase("Accept-Encoding");  // replies are small and event streams must not be delayed
    request.ranges.clear();
  }

  HandlerResponse HandleWithoutBody(const httplib::Request& request, httplib::Response& response) {
    if (current_connection->refusal() != 0) {
      response.status = current_connection->refusal();
      return HandlerResponse::Handled;
    }
    // Without this the library would read a POST without a length until the client closes.
    if (current_connection->has_body() && request.method == "POST") return HandlerResponse::Unhandled;
    Respond(request, {}, response);
    return HandlerResponse::Handled;
  }

  void HandleBody(const httplib::Request& request, httplib::Response& response,
                  const httplib::ContentReader& reader) {
    std::string body;
    bool too_large = false;
    const bool complete = reader([&](const char* data, size_t size) {
      too_large = body.size() + size > options_.body_bytes_max;
      if (!too_large) body.append(data, size);
      return !too_large;
    });
    if (!complete) {
      response.status = too_large ? 413 : 400;
      current_connection->CloseAfterReply();
      return;
    }
    Respond(request, std::move(body), response);
  }

  void Respond(const httplib::Request& request, std::string body, httplib::Response& response) {
    const HttpRequest own{.method = request.method,
                          .path = request.path,
                          .body = std::move(body),
                          .id = RequestIdOf(request),
                          .peer = current_connection};
    HttpReply reply = handler_(own);
    reply.headers.emplace_back("x-request-id", own.id);
    reply.headers.emplace_back("request-id", own.id);  // Anthropic's name
    Send(request, std::move(reply), response);
  }

  static void Send(const httplib::Request& request, HttpReply reply, httplib::Response& response) {
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name, value);
    if (!response.has_header("x-request-id")) response.set_header("x-request-id", RequestIdOf(request));
    if (!reply.stream) {
      response.set_content(reply.body, reply.content_type);
      return;
    }
    // The library checks between calls whether it is being stopped and would cut the stream there without an
    // end; so one call writes it all.
    auto provider = [stream = std::move(reply.stream)](size_t /*offset*/, httplib::DataSink& sink) {
      SinkWriter writer(sink, *current_connection);
      if (!stream(writer)) return false;
      sink.done();
      return true;
    };
    if (request.version == "HTTP/1.0") {  // knows no chunks: the end of the connection ends the body
      response.set_content_provider(reply.content_type, std::move(provider));
    } else {
      response.set_chunked_content_provider(reply.content_type, std::move(provider));
    }
  }

  const HttpServerOptions options_;
  const HttpServer::Handler handler_;
  const ErrorReply error_reply_;
  int port_ = -1;
  std::thread accepting_;
  std::mutex mutex_;
  bool stopping_ = false;
  std::set<int> sockets_;  // open connections
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options, Handler handler,
                                                      ErrorReply error_reply) {
  auto server = std::make_unique<HttplibServer>(options, std::move(handler), std::move(error_reply));
  MIMO_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace mimo

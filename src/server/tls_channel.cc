#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "server/byte_channel.h"
#include "server/socket_io.h"

namespace mimo {
namespace {

using SslPointer = std::unique_ptr<SSL, decltype(&SSL_free)>;
using Clock = std::chrono::steady_clock;

// What clients that offer HTTP/2 first are told is spoken here: a length and a name.
constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

std::string LastReason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown cause" : reason;
}

class TlsChannel final : public ByteChannel {
 public:
  TlsChannel(SslPointer ssl, int socket, std::shared_ptr<SSL_CTX> context)
      : context_(std::move(context)), ssl_(std::move(ssl)), socket_(socket) {}

  bool Handshake(std::chrono::milliseconds timeout) {
    return Repeat(timeout, [this] { return SSL_accept(ssl_.get()); }) == 1;
  }

  ssize_t Read(char* data, size_t size, std::chrono::milliseconds timeout) override {
    const int wanted = static_cast<int>(std::min<size_t>(size, kPieceBytesMax));
    return Repeat(timeout, [&] { return SSL_read(ssl_.get(), data, wanted); });
  }
  ssize_t Write(const char* data, size_t size, std::chrono::milliseconds timeout) override {
    if (size == 0) return 0;
    const int piece = static_cast<int>(std::min<size_t>(size, kPieceBytesMax));
    const ssize_t written = Repeat(timeout, [&] { return SSL_write(ssl_.get(), data, piece); });
    return written > 0 ? written : -1;
  }
  bool WaitReadable(std::chrono::milliseconds timeout) override {
    return SSL_pending(ssl_.get()) > 0 || mimo::WaitReadable(socket_, timeout) == SocketReady::kYes;
  }
  bool PeerHasClosed() override {
    char byte = 0;
    ERR_clear_error();
    const int result = SSL_peek(ssl_.get(), &byte, 1);  // does not wait: the socket does not block
    if (result > 0) return false;
    const int error = SSL_get_error(ssl_.get(), result);
    return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
  }
  void Finish() override {
    if (!failed_) SSL_shutdown(ssl_.get());
    shutdown(socket_, SHUT_WR);
  }

 private:
  static constexpr size_t kPieceBytesMax = size_t{1} << 20;

  // Until it is done or the time is over. > 0: done; 0: the other side ended properly; -1: anything else.
  template <typename Operation>
  int Repeat(std::chrono::milliseconds timeout, const Operation& operation) {
    const Clock::time_point deadline = Clock::now() + timeout;
    for (;;) {
      ERR_clear_error();
      const int result = operation();
      if (result > 0) return result;
      const int error = SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_ZERO_RETURN) return 0;
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        failed_ = true;  // after these errors the library forbids SSL_shutdown
        ERR_clear_error();
        return -1;
      }
      const auto left = std::max(std::chrono::milliseconds(0),
                                 std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()));
      const SocketReady ready = error == SSL_ERROR_WANT_READ ? mimo::WaitReadable(socket_, left)
                                                             : mimo::WaitWritable(socket_, left);
      if (ready != SocketReady::kYes) return -1;
    }
  }

  const std::shared_ptr<SSL_CTX> context_;
  const SslPointer ssl_;
  const int socket_;
  bool failed_ = false;
};

Result<std::shared_ptr<SSL_CTX>> LoadContext(const std::string& certificate_path,
                                             const std::string& key_path) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (context == nullptr) return Internal("TLS: {}", LastReason());
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Without these a retried write must come from the same address with the same length.
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(
      raw,
      [](SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_size, const unsigned char* offered,
         unsigned int offered_size, void* /*unused*/) {
        unsigned char* selected = nullptr;
        const int result = SSL_select_next_proto(&selected, chosen_size, kHttp11.data(), kHttp11.size(),
                                                 offered, offered_size);
        *chosen = selected;
        return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
      },
      nullptr);
  if (SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
    return Internal("TLS: {}", LastReason());
  if (SSL_CTX_use_certificate_chain_file(raw, certificate_path.c_str()) != 1) {
    return InvalidArgument("no TLS certificate ({}): {}", certificate_path, LastReason());
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return InvalidArgument("no TLS key for the certificate ({}): {}", key_path, LastReason());
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return InvalidArgument("the TLS key ({}) is not that of the certificate ({})", key_path,
                           certificate_path);
  }
  return context;
}

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::Create(const std::string& certificate_path,
                                                       const std::string& key_path) {
  std::unique_ptr<TlsContext> context(new TlsContext(certificate_path, key_path));
  MIMO_RETURN_IF_ERROR(context->Reload());
  return context;
}

Status TlsContext::Reload() {
  MIMO_ASSIGN_OR_RETURN(std::shared_ptr<SSL_CTX> context, LoadContext(certificate_path_, key_path_));
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return {};
}

std::unique_ptr<ByteChannel> TlsContext::Accept(int socket, std::chrono::milliseconds timeout) {
  std::shared_ptr<SSL_CTX> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  const int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) return nullptr;
  SslPointer ssl(SSL_new(context.get()), &SSL_free);
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket) != 1) return nullptr;
  auto channel = std::make_unique<TlsChannel>(std::move(ssl), socket, std::move(context));
  if (!channel->Handshake(timeout)) return nullptr;
  return channel;
}

}  // namespace mimo

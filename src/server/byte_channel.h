#pragma once
// What carries a connection's bytes: the socket itself, or TLS on top of it.

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"

struct ssl_ctx_st;

namespace mimo {

// Used by one thread. Does not own its socket.
class ByteChannel {
 public:
  virtual ~ByteChannel() = default;
  // At least one byte, waited for at most this long; 0: the other side ended the connection; -1: none came
  // in time, or an error.
  virtual ssize_t Read(char* data, size_t size, std::chrono::milliseconds timeout) = 0;
  // At least one byte was taken; -1: none in time, or an error.
  virtual ssize_t Write(const char* data, size_t size, std::chrono::milliseconds timeout) = 0;
  // True when Read would return a byte or an end within `timeout`.
  virtual bool WaitReadable(std::chrono::milliseconds timeout) = 0;
  // True when the other side has ended the connection and no byte of it is left. Never waits.
  virtual bool PeerHasClosed() = 0;
  // Tells the other side that nothing more will be written. Never waits.
  virtual void Finish() = 0;
};

std::unique_ptr<ByteChannel> MakePlainChannel(int socket);

// A certificate with its key, for a server. TLS 1.2 and 1.3, ciphers with forward secrecy only. Thread-safe.
class TlsContext {
 public:
  // Of PEM files; the certificate's may hold the chain up to the root. kInvalidArgument names the file at
  // fault, or says that the two do not belong together.
  static Result<std::unique_ptr<TlsContext>> Create(const std::string& certificate_path,
                                                    const std::string& key_path);

  // Reads the files again, for connections that come; on an error the old ones stay.
  Status Reload();

  // Shakes hands as the server, within `timeout`; null when that fails. Makes `socket` non-blocking.
  std::unique_ptr<ByteChannel> Accept(int socket, std::chrono::milliseconds timeout);

 private:
  TlsContext(std::string certificate_path, std::string key_path)
      : certificate_path_(std::move(certificate_path)), key_path_(std::move(key_path)) {}

  const std::string certificate_path_;
  const std::string key_path_;
  std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace mimo

#pragma once
// One connection, for all of its requests: input buffered across them, limits on a request's head, and the
// verdict on each request's body.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/byte_channel.h"
#include "server/http_server.h"

namespace mimo {

// Used by one thread.
class HttpConnection final : public HttpPeer {
 public:
  // `options` must outlive this.
  HttpConnection(std::unique_ptr<ByteChannel> channel, const HttpServerOptions& options);

  // Waits for the first byte of the next request; false when none comes in time.
  bool WaitForRequest();
  void BeginHeaders();
  // From here on reads belong to the body.
  void BeginBody(bool has_body);

  bool IsConnected() const override;

  // As recv: bytes, 0 at the end, -1 for silence beyond the time-out, a head beyond its limit, or an error.
  ssize_t Read(char* data, size_t size);
  // As send, waiting up to the write time-out.
  ssize_t Write(const char* data, size_t size);
  bool WaitReadable();
  // Tells the other side that nothing more comes.
  void Finish() { channel_->Finish(); }

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
  std::chrono::milliseconds ReadTimeout() const;
  bool FillBuffer();

  const std::unique_ptr<ByteChannel> channel_;
  const HttpServerOptions& options_;
  std::vector<char> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
  ssize_t buffer_result_ = 0;  // of the last read
  bool in_headers_ = true;
  uint64_t header_bytes_left_ = 0;
  std::chrono::steady_clock::time_point header_deadline_;
  bool close_after_reply_ = false;
  int refusal_ = 0;
  bool has_body_ = false;
};

}  // namespace mimo

#include "server/http_connection.h"

#include <algorithm>
#include <cstring>

namespace mimo {
namespace {

constexpr size_t kReadBufferBytes = 16384;

}  // namespace

HttpConnection::HttpConnection(std::unique_ptr<ByteChannel> channel, const HttpServerOptions& options)
    : channel_(std::move(channel)), options_(options), buffer_(kReadBufferBytes) {}

bool HttpConnection::WaitForRequest() {
  return HasBufferedInput() || channel_->WaitReadable(options_.keep_alive_timeout);
}

void HttpConnection::BeginHeaders() {
  in_headers_ = true;
  header_bytes_left_ = options_.header_bytes_max;
  header_deadline_ = std::chrono::steady_clock::now() + options_.header_timeout;
  close_after_reply_ = false;
  refusal_ = 0;
  has_body_ = false;
}

void HttpConnection::BeginBody(bool has_body) {
  in_headers_ = false;
  has_body_ = has_body;
}

bool HttpConnection::IsConnected() const { return HasBufferedInput() || !channel_->PeerHasClosed(); }

ssize_t HttpConnection::Read(char* data, size_t size) {
  if (in_headers_ && header_bytes_left_ < size) return -1;
  if (!HasBufferedInput() && !FillBuffer()) return buffer_result_;
  const size_t taken = std::min(size, buffer_end_ - buffer_begin_);
  std::memcpy(data, buffer_.data() + buffer_begin_, taken);
  buffer_begin_ += taken;
  if (in_headers_) header_bytes_left_ -= taken;
  return static_cast<ssize_t>(taken);
}

ssize_t HttpConnection::Write(const char* data, size_t size) {
  return channel_->Write(data, size, options_.write_timeout);
}

bool HttpConnection::WaitReadable() { return HasBufferedInput() || channel_->WaitReadable(ReadTimeout()); }

std::chrono::milliseconds HttpConnection::ReadTimeout() const {
  if (!in_headers_) return options_.read_timeout;
  const auto left = header_deadline_ - std::chrono::steady_clock::now();
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(left));
}

bool HttpConnection::FillBuffer() {
  buffer_begin_ = 0;
  buffer_end_ = 0;
  buffer_result_ = channel_->Read(buffer_.data(), buffer_.size(), ReadTimeout());
  if (buffer_result_ <= 0) return false;
  buffer_end_ = static_cast<size_t>(buffer_result_);
  return true;
}

}  // namespace mimo

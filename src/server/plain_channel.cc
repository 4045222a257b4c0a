#include <sys/socket.h>

#include <cerrno>

#include "server/byte_channel.h"
#include "server/socket_io.h"

namespace mimo {
namespace {

class PlainChannel final : public ByteChannel {
 public:
  explicit PlainChannel(int socket) : socket_(socket) {}

  ssize_t Read(char* data, size_t size, std::chrono::milliseconds timeout) override {
    if (!WaitReadable(timeout)) return -1;
    return recv(socket_, data, size, 0);
  }
  ssize_t Write(const char* data, size_t size, std::chrono::milliseconds timeout) override {
    for (;;) {
      if (WaitWritable(socket_, timeout) != SocketReady::kYes) return -1;
      const ssize_t sent = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) return sent;
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return -1;
    }
  }
  bool WaitReadable(std::chrono::milliseconds timeout) override {
    return mimo::WaitReadable(socket_, timeout) == SocketReady::kYes;
  }
  bool PeerHasClosed() override { return mimo::PeerHasClosed(socket_); }
  void Finish() override { shutdown(socket_, SHUT_WR); }

 private:
  const int socket_;
};

}  // namespace

std::unique_ptr<ByteChannel> MakePlainChannel(int socket) { return std::make_unique<PlainChannel>(socket); }

}  // namespace mimo

#include "server/socket_io.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace mimo {
namespace {

SocketReady WaitFor(int socket, short events, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{.fd = socket, .events = events, .revents = 0};
    const int count = poll(&entry, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (count > 0)
      return (entry.revents & (POLLERR | POLLNVAL)) != 0 ? SocketReady::kError : SocketReady::kYes;
    if (count == 0) return SocketReady::kTimeout;
    if (errno != EINTR) return SocketReady::kError;
  }
}

}  // namespace

SocketReady WaitReadable(int socket, std::chrono::milliseconds timeout) {
  return WaitFor(socket, POLLIN, timeout);
}

SocketReady WaitWritable(int socket, std::chrono::milliseconds timeout) {
  return WaitFor(socket, POLLOUT, timeout);
}

bool PeerHasClosed(int socket) {
  char byte = 0;
  const ssize_t size = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size > 0) return false;
  if (size == 0) return true;
  return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
}

void CloseAfterDraining(int socket, size_t bytes_max, std::chrono::milliseconds timeout) {
  shutdown(socket, SHUT_WR);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::array<char, 16384> dropped;
  size_t total = 0;
  while (total < bytes_max) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || WaitReadable(socket, left) != SocketReady::kYes) break;
    const ssize_t size = recv(socket, dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (size <= 0) break;
    total += static_cast<size_t>(size);
  }
  close(socket);
}

}  // namespace mimo

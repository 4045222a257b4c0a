#pragma once
// Waiting on a socket with poll(), which has no limit on descriptor numbers (select() stops at 1024).

#include <chrono>
#include <cstddef>

namespace mimo {

enum class SocketReady { kYes, kTimeout, kError };

SocketReady WaitReadable(int socket, std::chrono::milliseconds timeout);
SocketReady WaitWritable(int socket, std::chrono::milliseconds timeout);

// True when the other side closed or the connection broke, and no unread byte is left. Never waits.
bool PeerHasClosed(int socket);

// Ends the connection so that the client can still read the last reply although it has not been read to the
// end itself: closing with unread input would make the kernel send a reset. Reads and drops at most
// `bytes_max` for at most `timeout`, then closes.
void CloseAfterDraining(int socket, size_t bytes_max, std::chrono::milliseconds timeout);

}  // namespace mimo

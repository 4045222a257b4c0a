#include "apps/commands/standard_streams.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mimo {
namespace {

constexpr size_t kStdinBytesMax = size_t{1} << 30;

}  // namespace

Result<std::string> ReadStdin() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const size_t size = std::fread(buffer, 1, sizeof(buffer), stdin);
    text.append(buffer, size);
    if (text.size() > kStdinBytesMax) {
      return ResourceExhausted("the input is larger than {} bytes (stdin): split it", kStdinBytesMax);
    }
    if (size == 0 && std::ferror(stdin) != 0) {
      return MakeError(ErrorCode::kCancelled, "cannot read: {} (stdin): check the input",
                       std::strerror(errno));
    }
    if (size == 0) return text;
  }
}

Status WriteStdout(std::string_view text) {
  const size_t written = std::fwrite(text.data(), 1, text.size(), stdout);
  if (written == text.size() && std::fflush(stdout) == 0) return {};
  return Unavailable("cannot write: {} (stdout): check what reads it", std::strerror(errno));
}

}  // namespace mimo

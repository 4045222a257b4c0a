#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <string>

namespace mimo {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};

const char* Prefix(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "mimo: debug: ";
    case LogLevel::kInfo:
      return "mimo: ";
    case LogLevel::kWarning:
      return "mimo: warning: ";
    case LogLevel::kError:
      return "mimo: error: ";
  }
  return "";
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

void LogLine(LogLevel level, std::string_view text) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  std::string line = Prefix(level);
  unsigned char previous = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // The second range is C1, U+0080 to U+009F in UTF-8, which some terminals obey too.
    if (byte < 0x20 || byte == 0x7f || (previous == 0xc2 && byte < 0xa0)) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
    previous = byte;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: stdio locks the stream for its length
}

}  // namespace mimo

#pragma once
// Lines on stderr for the person who runs the program. Prompt text never goes here.

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace mimo {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Lines below this level are dropped. Default: kInfo. Thread-safe.
void SetLogLevel(LogLevel level);

// Writes one whole line, never interleaved with another thread's; control characters in `text` are escaped,
// so that a hostile name cannot forge a line. Thread-safe.
void LogLine(LogLevel level, std::string_view text);

template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace mimo

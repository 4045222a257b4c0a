#pragma once
// Lines on stderr for the person who runs the program, or for the machine that collects them. Prompt text
// never goes here unasked.

#include <fmt/core.h>

#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mimo {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

enum class LogFormat {
  kText,  // mimo: warning: what happened
  kJson,  // {"time": "2026-11-30T16:00:00.123Z", "level": "warning", "message": "what happened"}
};

// A named value beside a line's message; names are ours and need no escaping.
struct LogField {
  std::string_view name;
  std::string value;
  bool is_number = false;
};
template <typename Number>
LogField LogNumber(std::string_view name, Number value) {
  return {.name = name, .value = fmt::format("{}", value), .is_number = true};
}

// Lines below this level are dropped. Default: kInfo. Thread-safe.
void SetLogLevel(LogLevel level);
// Default: kText. Thread-safe.
void SetLogFormat(LogFormat format);

// Writes one whole line, never interleaved with another thread's; control characters in `text` are escaped,
// so that a hostile name cannot forge a line. Thread-safe.
void LogLine(LogLevel level, std::string_view text);
// The same with fields: name=value behind the text, quoted where a value holds more than a plain word; or
// members of the JSON object.
void LogLine(LogLevel level, std::string_view text, std::span<const LogField> fields);

template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  LogLine(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace mimo

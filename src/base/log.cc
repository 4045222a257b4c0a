#include "base/log.h"

#include <fmt/chrono.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>

#include "base/json.h"

namespace mimo {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogFormat> g_format{LogFormat::kText};

struct LevelNames {
  const char* prefix;  // of a text line
  const char* name;
};

LevelNames NamesOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return {"mimo: debug: ", "debug"};
    case LogLevel::kInfo:
      return {"mimo: ", "info"};
    case LogLevel::kWarning:
      return {"mimo: warning: ", "warning"};
    case LogLevel::kError:
      break;
  }
  return {"mimo: error: ", "error"};
}

void AppendEscaped(std::string_view text, std::string* line) {
  unsigned char previous = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // The second range is C1, U+0080 to U+009F in UTF-8, which some terminals obey too.
    if (byte < 0x20 || byte == 0x7f || (previous == 0xc2 && byte < 0xa0)) {
      *line += fmt::format("\\x{:02x}", byte);
    } else {
      *line += c;
    }
    previous = byte;
  }
}

bool IsPlainWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
  });
}

std::string TextLine(LogLevel level, std::string_view text, std::span<const LogField> fields) {
  std::string line = NamesOf(level).prefix;
  AppendEscaped(text, &line);
  for (const LogField& field : fields) {
    line += fmt::format(" {}=", field.name);
    // JSON's quoting escapes quotes and what is below a space; the rest is escaped as in the text.
    AppendEscaped(IsPlainWord(field.value) ? field.value : DumpJson(Json(field.value)), &line);
  }
  return line;
}

std::string TimeNow() {
  const auto now = std::chrono::system_clock::now();
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     milliseconds);
}

std::string JsonLine(LogLevel level, std::string_view text, std::span<const LogField> fields) {
  // The dump escapes control characters, so that the line stays one.
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","message":{})", TimeNow(), NamesOf(level).name,
                                 DumpJson(Json(std::string(text))));
  for (const LogField& field : fields) {
    line +=
        fmt::format(R"(,"{}":{})", field.name, field.is_number ? field.value : DumpJson(Json(field.value)));
  }
  return line + "}";
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level = level; }

void SetLogFormat(LogFormat format) { g_format = format; }

void LogLine(LogLevel level, std::string_view text) { LogLine(level, text, {}); }

void LogLine(LogLevel level, std::string_view text, std::span<const LogField> fields) {
  if (level < g_level.load(std::memory_order_relaxed)) return;
  const bool is_json = g_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  std::string line = is_json ? JsonLine(level, text, fields) : TextLine(level, text, fields);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: stdio locks the stream for its length
}

}  // namespace mimo

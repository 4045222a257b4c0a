#pragma once
// The file of API keys: one line for each, and never the key itself.
//
//   # NAME  SHA-256 of the key  settings
//   alice   2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  requests-per-minute=100 admin
//
// Keys are 256 random bits, so that a plain hash of one cannot be reversed by trying. Settings: admin,
// requests-per-minute=N, tokens-per-minute=N, concurrent=N (0: no limit, over a default of the server's), and
// priority=N.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace mimo {

using KeyHash = std::array<uint8_t, 32>;
KeyHash HashOfKey(std::string_view key);

// What a key may use. Nothing: the server's default; 0: as much as it likes.
struct KeyLimits {
  std::optional<uint64_t> requests_per_minute;
  std::optional<uint64_t> tokens_per_minute;  // prompt and completion
  std::optional<uint64_t> concurrent;         // requests that generate at the same time

  bool operator==(const KeyLimits&) const = default;
};

struct ApiKey {
  std::string name;  // also the owner that the scheduler is fair to, and the name in usage and logs
  KeyHash hash = {};
  KeyLimits limits;
  bool is_admin = false;  // sees the usage of all keys
  int priority = 0;       // of its requests that bring none; as the engine counts it

  bool operator==(const ApiKey&) const = default;
};

// kInvalidArgument names the line: a bad name, hash or setting, a name or a key that stands there twice.
Result<std::vector<ApiKey>> ParseKeyFile(std::string_view text);

// One line, as ParseKeyFile reads it.
std::string FormatKeyLine(const ApiKey& key);

// Letters, digits, '-', '_', '.' and '@', at most 64 of them: safe in a log line, a label and a header.
bool IsKeyName(std::string_view name);

// A new key: "sk-mimo-" and 43 characters. From the system's random numbers; kInternal when it has none.
Result<std::string> NewKey();

// Appends `key` to the file, which is made when it does not exist, readable for its owner alone.
// kInvalidArgument when the file has a key of that name or cannot be parsed. The file is replaced whole, so
// that a server which reads it meanwhile sees the old one or the new one.
Status AddKeyToFile(const std::string& path, const ApiKey& key);
// kNotFound when there is none of that name. Comments and the other lines stay.
Status RemoveKeyFromFile(const std::string& path, std::string_view name);

}  // namespace mimo

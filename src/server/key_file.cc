#include "server/key_file.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;
constexpr size_t kNameBytesMax = 64;
constexpr int kPriorityMax = 100;

std::vector<std::string_view> SplitWords(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; (begin = line.find_first_not_of(" \t\r", begin)) != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

template <typename Integer>
bool ParseInteger(std::string_view text, Integer* value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

bool ParseHash(std::string_view text, KeyHash* hash) {
  if (text.size() != 2 * hash->size()) return false;
  for (size_t i = 0; i < hash->size(); ++i) {
    const char* digits = text.data() + 2 * i;
    const auto parsed = std::from_chars(digits, digits + 2, (*hash)[i], 16);
    if (parsed.ec != std::errc() || parsed.ptr != digits + 2) return false;
  }
  return true;
}

Status ParseSetting(std::string_view word, ApiKey* key) {
  if (word == "admin") {
    key->is_admin = true;
    return {};
  }
  const size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : word.substr(equals + 1);
  if (name == "priority") {
    if (ParseInteger(value, &key->priority) && std::abs(key->priority) <= kPriorityMax) return {};
    return InvalidArgument("priority must be an integer between -{} and {}", kPriorityMax, kPriorityMax);
  }
  std::optional<uint64_t>* limit = nullptr;
  if (name == "requests-per-minute") limit = &key->limits.requests_per_minute;
  if (name == "tokens-per-minute") limit = &key->limits.tokens_per_minute;
  if (name == "concurrent") limit = &key->limits.concurrent;
  if (limit == nullptr) return InvalidArgument("unknown setting '{}'", name);
  // Above this, refilling a bucket would overflow; nobody computes as many tokens.
  constexpr uint64_t kLimitMax = uint64_t{1} << 40;
  uint64_t number = 0;
  if (!ParseInteger(value, &number) || number > kLimitMax)
    return InvalidArgument("'{}' needs a number", name);
  *limit = number;
  return {};
}

Result<ApiKey> ParseLine(const std::vector<std::string_view>& words) {
  ApiKey key;
  key.name = words[0];
  if (!IsKeyName(key.name)) {
    return InvalidArgument("a name has at most {} letters, digits, '-', '_', '.' and '@'", kNameBytesMax);
  }
  if (words.size() < 2 || !ParseHash(words[1], &key.hash)) {
    return InvalidArgument("'{}' has no SHA-256 of 64 hexadecimal digits: make lines with `mimo keys add`",
                           key.name);
  }
  for (size_t i = 2; i < words.size(); ++i) MIMO_RETURN_IF_ERROR(ParseSetting(words[i], &key));
  return key;
}

// The words of each line that holds a key; none for other lines.
std::vector<std::string_view> KeyWords(std::string_view line) {
  std::vector<std::string_view> words = SplitWords(line.substr(0, line.find('#')));
  return words;
}

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Status ReplaceFile(const std::string& path, std::string_view text) {
  const std::string next = path + ".new";
  const int file = open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return Unavailable("cannot write ({}): {}", next, std::strerror(errno));
  const ssize_t written = write(file, text.data(), text.size());
  const bool is_whole = written == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
  close(file);
  if (is_whole && std::rename(next.c_str(), path.c_str()) == 0) return {};
  const int cause = errno;
  unlink(next.c_str());
  return Unavailable("cannot write ({}): {}", path, std::strerror(cause));
}

// The file's text, empty when there is none yet.
Result<std::string> ReadIfThere(const std::string& path) {
  Result<std::string> text = ReadTextFile(path, kFileBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::string();
  return text;
}

}  // namespace

KeyHash HashOfKey(std::string_view key) {
  KeyHash hash;
  unsigned int size = 0;
  MIMO_CHECK(EVP_Digest(key.data(), key.size(), hash.data(), &size, EVP_sha256(), nullptr) == 1);
  MIMO_CHECK(size == hash.size());
  return hash;
}

bool IsKeyName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '@';
  });
}

Result<std::vector<ApiKey>> ParseKeyFile(std::string_view text) {
  std::vector<ApiKey> keys;
  const std::vector<std::string_view> lines = SplitLines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::vector<std::string_view> words = KeyWords(lines[i]);
    if (words.empty()) continue;
    Result<ApiKey> key = ParseLine(words);
    if (!key) return InvalidArgument("line {}: {}", i + 1, key.error().message);
    for (const ApiKey& other : keys) {
      if (other.name == key->name)
        return InvalidArgument("line {}: '{}' stands there twice", i + 1, key->name);
      if (other.hash == key->hash) {
        return InvalidArgument("line {}: '{}' and '{}' have the same key", i + 1, other.name, key->name);
      }
    }
    keys.push_back(std::move(*key));
  }
  return keys;
}

std::string FormatKeyLine(const ApiKey& key) {
  std::string line = key.name + " ";
  for (const uint8_t byte : key.hash) line += fmt::format("{:02x}", byte);
  const auto add = [&line](std::string_view name, const std::optional<uint64_t>& limit) {
    if (limit) line += fmt::format(" {}={}", name, *limit);
  };
  add("requests-per-minute", key.limits.requests_per_minute);
  add("tokens-per-minute", key.limits.tokens_per_minute);
  add("concurrent", key.limits.concurrent);
  if (key.priority != 0) line += fmt::format(" priority={}", key.priority);
  if (key.is_admin) line += " admin";
  return line;
}

Result<std::string> NewKey() {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<uint8_t, 43> random;  // 6 bits of each: 258
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return Internal("the system has no random numbers");
  }
  std::string key = "sk-mimo-";
  for (const uint8_t byte : random) key += kDigits[byte % 64];
  return key;
}

Status AddKeyToFile(const std::string& path, const ApiKey& key) {
  MIMO_ASSIGN_OR_RETURN(std::string text, ReadIfThere(path));
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += FormatKeyLine(key) + "\n";
  if (const auto keys = ParseKeyFile(text); !keys) {
    return InvalidArgument("{} ({}): nothing was changed", keys.error().message, path);
  }
  return ReplaceFile(path, text);
}

Status RemoveKeyFromFile(const std::string& path, std::string_view name) {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kFileBytesMax));
  std::string rest;
  bool found = false;
  for (const std::string_view line : SplitLines(text)) {
    const std::vector<std::string_view> words = KeyWords(line);
    if (!words.empty() && words[0] == name) {
      found = true;
    } else {
      rest += fmt::format("{}\n", line);
    }
  }
  if (!found) return NotFound("no key '{}' ({}): `mimo keys ls` lists them", name, path);
  return ReplaceFile(path, rest);
}

}  // namespace mimo

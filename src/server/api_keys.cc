#include "server/api_keys.h"

#include <openssl/crypto.h>

#include "base/log.h"
#include "base/mapped_file.h"

namespace mimo {
namespace {

constexpr size_t kFileBytesMax = size_t{16} << 20;
constexpr size_t kKeyBytesMax = 4096;  // hashing an endless header would cost more than answering it

}  // namespace

bool ApiKeys::FileMark::operator==(const FileMark& other) const {
  return inode == other.inode && size == other.size && changed_at.tv_sec == other.changed_at.tv_sec &&
         changed_at.tv_nsec == other.changed_at.tv_nsec;
}

Result<std::unique_ptr<ApiKeys>> ApiKeys::Open(const std::string& path,
                                               std::chrono::milliseconds look_interval) {
  std::unique_ptr<ApiKeys> keys(new ApiKeys(path, look_interval));
  keys->looked_at_ = std::chrono::steady_clock::now();
  keys->mark_ = keys->Mark();
  MIMO_RETURN_IF_ERROR(keys->Read());
  return keys;
}

ApiKeys::FileMark ApiKeys::Mark() const {
  struct stat info = {};
  if (stat(path_.c_str(), &info) != 0) return {};
  return {.inode = info.st_ino, .size = info.st_size, .changed_at = info.st_mtim};
}

Status ApiKeys::Read() {
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path_, kFileBytesMax));
  Result<std::vector<ApiKey>> keys = ParseKeyFile(text);
  if (!keys) return InvalidArgument("{} ({}): correct the file", keys.error().message, path_);
  if (keys->empty()) return InvalidArgument("no key in the file ({}): add one with `mimo keys add`", path_);
  keys_ = std::make_shared<const std::vector<ApiKey>>(std::move(*keys));
  return {};
}

void ApiKeys::Reload() {
  const std::lock_guard lock(mutex_);
  mark_ = Mark();
  if (const Status status = Read(); !status) {
    LogLine(LogLevel::kError, "the API keys stay as they were: " + status.error().message);
  } else {
    LogInfo("read {} API keys ({})", keys_->size(), path_);
  }
}

void ApiKeys::ReloadIfChanged() {
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_at_ < look_interval_) return;
    looked_at_ = now;
    if (Mark() == mark_) return;
  }
  Reload();
}

std::optional<ApiKey> ApiKeys::Find(std::string_view presented) {
  ReloadIfChanged();
  if (presented.size() > kKeyBytesMax) return std::nullopt;
  const KeyHash hash = HashOfKey(presented);
  std::shared_ptr<const std::vector<ApiKey>> keys;
  {
    const std::lock_guard lock(mutex_);
    keys = keys_;
  }
  const ApiKey* found = nullptr;
  for (const ApiKey& key : *keys) {
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0) found = &key;
  }
  return found == nullptr ? std::nullopt : std::optional(*found);
}

}  // namespace mimo

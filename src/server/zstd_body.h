#pragma once
// Request bodies compressed with zstd, which the HTTP library does not read.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ZSTD_DCtx_s;

namespace mimo {

// Decompresses a body piece by piece. Used by one thread.
class ZstdBody {
 public:
  // Appends to `body`, which must outlive this, up to `bytes_max` bytes.
  ZstdBody(uint64_t bytes_max, std::string* body);
  ~ZstdBody();
  ZstdBody(const ZstdBody&) = delete;
  ZstdBody& operator=(const ZstdBody&) = delete;

  // False when the bytes are no zstd, or when the body would become too large: read no further then.
  bool Append(std::string_view compressed);
  bool is_too_large() const { return is_too_large_; }
  // False when the last frame is not complete.
  bool is_complete() const { return is_complete_; }

 private:
  const uint64_t bytes_max_;
  std::string* const body_;
  ZSTD_DCtx_s* const context_;
  bool is_too_large_ = false;
  bool is_complete_ = false;
};

}  // namespace mimo

#include "server/zstd_body.h"

#include <zstd.h>

#include <vector>

#include "base/check.h"

namespace mimo {
namespace {

// 8 MiB, which the format asks every decoder to support; a larger window would let a few bytes take
// gigabytes.
constexpr int kWindowLogMax = 23;

}  // namespace

ZstdBody::ZstdBody(uint64_t bytes_max, std::string* body)
    : bytes_max_(bytes_max), body_(body), context_(ZSTD_createDCtx()) {
  MIMO_CHECK(context_ != nullptr);
  ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kWindowLogMax);
}

ZstdBody::~ZstdBody() { ZSTD_freeDCtx(context_); }

bool ZstdBody::Append(std::string_view compressed) {
  ZSTD_inBuffer input{compressed.data(), compressed.size(), 0};
  std::vector<char> piece(ZSTD_DStreamOutSize());
  bool has_more_output = false;
  while (input.pos < input.size || has_more_output) {
    ZSTD_outBuffer output{piece.data(), piece.size(), 0};
    const size_t result = ZSTD_decompressStream(context_, &output, &input);
    if (ZSTD_isError(result) != 0) return false;
    is_complete_ = result == 0;
    is_too_large_ = body_->size() + output.pos > bytes_max_;
    if (is_too_large_) return false;
    body_->append(piece.data(), output.pos);
    has_more_output = output.pos == output.size && result != 0;
  }
  return true;
}

}  // namespace mimo

#pragma once
// Rounding keys and values to the type of the KV cache.

#include <cstddef>
#include <span>

#include "model/kv_storage.h"

namespace mimo {

// Writes `values`, a key or a value of one head, as KvRowBytes(type, values.size()) bytes. Any alignment.
//
// bf16 rounds to nearest, ties to even. The blocks are those of ggml's plain quantisers, one float16 scale
// per 32 elements:
//
//   q8_0  scale = max |x| / 127, code = round(x / scale), halves away from zero; error at most scale / 2
//   q4_0  scale = m / -8 with m the x of the largest magnitude, code = floor(x / scale + 8.5), at most 15;
//         error at most |scale| (an x near -m), mostly |scale| / 2
//
// plus the rounding of the scale. A block with a number that is not finite decodes to NaN.
void StoreKvElements(KvType type, std::span<const float> values, std::byte* out);

}  // namespace mimo

#pragma once
// From float32 to the types that a GGUF file may store a matrix in.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "weights/checkpoint.h"

namespace mimo {

// The type called `name` ("f32", "f16", "bf16", "q8_0"); nothing for another.
std::optional<StoredType> QuantizedTypeFromName(std::string_view name);

// Columns of one block: rows must be a multiple of it.
uint32_t QuantizedBlockSize(StoredType type);

// Bytes of a row of `cols` columns. Requires: a type that QuantizedTypeFromName gives, whole blocks.
size_t QuantizedRowBytes(StoredType type, size_t cols);

// Writes the row to `out` [QuantizedRowBytes]. False when a number is not finite or too large for the type.
//
// q8_0: d = max |x| / 127 in each block, stored as float16, and q = round(x / d) with the unrounded d, halves
// away from zero: the bytes that ggml's own quantiser writes. So |d * q - x| <= d / 2 + 127 * d * 2^-11.
bool QuantizeRow(StoredType type, std::span<const float> row, std::byte* out);

}  // namespace mimo

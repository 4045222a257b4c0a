#pragma once
// From float32 to the types that a GGUF file may store a matrix in.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "weights/checkpoint.h"

namespace mimo {

// The type called `name` ("f32", "q8_0", "q4_k", also "q4_K"), if QuantizeRow writes it.
std::optional<StoredType> QuantizedTypeFromName(std::string_view name);
std::string_view QuantizedTypeName(StoredType type);
// All names, "f32, f16, ...", for messages.
std::string QuantizedTypeNames();

// Columns of one block: rows must be a multiple of it.
uint32_t QuantizedBlockSize(StoredType type);

// The type for rows of `cols` columns where `type` is wanted: itself when they are whole blocks, else what
// llama.cpp falls back to: q4_0 for q2_k and q3_k, q5_0 for q4_k, q5_1 for q5_k, q8_0 for q6_k, iq4_nl for
// iq4_xs, and f16 for rows that are no multiple of 32.
StoredType FittingType(StoredType type, size_t cols);

// Bytes of a row of `cols` columns. Requires: a type that QuantizedTypeFromName gives, whole blocks.
size_t QuantizedRowBytes(StoredType type, size_t cols);

// Writes the row to `out` [QuantizedRowBytes]. False when a number is not finite or too large for the type.
//
// `importance` [cols] or empty: the block types minimise the squared errors weighted by it. Numbers that are
// finite and not negative; only their proportions within a block matter.
//
// q8_0 alone takes no notice of it: d = max |x| / 127 in each block, stored as float16, and q = round(x / d)
// with the unrounded d, halves away from zero: the bytes that ggml's own quantiser writes. So |d * q - x| <=
// d / 2 + 127 * d * 2^-11.
bool QuantizeRow(StoredType type, std::span<const float> row, std::span<const float> importance,
                 std::byte* out);

}  // namespace mimo

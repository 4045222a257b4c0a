#include "apps/commands/npy_writer.h"

#include <fmt/ranges.h>

#include <bit>
#include <utility>

namespace mimo {
namespace {

constexpr size_t kHeaderAlignment = 64;
constexpr size_t kPrefixBytes = 10;  // magic, version, length of the rest

std::string NpyHeader(const std::vector<uint64_t>& shape) {
  static_assert(std::endian::native == std::endian::little);
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", fmt::join(shape, ", "));
  const size_t unpadded = kPrefixBytes + text.size() + 1;
  text.append((kHeaderAlignment - unpadded % kHeaderAlignment) % kHeaderAlignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xffU);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

}  // namespace

Result<NpyWriter> NpyWriter::Create(const std::string& path, const std::vector<uint64_t>& shape) {
  const std::string header = NpyHeader(shape);
  uint64_t size = sizeof(float);
  for (const uint64_t extent : shape) size *= extent;
  NpyWriter writer;
  writer.header_bytes_ = header.size();
  MIMO_ASSIGN_OR_RETURN(writer.file_, OutputFile::Create(path, header.size() + size));
  MIMO_RETURN_IF_ERROR(writer.file_.WriteAt(0, std::as_bytes(std::span(header))));
  return writer;
}

Status NpyWriter::Write(uint64_t first_element, std::span<const float> values) const {
  return file_.WriteAt(header_bytes_ + first_element * sizeof(float), std::as_bytes(values));
}

Status NpyWriter::Close() { return file_.Close(); }

}  // namespace mimo

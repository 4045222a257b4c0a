#include "apps/commands/byte_size.h"

#include <fmt/core.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

namespace mimo {
namespace {

constexpr std::string_view kUnits = "KMGT";
constexpr double kBytesMax = 1e18;

// The power of 1024 that the text behind the number stands for; -1 when it is no unit.
int PowerOf(std::string_view unit) {
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (unit.empty() || unit == "B" || unit == "b") return 0;
  const size_t power = kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(unit.front()))));
  const std::string_view rest = unit.substr(1);
  const bool is_unit = rest.empty() || rest == "B" || rest == "b" || rest == "iB" || rest == "i";
  return power != std::string_view::npos && is_unit ? static_cast<int>(power) + 1 : -1;
}

}  // namespace

Result<uint64_t> ParseByteSize(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const int power = error == std::errc() ? PowerOf({end, text.data() + text.size()}) : -1;
  const double bytes = power < 0 ? -1 : value * std::pow(1024.0, power);
  if (!(bytes >= 0 && bytes <= kBytesMax)) {
    return InvalidArgument("'{}' is not a size such as 512M or 16G", text);
  }
  return static_cast<uint64_t>(bytes);
}

std::string CheckByteSize(const std::string& text) {
  const Result<uint64_t> size = ParseByteSize(text);
  return size ? "" : size.error().message;
}

std::string ByteSizeText(uint64_t bytes) {
  double value = static_cast<double>(bytes);
  std::string_view unit = "B";
  for (const std::string_view larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  return unit == "B" ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, unit);
}

}  // namespace mimo

#include "text/chat_template_values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace mimo {
namespace {

// repr(float): the shortest digits that read back the same, in plain notation for 1e-4 <= |x| < 1e16.
std::string PythonFloat(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
  std::array<char, 32> buffer;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(result.ptr - buffer.data()));
  const size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(text);  // C++ and Python agree on this notation

  const bool negative = text.front() == '-';
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  std::string result_text = negative ? "-" : "";
  if (exponent < 0) {
    return result_text + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return result_text + digits + std::string(whole - digits.size(), '0') + ".0";
  return result_text + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string JsonString(std::string_view text) {
  // DumpJson escapes exactly what json.dumps escapes when ensure_ascii is off.
  return DumpJson(Json(std::string(text)));
}

// repr(str) for the ASCII range; other characters are taken as printable.
std::string PythonReprString(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + quote;
}

struct Notation {
  std::string (*string)(std::string_view);
  std::string_view null_text, true_text, false_text;
};
constexpr Notation kJsonNotation = {JsonString, "null", "true", "false"};
constexpr Notation kPythonNotation = {PythonReprString, "None", "True", "False"};

// The depth is bounded by ParseJson.
void Append(const Json& value, const Notation& notation, std::string* out) {
  if (value.is_object()) {
    *out += '{';
    bool first = true;
    for (const auto& [key, item] : value.items()) {
      if (!std::exchange(first, false)) *out += ", ";
      *out += notation.string(key) + ": ";
      Append(item, notation, out);
    }
    *out += '}';
  } else if (value.is_array()) {
    *out += '[';
    bool first = true;
    for (const Json& item : value) {
      if (!std::exchange(first, false)) *out += ", ";
      Append(item, notation, out);
    }
    *out += ']';
  } else if (value.is_string()) {
    *out += notation.string(value.get_ref<const std::string&>());
  } else if (value.is_boolean()) {
    *out += value.get<bool>() ? notation.true_text : notation.false_text;
  } else if (value.is_null()) {
    *out += notation.null_text;
  } else if (value.is_number_float()) {
    *out += PythonFloat(value.get<double>());
  } else {
    *out += DumpJson(value);
  }
}

// Bytes of the white-space character at the front or the back of `text`; 0 when there is none.
size_t WhiteSpaceLength(std::string_view text, bool at_end) {
  constexpr std::array<std::string_view, 17> kWide = {
      "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
      "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
      "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf"};
  constexpr std::array<std::string_view, 2> kWider = {"\xe2\x81\x9f", "\xe3\x80\x80"};
  if (text.empty()) return 0;
  const char c = at_end ? text.back() : text.front();
  if (c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f)) return 1;
  const auto matches = [&](std::string_view space) {
    return at_end ? text.ends_with(space) : text.starts_with(space);
  };
  for (const std::string_view space : kWide) {
    if (matches(space)) return space.size();
  }
  for (const std::string_view space : kWider) {
    if (matches(space)) return space.size();
  }
  return 0;
}

}  // namespace

std::string PythonJson(const Json& value) {
  std::string out;
  Append(value, kJsonNotation, &out);
  return out;
}

std::string PythonStr(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  std::string out;
  Append(value, kPythonNotation, &out);
  return out;
}

std::string_view PythonStrip(std::string_view text) {
  while (const size_t length = WhiteSpaceLength(text, false)) text.remove_prefix(length);
  while (const size_t length = WhiteSpaceLength(text, true)) text.remove_suffix(length);
  return text;
}

}  // namespace mimo

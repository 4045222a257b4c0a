// NFC works on segments. A segment is a run of code points with kNeedsNormalization and the one before it;
// all other text is copied. So plain text costs one table look-up per code point, and ASCII one test per 8
// bytes.
//
// utf8proc supplies decomposition, combining classes and composition, but not the reordering of marks: its
// insertion sort is quadratic, and a prompt may be a million marks.

#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "base/check.h"
#include "text/unicode_tables.h"

namespace mimo {
namespace {

constexpr uint32_t kCodePointEnd = 0x110000;

struct FlagTable {
  FlagTable() : flags(std::make_unique<uint8_t[]>(kCodePointEnd)) {
    const std::span<const CodePointRun> runs = CodePointRuns();
    for (size_t i = 0; i < runs.size(); ++i) {
      const uint32_t end = i + 1 < runs.size() ? runs[i + 1].first : kCodePointEnd;
      std::fill(flags.get() + runs[i].first, flags.get() + end, runs[i].flags);
    }
  }
  std::unique_ptr<uint8_t[]> flags;
};

uint8_t ByteAt(std::string_view text, size_t position) { return static_cast<uint8_t>(text[position]); }

// What may follow a lead byte (Unicode standard, table 3-7).
struct LeadByte {
  uint32_t length = 0;  // of the whole sequence; 0: not a lead byte
  uint8_t second_min = 0x80;
  uint8_t second_max = 0xBF;
};

LeadByte ClassifyLeadByte(uint8_t byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  if (byte < 0xF4) return {4};
  return {};
}

// Bytes from `position` on that are the beginning of a well-formed sequence; 0 if not even the first is.
uint32_t WellFormedPrefix(std::string_view text, size_t position, const LeadByte& lead) {
  if (lead.length == 0) return 0;
  uint32_t count = 1;
  while (count < lead.length && position + count < text.size()) {
    const uint8_t byte = ByteAt(text, position + count);
    const uint8_t low = count == 1 ? lead.second_min : 0x80;
    const uint8_t high = count == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) break;
    ++count;
  }
  return count;
}

size_t AsciiPrefix(std::string_view text, size_t position) {
  while (position + 8 <= text.size()) {
    uint64_t word;
    std::memcpy(&word, text.data() + position, 8);
    if ((word & 0x8080808080808080u) != 0) break;
    position += 8;
  }
  while (position < text.size() && ByteAt(text, position) < 0x80) ++position;
  return position;
}

int CombiningClass(int32_t code_point) { return utf8proc_get_property(code_point)->combining_class; }

// Appends NFC of a segment. Requires: `segment` is valid UTF-8. `code_points` is scratch.
void AppendNormalizedSegment(std::string_view segment, std::vector<int32_t>& code_points, std::string& out) {
  code_points.clear();
  for (size_t i = 0; i < segment.size();) {
    const CodePoint code_point = DecodeUtf8(segment, i);
    // The longest canonical decomposition has 4 code points.
    std::array<int32_t, 8> parts{};
    int boundary = 0;
    const auto count = utf8proc_decompose_char(
        static_cast<int32_t>(code_point.value), parts.data(), parts.size(),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    MIMO_CHECK(count >= 1 && count <= static_cast<utf8proc_ssize_t>(parts.size()));
    code_points.insert(code_points.end(), parts.begin(), parts.begin() + count);
    i += code_point.length;
  }
  for (auto it = code_points.begin(); it != code_points.end();) {
    it = std::find_if(it, code_points.end(), [](int32_t c) { return CombiningClass(c) != 0; });
    const auto end = std::find_if(it, code_points.end(), [](int32_t c) { return CombiningClass(c) == 0; });
    if (end - it > 1) {
      std::stable_sort(it, end, [](int32_t a, int32_t b) { return CombiningClass(a) < CombiningClass(b); });
    }
    it = end;
  }
  const auto length =
      utf8proc_normalize_utf32(code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  MIMO_CHECK(length >= 0);
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    AppendUtf8(static_cast<uint32_t>(code_points[static_cast<size_t>(i)]), out);
  }
}

// Where NFC has work to do: text[begin, end); begin == text.size() if nowhere.
struct Segment {
  size_t begin;
  size_t end;
};

Segment NextSegment(std::string_view text, size_t position, const uint8_t* flags) {
  const auto needs_work = [&](const CodePoint& c) {
    return c.value != CodePoint::kInvalid && (flags[c.value] & kNeedsNormalization) != 0;
  };
  size_t previous = position;  // start of the code point before `position`, if there is one
  while (position < text.size()) {
    const size_t ascii_end = AsciiPrefix(text, position);
    if (ascii_end > position) {
      previous = ascii_end - 1;
      position = ascii_end;
      continue;
    }
    const CodePoint code_point = DecodeUtf8(text, position);
    if (needs_work(code_point)) {
      Segment segment{position, position + code_point.length};
      // A mark that is younger than the normaliser's tables is inert there, but has a class in utf8proc's.
      const CodePoint base = DecodeUtf8(text, previous);
      if (base.value != CodePoint::kInvalid && CombiningClass(static_cast<int32_t>(base.value)) == 0) {
        segment.begin = previous;
      }
      while (segment.end < text.size()) {
        const CodePoint next = DecodeUtf8(text, segment.end);
        if (!needs_work(next)) break;
        segment.end += next.length;
      }
      return segment;
    }
    previous = position;
    position += code_point.length;
  }
  return {text.size(), text.size()};
}

}  // namespace

CodePoint DecodeUtf8(std::string_view text, size_t position) {
  const uint8_t first = ByteAt(text, position);
  if (first < 0x80) return {first, 1};
  const LeadByte lead = ClassifyLeadByte(first);
  if (lead.length == 0 || WellFormedPrefix(text, position, lead) < lead.length) return {};
  uint32_t value = first & (0x7Fu >> lead.length);
  for (uint32_t i = 1; i < lead.length; ++i) value = (value << 6) | (ByteAt(text, position + i) & 0x3Fu);
  return {value, lead.length};
}

void AppendUtf8(uint32_t code_point, std::string& text) {
  const auto byte = [&](uint32_t value) { text.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) return byte(code_point);
  if (code_point < 0x800) {
    byte(0xC0 | (code_point >> 6));
  } else if (code_point < 0x10000) {
    byte(0xE0 | (code_point >> 12));
    byte(0x80 | ((code_point >> 6) & 0x3F));
  } else {
    byte(0xF0 | (code_point >> 18));
    byte(0x80 | ((code_point >> 12) & 0x3F));
    byte(0x80 | ((code_point >> 6) & 0x3F));
  }
  byte(0x80 | (code_point & 0x3F));
}

bool IsValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const CodePoint code_point = DecodeUtf8(text, i);
    if (code_point.value == CodePoint::kInvalid) return false;
    i += code_point.length;
  }
  return true;
}

const uint8_t* CodePointFlagTable() {
  static const FlagTable kTable;
  return kTable.flags.get();
}

std::string_view NormalizeNfc(std::string_view text, std::string& buffer) {
  const uint8_t* flags = CodePointFlagTable();
  Segment segment = NextSegment(text, 0, flags);
  if (segment.begin == text.size()) return text;
  buffer.clear();
  buffer.reserve(text.size());
  std::vector<int32_t> code_points;
  size_t copied = 0;
  while (segment.begin < text.size()) {
    buffer.append(text.substr(copied, segment.begin - copied));
    AppendNormalizedSegment(text.substr(segment.begin, segment.end - segment.begin), code_points, buffer);
    copied = segment.end;
    segment = NextSegment(text, copied, flags);
  }
  buffer.append(text.substr(copied));
  return buffer;
}

size_t UnfinishedUtf8Suffix(std::string_view text) {
  const size_t longest = std::min<size_t>(3, text.size());
  for (size_t length = longest; length > 0; --length) {
    const size_t position = text.size() - length;
    const LeadByte lead = ClassifyLeadByte(ByteAt(text, position));
    if (lead.length > length && WellFormedPrefix(text, position, lead) == length) return length;
  }
  return 0;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t ascii_end = AsciiPrefix(text, i);
    out.append(text.substr(i, ascii_end - i));
    i = ascii_end;
    if (i == text.size()) break;
    const LeadByte lead = ClassifyLeadByte(ByteAt(text, i));
    const uint32_t prefix = WellFormedPrefix(text, i, lead);
    if (prefix == lead.length && prefix > 0) {
      out.append(text.substr(i, prefix));
    } else {
      out.append("\xEF\xBF\xBD");
    }
    i += std::max<uint32_t>(prefix, 1);
  }
  return out;
}

}  // namespace mimo

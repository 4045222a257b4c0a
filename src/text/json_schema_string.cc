#include "text/json_schema_string.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <string>

#include "base/check.h"
#include "text/grammar_nfa.h"
#include "text/regex_grammar_dfa.h"

namespace mimo {
namespace {

std::map<std::string, ByteDfa, std::less<>> MakeFormats() {
  const std::string leap_year = R"((\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00))";
  const std::string date = R"((\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|)"
                           R"(02-(0[1-9]|1\d|2[0-8]))|)" +
                           leap_year + "-02-29)";
  const std::string time = R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d))";
  const std::string byte = R"((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
  const std::string ipv4 = byte + R"((\.)" + byte + "){3}";
  const std::string h = "[0-9A-Fa-f]{1,4}";
  const std::string tail = fmt::format("({0}:{0}|{1})", h, ipv4);
  std::string ipv6 = fmt::format("(({0}:){{6}}{1}|::({0}:){{5}}{1}", h, tail);
  for (int left = 0; left <= 4; ++left) {
    const std::string before = fmt::format("({0}(:{0}){{0,{1}}})?", h, left);
    const std::string after = left < 4 ? fmt::format("({}:){{{}}}{}", h, 4 - left, tail) : tail;
    ipv6 += fmt::format("|{}::{}", before, after);
  }
  ipv6 += fmt::format("|({0}(:{0}){{0,5}})?::{0}|({0}(:{0}){{0,6}})?::)", h);
  const std::string label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  const std::string hostname = label + R"((\.)" + label + ")*";
  const std::string atom = R"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)";
  const std::string unreserved = "A-Za-z0-9._~";
  const std::string encoded = "%[0-9A-Fa-f]{2}";
  const std::string pchar = "([" + unreserved + "!$&'()*+,;=:@-]|" + encoded + ")";
  const std::string host = "([" + unreserved + "!$&'()*+,;=-]|" + encoded + ")*";
  const std::string authority = "(([" + unreserved + "!$&'()*+,;=:-]|" + encoded + R"()*@)?(\[)" + ipv6 +
                                R"(\]|)" + host + R"()(:\d*)?)";
  const std::string path = "(" + pchar + "+(/" + pchar + "*)*)";
  const std::string hier = "(//" + authority + "(/" + pchar + "*)*|/" + path + "?|" + path + ")?";
  const std::string rest = R"((\?()" + pchar + R"(|[/?])*)?(#()" + pchar + R"(|[/?])*)?)";

  std::map<std::string, ByteDfa, std::less<>> formats;
  const auto add = [&](const char* name, const std::string& pattern) {
    formats.emplace(name, ConstantRegexDfa(pattern));
  };
  add("date", date);
  add("time", time);
  add("date-time", date + "T" + time);
  add("duration", R"(P((\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?|)"
                  R"(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S)|\d+W))");
  add("uuid", "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}");
  add("ipv4", ipv4);
  add("ipv6", ipv6);
  add("hostname", hostname);
  add("email", atom + R"((\.)" + atom + ")*@" + hostname);
  add("uri", "[A-Za-z][A-Za-z0-9+.-]*:" + hier + rest);
  add("json-pointer", "(/([^~/]|~[01])*)*");
  return formats;
}

// What follows the backslash for a byte that a JSON string cannot hold as it is; 0: u and its number.
char ShortEscape(uint32_t byte) {
  switch (byte) {
    case '"':
    case '\\':
      return static_cast<char>(byte);
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

bool NeedsEscape(uint32_t byte) { return byte < 0x20 || byte == '"' || byte == '\\'; }

// From inside[state], the bytes that need an escape.
void AddEscapes(const ByteDfa& text, uint32_t state, JsonPlace place, const std::vector<uint32_t>& inside,
                NfaBuilder* nfa) {
  const uint32_t escape = nfa->NewState();
  const uint32_t number = nfa->NewState();
  const uint32_t first_digit[2] = {nfa->NewState(), nfa->NewState()};
  nfa->AddBytes(inside[state], '\\', '\\', escape);
  nfa->AddText(escape, "u00", number);
  nfa->AddBytes(number, '0', '0', first_digit[0]);
  nfa->AddBytes(number, '1', '1', first_digit[1]);
  for (uint32_t byte = 0; byte < 128; ++byte) {
    const uint32_t to = text.Next(state, static_cast<uint8_t>(byte));
    if (to == ByteDfa::kDead) continue;
    const auto letter = static_cast<uint8_t>(ShortEscape(byte));
    if (letter != 0 || (byte == '/' && place == JsonPlace::kInTag)) {
      nfa->AddBytes(escape, letter != 0 ? letter : '/', letter != 0 ? letter : '/', inside[to]);
    } else if (byte < 0x20) {
      const auto digit = static_cast<uint8_t>("0123456789abcdef"[byte % 16]);
      nfa->AddBytes(first_digit[byte / 16], digit, digit, inside[to]);
    }
  }
}

// All JSON texts without "</".
const ByteDfa& WithoutTagEnd() {
  static const ByteDfa kDfa = WithoutDfa("</");
  return kDfa;
}

GrammarTerminalPtr MakeAnyJsonString(JsonPlace place) {
  constexpr std::string_view kPattern =
      R"("([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|)"
      R"([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))*")";
  ByteDfa dfa = ConstantRegexDfa(kPattern);
  if (place == JsonPlace::kInTag) {
    GrammarBudget budget(LimitsOfConstants());
    Result<ByteDfa> both = Combine(dfa, WithoutTagEnd(), DfaOperation::kIntersection, &budget);
    MIMO_CHECK(both);
    dfa = *std::move(both);
  }
  // Between two code points the string may end.
  std::vector<bool> is_boundary(dfa.num_states(), false);
  for (uint32_t state = 1; state < dfa.num_states(); ++state) {
    is_boundary[state] = dfa.label[dfa.Next(state, '"')] != 0;
  }
  return std::make_shared<const GrammarTerminal>(std::move(dfa), std::move(is_boundary));
}

}  // namespace

const ByteDfa& AnyTextDfa() {
  static const ByteDfa kDfa = ConstantRegexDfa(R"([^]*)");
  return kDfa;
}

Result<ByteDfa> TextLengthDfa(uint32_t min, uint32_t max, GrammarBudget* budget) {
  const std::string counts =
      max == kUnbounded ? fmt::format("{{{},}}", min) : fmt::format("{{{},{}}}", min, max);
  if (min > max) return EmptyDfa();
  return RegexDfa("[^]" + counts, RegexMatch::kWhole, budget);
}

const ByteDfa* FormatDfa(std::string_view format) {
  static const std::map<std::string, ByteDfa, std::less<>> kFormats = MakeFormats();
  const auto it = kFormats.find(format);
  return it == kFormats.end() ? nullptr : &it->second;
}

Result<ByteDfa> JsonStringDfa(const ByteDfa& text, JsonPlace place, GrammarBudget* budget) {
  MIMO_RETURN_IF_ERROR(budget->Spend(uint64_t{text.num_states()} * text.num_classes));
  NfaBuilder nfa;
  const uint32_t end = nfa.NewState();
  nfa.SetLabel(end, 1);
  if (text.IsEmpty()) return EmptyDfa();
  std::vector<uint32_t> inside(text.num_states());
  for (uint32_t state = 1; state < text.num_states(); ++state) inside[state] = nfa.NewState();
  nfa.AddBytes(NfaBuilder::kStart, '"', '"', inside[text.start]);
  for (uint32_t state = 1; state < text.num_states(); ++state) {
    if (text.label[state] != 0) nfa.AddBytes(inside[state], '"', '"', end);
    AddEscapes(text, state, place, inside, &nfa);
    for (uint32_t byte = 0; byte < 256;) {
      const uint32_t to = text.Next(state, static_cast<uint8_t>(byte));
      uint32_t last = byte;
      while (last < 255 && !NeedsEscape(last + 1) && text.Next(state, static_cast<uint8_t>(last + 1)) == to) {
        ++last;
      }
      if (to != ByteDfa::kDead && !NeedsEscape(byte)) {
        nfa.AddBytes(inside[state], static_cast<uint8_t>(byte), static_cast<uint8_t>(last), inside[to]);
      }
      byte = NeedsEscape(byte) ? byte + 1 : last + 1;
    }
  }
  MIMO_ASSIGN_OR_RETURN(ByteDfa json, nfa.Determinize(budget));
  if (place == JsonPlace::kPlain) return json;
  return Combine(json, WithoutTagEnd(), DfaOperation::kIntersection, budget);
}

const GrammarTerminalPtr& AnyJsonString(JsonPlace place) {
  static const std::array<GrammarTerminalPtr, 2> kStrings = {MakeAnyJsonString(JsonPlace::kPlain),
                                                             MakeAnyJsonString(JsonPlace::kInTag)};
  return kStrings[place == JsonPlace::kPlain ? 0 : 1];
}

}  // namespace mimo

// For the tests in this folder: reads lines {"schema": ..., "texts": [...]} and answers each with {"error":
// ...} or {"accepted": [...], "stuck": ...}. With "walk": N it also writes N random texts of the grammar,
// byte by byte over the masks' own matcher, and reports them in "walked"; "stuck" is the first that could not
// be finished.

#include <fmt/core.h>

#include <iostream>
#include <random>
#include <string>

#include "base/json.h"
#include "text/grammar.h"
#include "text/json_schema.h"

namespace mimo {
namespace {

bool IsWhole(const GrammarPtr& grammar, std::string_view text) {
  GrammarMatcher matcher(grammar, nullptr);
  return matcher.AcceptBytes(text) && matcher.CanEnd();
}

// Ends where it can with some probability; white space is rare, so that something else is written.
std::string RandomText(const GrammarPtr& grammar, std::mt19937& random, bool* is_stuck) {
  constexpr size_t kBytesMax = 400;
  GrammarMatcher matcher(grammar, nullptr);
  std::string text;
  while (true) {
    const bool can_end = matcher.CanEnd();
    if (can_end && (matcher.MustEnd() || random() % 4 == 0)) return text;
    if (text.size() > kBytesMax) return can_end ? text : "";
    std::string next;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      GrammarMatcher copy = matcher;
      if (!copy.AcceptBytes({&c, 1})) continue;
      const bool is_punctuation = std::string_view("\",:]}0123456789").find(c) != std::string_view::npos;
      next.append(is_punctuation ? 8 : 1, c);
    }
    if (next.empty()) {
      *is_stuck = true;
      return text;
    }
    const char c = next[random() % next.size()];
    matcher.AcceptBytes({&c, 1});
    text += c;
  }
}

Json Answer(const Json& question) {
  const Result<GrammarPtr> grammar = GrammarFromJsonSchema(question.at("schema"));
  if (!grammar) return Json::object({{"error", grammar.error().message}});
  Json answer = Json::object({{"accepted", Json::array()}, {"walked", Json::array()}, {"stuck", nullptr}});
  for (const Json& text : question.at("texts")) {
    answer["accepted"].push_back(IsWhole(*grammar, text.get<std::string>()));
  }
  std::mt19937 random(1);
  const size_t num_walks = question.value("walk", 0U);
  for (size_t i = 0; i < num_walks; ++i) {
    bool is_stuck = false;
    const std::string text = RandomText(*grammar, random, &is_stuck);
    if (is_stuck) answer["stuck"] = text;
    if (!is_stuck && !text.empty()) answer["walked"].push_back(text);
  }
  return answer;
}

}  // namespace
}  // namespace mimo

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const mimo::Result<mimo::Json> question = mimo::ParseJson(line);
    const mimo::Json answer =
        question ? mimo::Answer(*question) : mimo::Json::object({{"error", question.error().message}});
    std::cout << mimo::DumpJson(answer) << '\n' << std::flush;
  }
  return 0;
}

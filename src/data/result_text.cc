#include "data/result_text.h"

#include <charconv>
#include <vector>

namespace mimo {
namespace {

std::vector<std::string_view> Split(std::string_view text, std::string_view separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + separator.size());
  }
}

std::string TextArgument(const ToolCall& call, std::string_view key) {
  const auto found = call.arguments.find(key);
  return found != call.arguments.end() && found->is_string() ? found->get<std::string>() : "";
}

class ResultSpeaker {
 public:
  ResultSpeaker(const LanguagePack& pack, Random& random) : pack_(pack), random_(random) {}

  // "on", "open, position 40", "off 2 of 5: Ceiling, Strip".
  std::string State(const std::string& domain, const std::string& device_class, std::string_view result) {
    const std::string_view token = result.substr(0, result.find_first_of(" ,"));
    std::string word = StateWord(domain, device_class, token);
    const std::string_view rest = result.substr(token.size());
    const size_t of = rest.find(" of ");
    if (rest.empty() || rest.front() == ',') return word;
    if (of == std::string_view::npos || rest.size() < 2 || rest[1] < '0' || rest[1] > '9') {
      return std::string(result);
    }
    const size_t colon = rest.find(": ");
    const std::string_view total =
        rest.substr(of + 4, colon == std::string_view::npos ? colon : colon - of - 4);
    std::string text = fmt::format("{} {}/{}", word, rest.substr(1, of - 1), total);
    if (colon != std::string_view::npos) text += Colon() + Names(rest.substr(colon + 2));
    return text;
  }

  // "coffee: 3 min 20 s left, paused; 1 h in Kitchen: 40 min left".
  std::string Timers(std::string_view result) {
    const std::vector<std::string_view> entries = Split(result, "; ");
    std::string text;
    for (const std::string_view entry : entries) {
      const size_t colon = entry.rfind(": ");
      if (colon == std::string_view::npos) return std::string(result);
      std::string_view left = entry.substr(colon + 2);
      left = left.substr(0, left.find(" left"));
      if (!text.empty()) text += pack_.has_case ? "; " : "；";
      if (entries.size() > 1) text += Label(entry.substr(0, colon)) + Colon();
      text += Duration(left);
    }
    return text;
  }

  // "sunny, 21 °C".
  std::string Weather(std::string_view result) {
    const std::string_view token = result.substr(0, result.find(','));
    return StateWord("weather", "", token) + std::string(result.substr(token.size()));
  }

 private:
  std::string Colon() const { return pack_.has_case ? ": " : "："; }

  std::string Names(std::string_view names) const {
    if (pack_.has_case) return std::string(names);
    std::string text;
    for (const std::string_view name : Split(names, ", ")) {
      if (!text.empty()) text += "、";
      text += name;
    }
    return text;
  }

  std::string StateWord(const std::string& domain, const std::string& device_class, std::string_view state) {
    const auto* states = pack_.States(domain, device_class);
    if (states == nullptr) return std::string(state);
    // Sensors of doors answer as doors do.
    std::string key(state);
    if (domain == "binary_sensor" && (state == "open" || state == "unlocked")) key = "on";
    if (domain == "binary_sensor" && (state == "closed" || state == "locked")) key = "off";
    const auto found = states->find(key);
    return found == states->end() || found->second.empty() ? key : found->second.front().Expand(random_);
  }

  // A timer's name, or its length and room where it has none.
  std::string Label(std::string_view label) {
    const size_t in = label.find(" in ");
    std::string length = Duration(label.substr(0, in));
    if (in == std::string_view::npos || length == label.substr(0, in)) return length;
    return fmt::format("{} ({})", length, label.substr(in + 4));
  }

  // "1 h 5 min 3 s" in words; anything else as it is.
  std::string Duration(std::string_view text) {
    const std::vector<std::string_view> words = Split(text, " ");
    SpokenDuration duration;
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      uint32_t number = 0;
      const char* end = words[i].data() + words[i].size();
      if (std::from_chars(words[i].data(), end, number).ptr != end) return std::string(text);
      if (words[i + 1] == "h") {
        duration.hours = number;
      } else if (words[i + 1] == "min") {
        duration.minutes = number;
      } else if (words[i + 1] == "s") {
        duration.seconds = number;
      } else {
        return std::string(text);
      }
    }
    if (words.size() % 2 != 0) return std::string(text);
    return SpokenValues(pack_).PlainDuration(random_, duration);
  }

  const LanguagePack& pack_;
  Random& random_;
};

}  // namespace

std::string ResultInWords(const LanguagePack& pack, Random& random, const ToolCall& call,
                          const std::string& result) {
  ResultSpeaker speaker(pack, random);
  if (call.name == "HassGetState") {
    const std::string domain = TextArgument(call, "domain");
    if (domain == "sensor") return result;
    return speaker.State(domain, TextArgument(call, "device_class"), result);
  }
  if (call.name == "HassTimerStatus") return speaker.Timers(result);
  if (call.name == "HassGetWeather") return speaker.Weather(result);
  // "Monday 2026-11-23": the name of the day is English.
  if (call.name == "HassGetCurrentDate" && !pack.has_case) return result.substr(result.find(' ') + 1);
  return result;
}

}  // namespace mimo

#pragma once
// Every spelling of the names in a test home, where names are patterns.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "home/home.h"

namespace mimo {

class NameAliases {
 public:
  NameAliases() = default;
  // `json` is the home as ParseHome took it to make `home`.
  NameAliases(const Json& json, const Home& home);

  // The spelling that the home uses, of what is meant by `text` in slot `key` ("name", "area", "floor").
  // `text` itself where nothing of that kind is known under it.
  std::string Canonical(std::string_view key, const std::string& text) const;

  // True for equal text (without case and outer blanks) and for two spellings of the same thing. In slot
  // "state" also for a state as said and as stored ({"in", "out"}).
  bool AreSame(std::string_view key, const std::string& one, const std::string& other) const;

 private:
  void Add(const std::string& key, const std::string& spelling, const std::string& canonical);

  // key, folded spelling -> canonical. One spelling may mean several things; they then share one spelling.
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> spellings_;
};

}  // namespace mimo

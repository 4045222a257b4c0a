#pragma once
// Names as Home Assistant's test homes write them: "lamp[s]", "(first|upper) floor", "hall|corridor".

#include <string>
#include <string_view>
#include <vector>

namespace mimo {

// The pattern's spellings, the first one first; "[x]" is absent before it is present. At most 1,024: a
// pattern with more is cut there. Runs of blanks become one, blanks at the ends go. Text whose brackets do
// not match is its own only spelling. Never empty.
std::vector<std::string> NameSpellings(std::string_view pattern);

// NameSpellings(pattern).front().
std::string FirstSpelling(std::string_view pattern);

}  // namespace mimo

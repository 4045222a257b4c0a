#include "server/model_name.h"

#include <algorithm>
#include <cctype>

namespace mimo {

std::string ComparableModelName(std::string_view name) {
  if (!name.empty() && name.back() == ']') name = name.substr(0, name.rfind('['));
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::string result(name);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace mimo

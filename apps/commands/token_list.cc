#include "apps/commands/token_list.h"

#include <limits>

#include "base/json.h"

namespace mimo {

Result<std::vector<TokenId>> ParseTokenList(std::string_view json, std::string_view where) {
  const Result<Json> list = ParseJson(json);
  if (!list) return InvalidArgument("{} ({}): give a JSON list of token ids", list.error().message, where);
  if (!list->is_array()) return InvalidArgument("not a list ({}): give a JSON list of token ids", where);
  std::vector<TokenId> tokens;
  for (const Json& element : *list) {
    if (!element.is_number_unsigned() || element > std::numeric_limits<TokenId>::max()) {
      return InvalidArgument("element {} is no token id ({}): give a JSON list of token ids", tokens.size(),
                             where);
    }
    tokens.push_back(element.get<TokenId>());
  }
  return tokens;
}

}  // namespace mimo

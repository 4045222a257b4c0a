#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

// A JSON list of token ids. `where` names the source in messages.
Result<std::vector<TokenId>> ParseTokenList(std::string_view json, std::string_view where);

}  // namespace mimo

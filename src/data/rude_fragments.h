#pragma once

#include <string_view>

namespace mimo {

// Whether an invented word, in lower case, holds or sounds like something that nobody wants to read in their
// home. Errs on the side of refusing: there are plenty of other words.
bool HoldsRudeFragment(std::string_view word);

}  // namespace mimo

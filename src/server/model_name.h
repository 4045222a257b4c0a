#pragma once
// Model names as clients write them, made comparable.

#include <string>
#include <string_view>

namespace mimo {

// Lower case, without the vendor before a slash and without a "[1m]"-like suffix:
// "XiaomiMiMo/MiMo-V2-Flash[1m]" -> "mimo-v2-flash".
std::string ComparableModelName(std::string_view name);

}  // namespace mimo

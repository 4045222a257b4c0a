#pragma once
// The price card of the configuration file.

#include <string>

#include "base/status.h"
#include "server/price_card.h"

namespace mimo {

// The file's table [prices]; the published prices when it has none or `config_path` is empty.
Result<PriceCard> ReadPriceCard(const std::string& config_path);

}  // namespace mimo

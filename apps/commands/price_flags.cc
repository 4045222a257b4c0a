#include "apps/commands/price_flags.h"

#include "apps/commands/config_file.h"

namespace mimo {

Result<PriceCard> ReadPriceCard(const std::string& config_path) {
  MIMO_ASSIGN_OR_RETURN(const Json table, ReadConfigTable(config_path, "prices"));
  if (table.is_null()) return PriceCard::Published();
  Result<PriceCard> card = PriceCard::Parse(table);
  if (!card) return InvalidArgument("{} ({}): correct the file", card.error().message, config_path);
  return card;
}

}  // namespace mimo

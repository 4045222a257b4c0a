#include "server/stream_options.h"

namespace mimo {

StreamOptions ReadStreamOptions(JsonFields& fields) {
  StreamOptions result;
  result.stream = fields.Bool("stream").value_or(false);
  const Json* options = fields.Object("stream_options");
  if (options == nullptr || !result.stream) return result;
  JsonFields option_fields(*options, "stream_options.");
  result.include_usage = option_fields.Bool("include_usage").value_or(false);
  result.continuous_usage = option_fields.Bool("continuous_usage_stats").value_or(false);
  if (option_fields.error()) fields.Fail("stream_options", "has a field that is not a boolean");
  return result;
}

}  // namespace mimo

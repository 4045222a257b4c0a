#pragma once
// What a client wants of a stream besides the text.

#include "server/json_fields.h"

namespace mimo {

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;     // a last chunk with the token counts
  bool continuous_usage = false;  // vLLM's continuous_usage_stats: counts so far in every chunk
};

// `stream` and `stream_options`. Without `stream` the others are false.
StreamOptions ReadStreamOptions(JsonFields& fields);

}  // namespace mimo

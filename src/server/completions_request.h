#pragma once
// The body of POST /v1/completions: text in, text out, no conversation.

#include <string>
#include <vector>

#include "server/generation_route.h"
#include "server/served_model.h"
#include "server/stream_options.h"

namespace mimo {

// Choice number prompt * num_choices + k is the k-th answer to that prompt.
struct TextCompletion : GenerationJob {
  std::vector<std::string> echoed;  // of each prompt, what stands before the answer; empty without `echo`
  StreamOptions streaming;
  bool return_token_ids = false;
};

// `prompt` is a string, a list of strings, a list of token ids or a list of such lists. Unknown fields are
// ignored. What would change the results and is not implemented is refused: suffix, best_of above n, and
// log-probabilities of the prompt.
ApiResult<TextCompletion> ParseTextCompletion(const Json& body, const ServedModel& model);

}  // namespace mimo

#pragma once
// POST /tokenize and /detokenize, in the words of llama.cpp's server ("content") and of vLLM ("prompt",
// "messages").

#include "server/http_server.h"
#include "server/served_model.h"

namespace mimo {

// {"content" | "prompt": text, "parse_special": true, "with_pieces": false} or {"messages": [...], "tools":
// [...]}
// -> {"tokens": [...], "count", "max_model_len"}
HttpReply HandleTokenize(const HttpRequest& request, const ServedModel& model);

// {"tokens": [...]} -> {"content": text, "prompt": text}. Bytes that are not UTF-8 become U+FFFD.
HttpReply HandleDetokenize(const HttpRequest& request, const ServedModel& model);

}  // namespace mimo

#pragma once
// The body of POST /v1/responses -> a native request.

#include <cstdint>
#include <map>
#include <string>

#include "server/generation_route.h"
#include "server/responses_conversation.h"
#include "server/responses_store.h"

namespace mimo {

struct ResponsesRequest : GenerationJob {
  std::map<std::string, ResponsesTool> tools;  // by the name the model calls it by
  bool store = true;                           // the response can be asked for later
  bool encrypts_reasoning = false;             // reasoning items carry their text in `encrypted_content`
  bool summarizes_reasoning = false;  // the text of reasoning goes into `summary` instead of `content`
  bool report_logprobs = false;
  // For the reply and the store, never read again: the fields of the response object that repeat the request,
  // and the items of the whole conversation.
  Json echo;
  Json items;
};

// `previous_response_id` and `item_reference` are looked up in `stored`; kNotFound when they are not there.
// What would need a server that goes on after the connection is kUnimplemented: background, conversations,
// stored prompts.
ApiResult<ResponsesRequest> ParseResponsesRequest(const Json& body, const ServedModel& model,
                                                  const OwnedResponses& stored);

// The tokens of the prompt that the same body gives.
ApiResult<uint64_t> CountResponsesTokens(const Json& body, const ServedModel& model,
                                         const OwnedResponses& stored);

}  // namespace mimo

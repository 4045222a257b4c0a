#pragma once
// Pieces of a reply -> OpenAI's text completion object, or the chunks of its stream.

#include <cstdint>
#include <memory>

#include "server/completions_request.h"
#include "server/generation_route.h"

namespace mimo {

// The route's model must outlive the result.
std::unique_ptr<ReplyFormat> MakeCompletionFormat(const TextCompletion& request,
                                                  const GenerationRoute& route);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, as completions had it before chat.
class CompletionLogprobs {
 public:
  // `tokenizer` must outlive this. Offsets count characters and begin at `text_offset`.
  CompletionLogprobs(size_t text_offset, const Tokenizer& tokenizer)
      : text_offset_(text_offset), tokenizer_(tokenizer) {}

  void Add(const std::vector<SampledToken>& tokens);
  // Everything since the last call; null when there is nothing.
  Json Take();

 private:
  size_t text_offset_;
  const Tokenizer& tokenizer_;
  Json tokens_ = Json::array();
  Json token_logprobs_ = Json::array();
  Json top_logprobs_ = Json::array();
  Json text_offsets_ = Json::array();
};

}  // namespace mimo

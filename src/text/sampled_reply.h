#pragma once
// A reply on its way into SampledTurns.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/token_id.h"
#include "text/chat_template.h"
#include "text/encode_prompt.h"
#include "text/output_parser.h"
#include "text/sampled_turns.h"
#include "text/tokenizer.h"

namespace mimo {

// Not thread-safe.
class SampledReply {
 public:
  // `parser`: as the client's reply is parsed, so that the turn is what the client sends back.
  SampledReply(ReplyPlace place, OutputParserOptions parser)
      : place_(std::move(place)), parser_(std::move(parser)) {}

  // What was generated: its text, and the tokens with the one that ended it.
  void Add(std::string_view text, std::span<const TokenId> tokens);

  // The turn that a client makes of the reply. Requires: it was not cut short. Nothing where it ended with
  // another token than a turn does.
  std::optional<SampledTurn> Turn(const ChatTemplate& chat_template, const Tokenizer& tokenizer) const;

 private:
  const ReplyPlace place_;
  const OutputParserOptions parser_;
  std::string text_;
  std::vector<TokenId> tokens_;
};

}  // namespace mimo

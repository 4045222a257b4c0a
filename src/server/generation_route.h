#pragma once
// What every endpoint that generates has in common: from a parsed request to the last byte of its reply. A
// dialect parses its own JSON into a GenerationJob and writes its own JSON through a ReplyFormat; waiting,
// streaming, keep-alive, cancelling and the two times at which an error can come are here.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/api_error.h"
#include "server/choice_reader.h"
#include "server/http_server.h"
#include "server/reply_shape.h"
#include "server/request_meter.h"
#include "server/served_model.h"
#include "text/chat_message.h"
#include "text/encode_prompt.h"
#include "text/output_parser.h"

namespace mimo {

struct GenerationRouteOptions {
  // A stream without news gets a sign of life this often: clients and proxies give up on silent connections.
  std::chrono::milliseconds keep_alive_interval{5000};
  // How often a waiting request looks whether its client has gone or the server is ending.
  std::chrono::milliseconds poll_interval{250};
};

// What an endpoint's handler is given. All of it must outlive the reply, but `request`, which the handler
// alone may use.
struct GenerationRoute {
  const HttpRequest& request;
  const ServedModel& model;
  const GenerationRouteOptions& options;
  // When it becomes true, running generations are cancelled and their clients told so.
  const std::atomic<bool>& ending;
  // Where the request is booked; null where nobody keeps accounts. Tell it the model's name as the request
  // has it, and add its cost to the usage (AddCost).
  std::shared_ptr<RequestMeter> meter = nullptr;
};

// A native request of any dialect.
struct GenerationJob {
  GenerationRequest generation;
  uint32_t num_choices = 1;
  OutputParserOptions parser;
  bool parallel_tool_calls = true;  // false: the reply ends after its first call
  bool stream = false;
  std::string model_name;  // FindModel's, for the reply
  std::string booked_as;   // FindModel's, for the accounts
  // Text completions may ask for several prompts at once, each with num_choices answers; else this is empty
  // and the prompt is generation's.
  std::vector<std::vector<TokenId>> prompts;
  // For the metrics: what the client asked in vain or left out.
  uint32_t num_tools_skipped = 0;
  uint32_t num_replays_without_reasoning = 0;  // with thinking on: turns with tool calls
  // Where the reply stands in the conversation; absent where the prompt is not one.
  std::optional<ReplyPlace> reply_place = {};

  // One engine request per choice; a given seed becomes seed, seed + 1, ... for each prompt.
  std::vector<GenerationRequest> EngineRequests() const;
};

// Renders the conversation: sets the prompt, the grammar that the reply must obey, and the parser that reads
// it. Turns that the model wrote go into the prompt as they were sampled, so that the prefix cache knows
// them. Does not look at the context's length, for which every dialect has words of its own. Tools that the
// shape forbids are not shown to the model, and where none is left it cannot open a call at all.
ApiResult<void> SetConversation(ChatRequest chat, const ReplyShape& shape, const ServedModel& model,
                                GenerationJob* job);
// The same for a reply in any shape, calls included if tools are offered.
ApiResult<void> SetConversation(ChatRequest chat, const ServedModel& model, GenerationJob* job);

// For text without a conversation: the grammar that it must obey.
ApiResult<void> SetFormat(const OutputFormat& format, const ServedModel& model, GenerationJob* job);

// Writes one reply: the bytes of a stream's events, or one whole object at the end. One object for each
// request; used by one thread at a time. Must not throw and never waits.
class ReplyFormat {
 public:
  virtual ~ReplyFormat() = default;

  // Once, when the engine has taken the request; `usage` holds the counts of the prompt as far as they are
  // known before it is computed.
  virtual std::string Begin(const GenerationUsage& /*usage*/) { return {}; }
  // The news of a choice, in the order they happened. A whole reply collects them and returns nothing.
  virtual std::string Add(uint32_t choice, const ChoicePieces& pieces) = 0;
  // When every choice has ended: the last events of a stream, or the whole body.
  virtual std::string Finish(const std::vector<ChoiceReader>& choices) = 0;

  // The reply to a request that fails before its first byte.
  virtual HttpReply Refuse(const ApiError& error) { return ErrorReply(error); }
  // The last event of a stream that fails later.
  virtual std::string Fail(const ApiError& error) = 0;
  // What a silent stream sends: by default a comment, which clients skip.
  virtual std::string KeepAlive() { return ": keep-alive\n\n"; }
};

// Hands the job to the engine and answers in the format's words: at once when it fails, else as a stream or
// when all of it is there. A client that goes away has its generation cancelled within poll_interval.
HttpReply RunGeneration(GenerationJob job, std::unique_ptr<ReplyFormat> format, const GenerationRoute& route);

// "data: ...", as OpenAI's streams have it, and with "event: name" before it, as the others.
std::string ServerSentEvent(const Json& data);
std::string ServerSentEvent(std::string_view name, const Json& data);

// The prefix and 24 random hexadecimal digits.
std::string RandomId(std::string_view prefix);

}  // namespace mimo

#pragma once
// Who answers in an evaluation: a model in this process, or any OpenAI-compatible server.

#include <memory>
#include <string>

#include "apps/commands/model_flags.h"
#include "base/status.h"
#include "home/home_eval.h"
#include "text/chat_message.h"

namespace mimo {

constexpr uint32_t kEvalTokensMax = 128;      // of one reply; a call has 20 to 60
constexpr uint32_t kEvalRequestsAtOnce = 16;  // the engine's default of sequences

// Thread-safe.
class EvalModel {
 public:
  virtual ~EvalModel() = default;
  // Greedily. kInvalidArgument: this request cannot be answered (it exceeds the context); kCancelled after an
  // interrupt; anything else ends the evaluation.
  virtual Result<EvalReply> Answer(const ChatRequest& request) = 0;
};

Result<std::unique_ptr<EvalModel>> OpenEngineModel(const ModelFlags& flags);

struct UrlModelOptions {
  std::string url;  // "http://host:port", or with the path before "/chat/completions"
  std::string model;
  std::string api_key;  // may be empty
};
// kInvalidArgument for an address of another form; kUnimplemented for https.
Result<std::unique_ptr<EvalModel>> OpenUrlModel(const UrlModelOptions& options);

}  // namespace mimo

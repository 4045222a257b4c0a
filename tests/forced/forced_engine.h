#pragma once
// For end-to-end tests, in the program mimo-forced alone: an engine whose replies a script may choose, so
// that the tool loops of agents close with any weights. Only the choice of tokens is forced, by a grammar
// that allows one text; prompts are computed, tokens decoded, streamed, parsed and cached as always.

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace mimo {

// One reply of the script: a JSON object {"if": [...], "unless": [...], "text": "..."}.
struct ForcedReply {
  std::vector<std::string> required;   // "if": all of them stand in the prompt
  std::vector<std::string> forbidden;  // "unless": none of them does
  std::string text;                    // as the model writes it: <think> and <tool_call> included
};

// The script is a JSON array; see ForcedReply. kInvalidArgument names what is wrong with it.
Result<std::vector<ForcedReply>> ParseForcedReplies(std::string_view json);

// Null when no reply fits: the first that does is taken.
const ForcedReply* FindForcedReply(const std::vector<ForcedReply>& replies, std::string_view prompt);

// Thread-safe, as the engine below it. Reads the script again for each request.
class ForcedEngine final : public Engine {
 public:
  // `tokenizer` must outlive this.
  ForcedEngine(std::unique_ptr<Engine> engine, const Tokenizer& tokenizer, std::string script_path)
      : engine_(std::move(engine)), tokenizer_(tokenizer), script_path_(std::move(script_path)) {}

  // Where no reply fits, the model speaks freely.
  EngineResult<RequestId> Submit(GenerationRequest request, EventSink sink) override;
  void Cancel(RequestId id) override { engine_->Cancel(id); }
  uint32_t context_max() const override { return engine_->context_max(); }
  const ModelConfig& config() const override { return engine_->config(); }
  KvCacheConfig kv_cache_config() const override { return engine_->kv_cache_config(); }
  Status Health() const override { return engine_->Health(); }
  Load load() const override { return engine_->load(); }
  uint32_t CachedTokens(std::span<const TokenId> prompt, std::string_view cache_salt) const override {
    return engine_->CachedTokens(prompt, cache_salt);
  }
  std::string cache_folder() const override { return engine_->cache_folder(); }

 private:
  const std::unique_ptr<Engine> engine_;
  const Tokenizer& tokenizer_;
  const std::string script_path_;
};

}  // namespace mimo

// Bytes -> JSON -> a chat or text completion: prompt, sampling, grammar. The first byte chooses which.

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/log.h"
#include "server/chat_completions.h"
#include "server/completions_request.h"
#include "text/bpe_byte_alphabet.h"

namespace mimo {
namespace {

// Is only asked about itself.
class IdleEngine final : public Engine {
 public:
  explicit IdleEngine(uint32_t vocab_size) { config_.vocab_size = vocab_size; }
  EngineResult<RequestId> Submit(GenerationRequest /*request*/, EventSink /*sink*/) override {
    return RequestId{0};
  }
  void Cancel(RequestId /*id*/) override {}
  uint32_t context_max() const override { return 1 << 20; }
  const ModelConfig& config() const override { return config_; }
  KvCacheConfig kv_cache_config() const override { return {}; }
  Status Health() const override { return {}; }
  Load load() const override { return {}; }

 private:
  ModelConfig config_;
};

// The bytes and the markers.
ServedModel MakeModel() {
  TokenizerData data;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    data.tokens.push_back(EncodeByteAlphabet(std::string(1, static_cast<char>(byte))));
  }
  for (const char* added : {"<|im_start|>", "<|im_end|>", "<tool_call>", "<think>"}) {
    TokenizerData::AddedToken token;
    token.id = static_cast<TokenId>(data.tokens.size());
    token.content = added;
    data.tokens.emplace_back(added);
    data.added_tokens.push_back(token);
  }
  const auto vocab_size = static_cast<uint32_t>(data.tokens.size());
  Result<Tokenizer> tokenizer = Tokenizer::Create(std::move(data));
  MIMO_CHECK(tokenizer.has_value());
  ServedModel model;
  model.id = std::string("m");  // GCC 12 warns of an overlap when it is assigned as it stands
  model.aliases = {{.name = "a-*", .defaults = {.thinking = true}}};
  model.tokenizer = std::make_unique<Tokenizer>(std::move(*tokenizer));
  model.tool_call_openers = ToolCallOpeners(*model.tokenizer);
  model.engine = std::make_unique<IdleEngine>(vocab_size);
  return model;
}

// An error says what and where; a request can be run.
template <typename Parsed>
void Check(const Parsed& parsed) {
  if (!parsed) {
    if (parsed.error().message.empty()) std::abort();
    return;
  }
  for (const GenerationRequest& request : parsed->EngineRequests()) {
    if (request.prompt.empty()) std::abort();
  }
}

}  // namespace
}  // namespace mimo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mimo;
  if (size == 0) return 0;
  SetLogLevel(LogLevel::kError);
  static const ServedModel kModel = MakeModel();
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const Result<Json> body = ParseJson(text);
  if (!body || !body->is_object()) return 0;
  if (data[0] % 2 == 0) {
    Check(ParseChatCompletion(*body, kModel));
  } else {
    Check(ParseTextCompletion(*body, kModel));
  }
  return 0;
}

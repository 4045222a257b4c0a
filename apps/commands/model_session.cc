#include "apps/commands/model_session.h"

#include <fmt/core.h>

#include <utility>

#include "apps/commands/byte_size.h"
#include "apps/commands/machine_memory.h"
#include "base/log.h"
#include "model/model.h"
#include "text/builtin_vocabulary.h"
#include "weights/checkpoint_fingerprint.h"
#include "weights/default_model.h"

namespace mimo {
namespace {

Result<TokenizerData> TokenizerDataOf(const Checkpoint& checkpoint) {
  const TokenizerSource& source = checkpoint.tokenizer();
  if (!source.tokenizer_json.empty()) return ParseTokenizerJson(source.tokenizer_json);
  if (!source.tokens.empty()) {
    return TokenizerDataFromGguf({source.tokens, source.token_types, source.merges, source.pre_tokenizer});
  }
  return NotFound("the checkpoint has no tokenizer ({}): add tokenizer.json", checkpoint.path());
}

// The template that a checkpoint without a usable one of its own was published with. V2.5 and V2.6 share an
// architecture; of the two, only V2.6 stores its router in bf16.
ChatTemplateKind PublishedTemplate(const Checkpoint& checkpoint) {
  const ModelConfig& config = checkpoint.config();
  if (config.family == ModelFamily::kMimo) return ChatTemplateKind::kMimo7B;
  if (config.architecture == "MiMoV2FlashForCausalLM") return ChatTemplateKind::kMimoV2Flash;
  for (size_t layer = 0; layer < config.is_sparse.size(); ++layer) {
    if (!config.is_sparse[layer]) continue;
    const StoredTensor* const router =
        checkpoint.Find(checkpoint.is_gguf() ? fmt::format("blk.{}.ffn_gate_inp.weight", layer)
                                             : fmt::format("model.layers.{}.mlp.gate.weight", layer));
    if (router != nullptr && router->type == StoredType::kBf16) return ChatTemplateKind::kMimoV26;
  }
  return ChatTemplateKind::kMimoV25;
}

Status ApplyCacheFlags(const ModelFlags& flags, const Checkpoint& checkpoint, EngineOptions* options) {
  options->prefix_cache.is_enabled = flags.prefix_cache == "on";
  if (!flags.cache_memory.empty()) {
    MIMO_ASSIGN_OR_RETURN(options->kv_memory_bytes_max, ParseByteSize(flags.cache_memory));
  }
  if (flags.cache_dir.empty()) return {};
  options->prefix_cache.disk_directory = flags.cache_dir;
  MIMO_ASSIGN_OR_RETURN(options->prefix_cache.disk_bytes_max, ParseByteSize(flags.cache_disk));
  options->prefix_cache.model_fingerprint = CheckpointFingerprint(checkpoint);
  return {};
}

}  // namespace

Status RequireModel(const ModelFlags& flags) {
  MIMO_RETURN_IF_ERROR(CheckModelFlags(flags));
  if (!flags.model.empty() || !DefaultModelFile().empty()) return {};
  return NotFound(
      "no model is given, and this program has none inside (--model): pass a checkpoint, or make one with "
      "'mimo synth'");
}

Result<Checkpoint> OpenCheckpoint(const ModelFlags& flags, CheckpointUse use) {
  MIMO_RETURN_IF_ERROR(RequireModel(flags));
  CheckpointOptions options;
  options.populate = use == CheckpointUse::kWeights;
  options.num_threads = flags.threads;
  for (const std::string& text : flags.overrides) options.overrides.push_back(SplitKeyValue(text));
  if (flags.model.empty()) return Checkpoint::OpenMemory(kDefaultModelName, DefaultModelFile(), options);
  return Checkpoint::Open(flags.model, options);
}

Result<Tokenizer> MakeTokenizer(const Checkpoint& checkpoint) {
  MIMO_ASSIGN_OR_RETURN(TokenizerData data, TokenizerDataOf(checkpoint));
  return Tokenizer::Create(std::move(data));
}

Result<ChatTemplate> MakeChatTemplate(const Checkpoint& checkpoint) {
  const std::string& text = checkpoint.tokenizer().chat_template;
  if (text.empty()) return ChatTemplate(PublishedTemplate(checkpoint));
  Result<ChatTemplate> recognized = ChatTemplate::Recognize(text);
  if (!recognized && recognized.error().code == ErrorCode::kUnimplemented) {
    LogWarning("{}; using the template that this architecture was published with",
               recognized.error().message);
    return ChatTemplate(PublishedTemplate(checkpoint));
  }
  return recognized;
}

Result<TextSession> OpenTextSession(const ModelFlags& flags) {
  TextSession session;
  if (flags.model.empty() && DefaultModelFile().empty()) {
    MIMO_RETURN_IF_ERROR(CheckModelFlags(flags));
    MIMO_ASSIGN_OR_RETURN(TokenizerData data, BuiltinMimoVocabulary());
    MIMO_ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Create(std::move(data)));
    session.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
    return session;
  }
  MIMO_ASSIGN_OR_RETURN(const Checkpoint checkpoint, OpenCheckpoint(flags, CheckpointUse::kMetadata));
  MIMO_ASSIGN_OR_RETURN(Tokenizer tokenizer, MakeTokenizer(checkpoint));
  MIMO_ASSIGN_OR_RETURN(session.chat_template, MakeChatTemplate(checkpoint));
  session.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  return session;
}

Result<ModelSession> OpenModelSession(const ModelFlags& flags, EngineOptions options) {
  ModelSession session;
  MIMO_ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(flags, CheckpointUse::kWeights));
  session.checkpoint = std::make_unique<Checkpoint>(std::move(checkpoint));
  MIMO_ASSIGN_OR_RETURN(Tokenizer tokenizer, MakeTokenizer(*session.checkpoint));
  session.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  MIMO_ASSIGN_OR_RETURN(session.chat_template, MakeChatTemplate(*session.checkpoint));
  ModelOptions model_options;
  model_options.num_threads = flags.threads;
  model_options.packed_bytes_max = PackedBytesMax();
  MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(*session.checkpoint, model_options));
  options.context_max = flags.context;
  options.tokens_per_step_max = model_options.tokens_per_step_max;
  options.kv_type = KvTypeOf(flags);
  MIMO_RETURN_IF_ERROR(ApplyCacheFlags(flags, *session.checkpoint, &options));
  MIMO_ASSIGN_OR_RETURN(session.engine, Engine::Create(std::move(model), *session.tokenizer, options));
  return session;
}

}  // namespace mimo

#include "apps/commands/model_session.h"

#include <utility>

#include "model/model.h"
#include "text/builtin_vocabulary.h"

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

}  // namespace

Status RequireModel(const ModelFlags& flags) {
  MIMO_RETURN_IF_ERROR(CheckModelFlags(flags));
  if (!flags.model.empty()) return {};
  return NotFound(
      "no model is given, and this version has none inside (--model): pass a checkpoint, or make one with "
      "'mimo synth'");
}

Result<Checkpoint> OpenCheckpoint(const ModelFlags& flags, CheckpointUse use) {
  MIMO_RETURN_IF_ERROR(RequireModel(flags));
  CheckpointOptions options;
  options.populate = use == CheckpointUse::kWeights;
  options.num_threads = flags.threads;
  for (const std::string& text : flags.overrides) options.overrides.push_back(SplitKeyValue(text));
  return Checkpoint::Open(flags.model, options);
}

Result<Tokenizer> MakeTokenizer(const Checkpoint& checkpoint) {
  MIMO_ASSIGN_OR_RETURN(TokenizerData data, TokenizerDataOf(checkpoint));
  return Tokenizer::Create(std::move(data));
}

Result<ChatTemplate> MakeChatTemplate(const Checkpoint& checkpoint) {
  return ChatTemplate::Recognize(checkpoint.tokenizer().chat_template);
}

Result<TextSession> OpenTextSession(const ModelFlags& flags) {
  TextSession session;
  if (flags.model.empty()) {
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

Result<ModelSession> OpenModelSession(const ModelFlags& flags, uint32_t sequences_max) {
  ModelSession session;
  MIMO_ASSIGN_OR_RETURN(Checkpoint checkpoint, OpenCheckpoint(flags, CheckpointUse::kWeights));
  session.checkpoint = std::make_unique<Checkpoint>(std::move(checkpoint));
  MIMO_ASSIGN_OR_RETURN(Tokenizer tokenizer, MakeTokenizer(*session.checkpoint));
  session.tokenizer = std::make_unique<Tokenizer>(std::move(tokenizer));
  MIMO_ASSIGN_OR_RETURN(session.chat_template, MakeChatTemplate(*session.checkpoint));
  ModelOptions model_options;
  model_options.num_threads = flags.threads;
  MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(*session.checkpoint, model_options));
  EngineOptions options;
  options.context_max = flags.context;
  options.sequences_max = sequences_max;
  options.tokens_per_step_max = model_options.tokens_per_step_max;
  options.kv_type = KvTypeOf(flags);
  MIMO_ASSIGN_OR_RETURN(session.engine, Engine::Create(std::move(model), *session.tokenizer, options));
  return session;
}

}  // namespace mimo

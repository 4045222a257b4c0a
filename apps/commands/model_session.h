#pragma once
// From the flags to what a command works with: checkpoint, tokenizer, template, engine.

#include <memory>
#include <string>
#include <vector>

#include "apps/commands/model_flags.h"
#include "base/status.h"
#include "base/token_id.h"
#include "engine/engine.h"
#include "text/chat_template.h"
#include "text/encode_prompt.h"
#include "text/tokenizer.h"
#include "weights/checkpoint.h"

namespace mimo {

enum class CheckpointUse {
  kWeights,   // tensors are made resident
  kMetadata,  // only configuration, tokenizer and the list of tensors are read
};

// Checks the flags. kNotFound without --model when the program has no model inside.
Status RequireModel(const ModelFlags& flags);

// The same, and opens the checkpoint: the model inside without --model.
Result<Checkpoint> OpenCheckpoint(const ModelFlags& flags, CheckpointUse use);

// kNotFound when the checkpoint carries none.
Result<Tokenizer> MakeTokenizer(const Checkpoint& checkpoint);
Result<ChatTemplate> MakeChatTemplate(const Checkpoint& checkpoint);

// The text side alone. Without --model and a model inside: the built-in vocabulary, which the published
// MiMo-V2 models share, and the template of the newest one.
struct TextSession {
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat_template{ChatTemplateKind::kMimoV26};
};
Result<TextSession> OpenTextSession(const ModelFlags& flags);

// Everything, ready to generate. Members are destroyed from the last to the first, as their uses require.
struct ModelSession {
  std::unique_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  ChatTemplate chat_template{ChatTemplateKind::kMimoV26};
  std::unique_ptr<Engine> engine;
};
// `options` are the engine's, but for what the flags say: context and type of keys and values.
Result<ModelSession> OpenModelSession(const ModelFlags& flags, EngineOptions options);

}  // namespace mimo

#include "text/builtin_vocabulary_asset.h"

#include "base/embedded_file.h"

MIMO_EMBED_FILE(uint8_t, kMimoQwen2Vocabulary, MIMO_QWEN2_VOCABULARY, 16)

namespace mimo {

std::span<const uint8_t> Qwen2VocabularyAsset() {
  return {kMimoQwen2VocabularyBegin, kMimoQwen2VocabularyEnd};
}

}  // namespace mimo

#include "weights/default_model.h"

#include "base/embedded_file.h"

#ifdef MIMO_DEFAULT_MODEL

// 4096: weights are made resident by pages.
MIMO_EMBED_FILE(std::byte, kMimoDefaultModel, MIMO_DEFAULT_MODEL, 4096)

namespace mimo {

std::span<const std::byte> DefaultModelFile() { return {kMimoDefaultModelBegin, kMimoDefaultModelEnd}; }

}  // namespace mimo

#else

namespace mimo {

std::span<const std::byte> DefaultModelFile() { return {}; }

}  // namespace mimo

#endif

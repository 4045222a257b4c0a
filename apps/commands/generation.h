#pragma once
// One request through the engine, on the calling thread.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "engine/engine.h"

namespace mimo {

struct GenerationOutcome {
  std::string text;
  std::vector<TokenId> tokens;  // stop tokens included
  FinishReason finish = FinishReason::kStop;
  GenerationUsage usage;
};

// Submits `request` and calls `on_text` with each piece of text as it comes. An interrupt cancels the
// request; the outcome then says kCancelled. An error of the engine or of `on_text` is returned.
Result<GenerationOutcome> Generate(Engine& engine, GenerationRequest request,
                                   const std::function<Status(const std::string& text)>& on_text);

// "stop", "length", "cancelled".
const char* FinishReasonName(FinishReason finish);
Json UsageJson(const GenerationUsage& usage);
Json TimingsJson(const GenerationUsage& usage);

}  // namespace mimo

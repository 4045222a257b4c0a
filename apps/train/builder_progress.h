#pragma once
// The progress of a builder as a bar that an interrupt ends.

#include <algorithm>
#include <string>
#include <utility>

#include "apps/commands/interrupt.h"
#include "base/progress_bar.h"
#include "data/tokenizer_recipe.h"

namespace mimo {

class BuilderBar {
 public:
  BuilderBar(std::string label, uint64_t total) : total_(total), bar_(std::move(label), total) {}

  // Valid for the life of this.
  BuilderProgress Callback() {
    return [this](uint64_t done) -> Status {
      done = std::min(done, total_);
      bar_.Advance(done - std::exchange(done_, done));
      if (Interrupted()) return MakeError(ErrorCode::kCancelled, "interrupted: nothing was written");
      return {};
    };
  }

 private:
  const uint64_t total_;
  uint64_t done_ = 0;
  ProgressBar bar_;
};

}  // namespace mimo

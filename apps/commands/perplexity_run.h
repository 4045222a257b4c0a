#pragma once
// How well a model predicts a text, and how far its predictions are from another model's.

#include <cstdint>
#include <span>
#include <vector>

#include "apps/commands/single_sequence.h"
#include "base/status.h"
#include "base/token_id.h"

namespace mimo {

// Mean of numbers, with the standard error of that mean.
class Mean {
 public:
  void Add(double value) {
    ++count_;
    sum_ += value;
    square_sum_ += value * value;
  }
  uint64_t count() const { return count_; }
  double value() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  double standard_error() const;

 private:
  uint64_t count_ = 0;
  double sum_ = 0;
  double square_sum_ = 0;
};

// exp of the mean negative log-likelihood, and its standard error from that of the mean.
double Perplexity(const Mean& nll);
double PerplexityError(const Mean& nll);

struct PerplexityResult {
  uint64_t tokens = 0;  // of the text
  uint64_t windows = 0;
  Mean nll;  // -log p of each scored token, natural
  // With a reference, over the same tokens; else empty.
  Mean reference_nll;
  Mean divergence;                 // KL(reference || model) of each prediction, natural
  std::vector<float> divergences;  // the same, one by one
  uint64_t same_top = 0;           // predictions whose most likely token is the reference's

  // The divergence that a share of `quantile` does not exceed. Requires: there are some.
  float DivergenceQuantile(double quantile) const;
};

// llama.cpp's rule: windows of `context` tokens that do not overlap; only the second half of a window is
// scored, so that every scored token has seen at least half a window; what does not fill a window is left
// out. `reference` may be null; it has the vocabulary of the model. kCancelled after an interrupt.
Result<PerplexityResult> MeasurePerplexity(SingleSequence& model, SingleSequence* reference,
                                           std::span<const TokenId> tokens, uint32_t context);

}  // namespace mimo

#include "apps/commands/perplexity_run.h"

#include <algorithm>
#include <cmath>

#include "base/progress_bar.h"

namespace mimo {
namespace {

// Logits as a distribution.
class Prediction {
 public:
  explicit Prediction(std::span<const float> logits)
      : logits_(logits),
        top_(static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())) {
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit - logits[top_]));
    log_sum_ = std::log(sum);
  }
  double LogProbability(size_t token) const {
    return static_cast<double>(logits_[token] - logits_[top_]) - log_sum_;
  }
  size_t top() const { return top_; }
  size_t size() const { return logits_.size(); }

 private:
  std::span<const float> logits_;
  size_t top_;
  double log_sum_ = 0;
};

double Divergence(const Prediction& reference, const Prediction& model) {
  double sum = 0;
  for (size_t token = 0; token < reference.size(); ++token) {
    const double log_probability = reference.LogProbability(token);
    sum += std::exp(log_probability) * (log_probability - model.LogProbability(token));
  }
  return std::max(0.0, sum);  // rounding
}

void Compare(const Prediction& reference, const Prediction& model, TokenId next, PerplexityResult* result) {
  result->reference_nll.Add(-reference.LogProbability(next));
  const double divergence = Divergence(reference, model);
  result->divergence.Add(divergence);
  result->divergences.push_back(static_cast<float>(divergence));
  if (reference.top() == model.top()) ++result->same_top;
}

// What a chunk of a window is scored with: the logits of its tokens, and the tokens that follow each.
struct ScoredChunk {
  std::span<const float> logits;
  std::span<const float> reference_logits;  // or empty
  std::span<const TokenId> next;
};

void Score(const ScoredChunk& chunk, PerplexityResult* result) {
  const size_t vocab_size = chunk.logits.size() / chunk.next.size();
  for (size_t row = 0; row < chunk.next.size(); ++row) {
    const Prediction prediction(chunk.logits.subspan(row * vocab_size, vocab_size));
    result->nll.Add(-prediction.LogProbability(chunk.next[row]));
    if (chunk.reference_logits.empty()) continue;
    Compare(Prediction(chunk.reference_logits.subspan(row * vocab_size, vocab_size)), prediction,
            chunk.next[row], result);
  }
}

}  // namespace

double Mean::standard_error() const {
  if (count_ == 0) return 0;
  const auto count = static_cast<double>(count_);
  return std::sqrt(std::max(0.0, square_sum_ / count - value() * value()) / count);
}

double Perplexity(const Mean& nll) { return std::exp(nll.value()); }
double PerplexityError(const Mean& nll) { return Perplexity(nll) * nll.standard_error(); }

float PerplexityResult::DivergenceQuantile(double quantile) const {
  std::vector<float> sorted = divergences;
  const auto index = static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(index), sorted.end());
  return sorted[index];
}

Result<PerplexityResult> MeasurePerplexity(SingleSequence& model, SingleSequence* reference,
                                           std::span<const TokenId> tokens, uint32_t context) {
  PerplexityResult result;
  result.tokens = tokens.size();
  result.windows = tokens.size() / context;
  const uint32_t scored_begin = context / 2;
  const uint32_t scored_end = context - 1;  // nothing follows the last token of a window
  ProgressBar progress("perplexity", result.windows * scored_end);
  for (uint64_t window = 0; window < result.windows; ++window) {
    const std::span<const TokenId> text = tokens.subspan(window * context, context);
    for (uint32_t begin = 0; begin < scored_end;) {
      const bool is_scored = begin >= scored_begin;
      const uint32_t end = std::min(begin + model.chunk(), is_scored ? scored_end : scored_begin);
      const LogitsWanted wanted = is_scored ? LogitsWanted::kAll : LogitsWanted::kNone;
      const std::span<const TokenId> part = text.subspan(begin, end - begin);
      ScoredChunk chunk;
      chunk.next = text.subspan(begin + 1, end - begin);
      MIMO_ASSIGN_OR_RETURN(chunk.logits, model.RunChunk(part, begin, wanted));
      if (reference != nullptr) {
        MIMO_ASSIGN_OR_RETURN(chunk.reference_logits, reference->RunChunk(part, begin, wanted));
      }
      if (is_scored) Score(chunk, &result);
      progress.Advance(end - begin);
      begin = end;
    }
  }
  return result;
}

}  // namespace mimo

#include "apps/train/draft_score.h"

#include <algorithm>

namespace mimo {
namespace {

constexpr uint32_t kTokensMax = 8192;

TokenId Likeliest(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double Share(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(whole, 1));
}

}  // namespace

Result<DraftScore> DraftScore::Open(const std::string& folder, uint32_t num_threads) {
  MIMO_ASSIGN_OR_RETURN(Checkpoint checkpoint, Checkpoint::Open(folder, {}));
  DraftScore score(std::make_unique<Checkpoint>(std::move(checkpoint)));
  const uint32_t num_heads = score.checkpoint_->config().num_nextn_predict_layers;
  score.right_.resize(num_heads);
  score.total_.resize(num_heads);
  SingleSequenceOptions options;
  options.num_threads = num_threads;
  options.tokens_max = kTokensMax;
  MIMO_ASSIGN_OR_RETURN(score.sequence_, SingleSequence::Create(*score.checkpoint_, options));
  return score;
}

Status DraftScore::Add(std::span<const TokenId> prompt, std::span<const TokenId> answer) {
  std::vector<TokenId> tokens(prompt.begin(), prompt.end());
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  if (tokens.size() > kTokensMax || answer.empty()) return {};
  MIMO_ASSIGN_OR_RETURN(const std::vector<std::vector<TokenId>> guesses, Guesses(tokens, prompt.size()));
  const auto is_right = [&](size_t head, size_t newest) {
    return guesses[head][newest] == answer[newest + 1 + head];
  };
  for (size_t head = 0; head < guesses.size(); ++head) {
    for (size_t newest = 0; newest + 1 + head < answer.size(); ++newest) {
      ++total_[head];
      if (is_right(head, newest)) ++right_[head];
    }
  }
  // answer[newest] is what the trunk has just given; a step verifies the guesses for what follows.
  for (size_t newest = 0; newest + 1 < answer.size();) {
    size_t accepted = 0;
    while (accepted < guesses.size() && newest + 1 + accepted < answer.size() && is_right(accepted, newest)) {
      ++accepted;
    }
    ++steps_;
    accepted_ += accepted;
    newest += accepted + 1;
  }
  return {};
}

Result<std::vector<std::vector<TokenId>>> DraftScore::Guesses(std::span<const TokenId> tokens,
                                                              size_t prompt_size) {
  const size_t vocab_size = checkpoint_->config().vocab_size;
  std::vector<std::vector<TokenId>> guesses(right_.size());
  const auto receive = [&](uint32_t first_position, std::span<const float> /*logits*/) {
    return sequence_->RunMtpHeads(tokens, first_position, [&](uint32_t head, std::span<const float> logits) {
      for (size_t row = 0; row < logits.size() / vocab_size; ++row) {
        if (first_position + row + 1 < prompt_size) continue;
        guesses[head].push_back(Likeliest(logits.subspan(row * vocab_size, vocab_size)));
      }
      return Status();
    });
  };
  MIMO_RETURN_IF_ERROR(sequence_->Run(tokens, receive));
  return guesses;
}

Json DraftScore::ToJson() const {
  Json right = Json::array();
  for (size_t head = 0; head < right_.size(); ++head) right.push_back(Share(right_[head], total_[head]));
  const double accepted = Share(accepted_, steps_);
  return {{"steps", steps_},
          {"accepted_per_step", accepted},
          {"tokens_per_step", accepted + 1},
          {"right", std::move(right)}};
}

}  // namespace mimo

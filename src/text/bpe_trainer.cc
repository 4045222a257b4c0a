// Counts pieces once, then keeps the counts of pairs up to date merge by merge: a merge visits only the
// pieces that hold its pair. Counting anew after each merge is a page shorter and some thousand times slower.

#include "text/bpe_trainer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "text/bpe_byte_alphabet.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_added_tokens.h"
#include "text/unicode.h"

namespace mimo {
namespace {

constexpr uint32_t kNumByteTokens = 256;

struct Pair {
  TokenId left;
  TokenId right;
  bool operator==(const Pair&) const = default;
};

struct PairHash {
  size_t operator()(Pair pair) const { return (uint64_t{pair.left} << 32 | pair.right) * 0x9E3779B97F4A7C15; }
};

// A distinct piece of the text as the tokens it is made of by now, in `Words::tokens`.
struct Word {
  size_t begin;
  uint32_t length;
  int64_t count;
};

struct PairUses {
  int64_t count = 0;
  // Indexes of words that hold the pair or held it once; ascending per merge, may repeat.
  std::vector<uint32_t> words;
};

// The merges of one training.
class MergeLearner {
 public:
  MergeLearner(const std::unordered_map<std::string, uint64_t>& pieces,
               const std::vector<TokenizerData::AddedToken>& added_tokens);

  // The most frequent pair that is left; nothing when each occurs fewer than `count_min` times.
  std::optional<Pair> PopBest(int64_t count_min);
  // Makes the pair one token, in every word.
  void Merge(Pair pair);

  const std::vector<std::string>& token_bytes() const { return token_bytes_; }

 private:
  // An entry of the heap counts only while its count is the pair's present one.
  struct Candidate {
    int64_t count;
    Pair pair;
  };
  // Whether `a` merges after `b`.
  struct After {
    const std::vector<std::string>* bytes;
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      const int left = (*bytes)[a.pair.left].compare((*bytes)[b.pair.left]);
      return left != 0 ? left > 0 : (*bytes)[a.pair.right] > (*bytes)[b.pair.right];
    }
  };

  void MergeInWord(uint32_t word_index, Pair pair, TokenId joined);
  void Increase(Pair pair, uint32_t word_index, int64_t count);
  void Decrease(Pair pair, int64_t count);
  void PushGrown();

  std::vector<std::string> token_bytes_;
  std::unordered_map<std::string, TokenId> token_ids_;
  std::unordered_set<std::string> added_contents_;
  std::vector<TokenId> tokens_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairUses, PairHash> pairs_;
  // Merged pairs, which come back when another merge into the same token brings new neighbours together.
  std::unordered_set<Pair, PairHash> merged_;
  std::unordered_set<Pair, PairHash> grown_;  // have a count that is not in the heap yet
  std::priority_queue<Candidate, std::vector<Candidate>, After> heap_;
};

MergeLearner::MergeLearner(const std::unordered_map<std::string, uint64_t>& pieces,
                           const std::vector<TokenizerData::AddedToken>& added_tokens)
    : heap_(After{&token_bytes_}) {
  for (uint32_t byte = 0; byte < kNumByteTokens; ++byte) {
    token_bytes_.emplace_back(1, static_cast<char>(byte));
    token_ids_.emplace(token_bytes_.back(), byte);
  }
  for (const TokenizerData::AddedToken& token : added_tokens) added_contents_.insert(token.content);
  words_.reserve(pieces.size());
  for (const auto& [piece, count] : pieces) {
    const auto index = static_cast<uint32_t>(words_.size());
    words_.push_back({tokens_.size(), static_cast<uint32_t>(piece.size()), static_cast<int64_t>(count)});
    for (const char c : piece) tokens_.push_back(static_cast<uint8_t>(c));
    const TokenId* word = tokens_.data() + words_.back().begin;
    for (size_t i = 0; i + 1 < piece.size(); ++i) {
      Increase({word[i], word[i + 1]}, index, words_.back().count);
    }
  }
  PushGrown();
}

void MergeLearner::Increase(Pair pair, uint32_t word_index, int64_t count) {
  PairUses& uses = pairs_[pair];
  uses.count += count;
  if (uses.words.empty() || uses.words.back() != word_index) uses.words.push_back(word_index);
  grown_.insert(pair);
}

void MergeLearner::Decrease(Pair pair, int64_t count) { pairs_.at(pair).count -= count; }

void MergeLearner::PushGrown() {
  for (const Pair& pair : grown_) heap_.push({pairs_.at(pair).count, pair});
  grown_.clear();
}

std::optional<Pair> MergeLearner::PopBest(int64_t count_min) {
  while (!heap_.empty()) {
    const Candidate candidate = heap_.top();
    heap_.pop();
    const auto uses = pairs_.find(candidate.pair);
    if (uses == pairs_.end() || uses->second.count > candidate.count) continue;
    if (uses->second.count < candidate.count) {
      if (uses->second.count > 0) heap_.push({uses->second.count, candidate.pair});
      continue;
    }
    if (candidate.count < count_min) return std::nullopt;
    if (merged_.contains(candidate.pair)) {
      Merge(candidate.pair);
      continue;
    }
    // One spelling must not be two tokens.
    if (added_contents_.contains(token_bytes_[candidate.pair.left] + token_bytes_[candidate.pair.right])) {
      continue;
    }
    return candidate.pair;
  }
  return std::nullopt;
}

void MergeLearner::Merge(Pair pair) {
  merged_.insert(pair);
  std::string bytes = token_bytes_[pair.left] + token_bytes_[pair.right];
  // "ab" + "c" and "a" + "bc" are two merges into one token.
  const auto [id, is_new] = token_ids_.try_emplace(bytes, static_cast<TokenId>(token_bytes_.size()));
  if (is_new) token_bytes_.push_back(std::move(bytes));
  std::vector<uint32_t> words = std::move(pairs_.at(pair).words);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  for (const uint32_t word_index : words) MergeInWord(word_index, pair, id->second);
  pairs_.erase(pair);
  grown_.erase(pair);
  PushGrown();
}

void MergeLearner::MergeInWord(uint32_t word_index, Pair pair, TokenId joined) {
  Word& word = words_[word_index];
  TokenId* tokens = tokens_.data() + word.begin;
  uint32_t length = 0;
  for (uint32_t i = 0; i < word.length; ++i) {
    if (i + 1 == word.length || tokens[i] != pair.left || tokens[i + 1] != pair.right) {
      tokens[length++] = tokens[i];
      continue;
    }
    if (length > 0) {
      Decrease({tokens[length - 1], pair.left}, word.count);
      Increase({tokens[length - 1], joined}, word_index, word.count);
    }
    if (i + 2 < word.length) {
      Decrease({pair.right, tokens[i + 2]}, word.count);
      Increase({joined, tokens[i + 2]}, word_index, word.count);
    }
    tokens[length++] = joined;
    ++i;
  }
  word.length = length;
}

}  // namespace

struct BpeTrainer::Impl {
  explicit Impl(BpeTrainerOptions given)
      : options(std::move(given)), added_tokens(MatchedTokens(options.added_tokens)) {}

  // The matcher tells texts from added tokens by their having an id; which one does not matter here.
  static std::vector<TokenizerData::AddedToken> MatchedTokens(
      const std::vector<TokenizerData::AddedToken>& tokens) {
    std::vector<TokenizerData::AddedToken> matched;
    std::unordered_set<std::string_view> contents;
    for (const TokenizerData::AddedToken& token : tokens) {
      if (!token.content.empty() && contents.insert(token.content).second) matched.push_back(token);
    }
    return matched;
  }

  BpeTrainerOptions options;
  AddedTokenMatcher added_tokens;
  std::unordered_map<std::string, uint64_t> pieces;
};

BpeTrainer::BpeTrainer(BpeTrainerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
BpeTrainer::~BpeTrainer() = default;
BpeTrainer::BpeTrainer(BpeTrainer&&) noexcept = default;

size_t BpeTrainer::Add(std::string_view text) {
  size_t bytes_counted = 0;
  std::string buffer;
  for (const TextPart& part : impl_->added_tokens.Split(text)) {
    if (part.id) continue;
    bytes_counted += part.text.size();
    PreTokenizer pieces(NormalizeNfc(part.text, buffer));
    for (std::string_view piece = pieces.Next(); !piece.empty(); piece = pieces.Next()) {
      ++impl_->pieces[std::string(piece)];
    }
  }
  return bytes_counted;
}

Result<TokenizerData> BpeTrainer::Train(const std::function<void(uint32_t merges_done)>& progress) {
  const BpeTrainerOptions& options = impl_->options;
  const size_t num_fixed = kNumByteTokens + options.added_tokens.size();
  if (options.vocab_size < num_fixed) {
    return InvalidArgument("vocabulary size {}: must be at least {}, for the bytes and {} added tokens",
                           options.vocab_size, num_fixed, options.added_tokens.size());
  }
  MergeLearner learner(impl_->pieces, options.added_tokens);
  const size_t num_tokens = options.vocab_size - options.added_tokens.size();
  TokenizerData data;
  while (learner.token_bytes().size() < num_tokens) {
    const std::optional<Pair> pair = learner.PopBest(std::max<int64_t>(options.pair_count_min, 1));
    if (!pair) break;
    learner.Merge(*pair);
    data.merges.emplace_back(EncodeByteAlphabet(learner.token_bytes()[pair->left]),
                             EncodeByteAlphabet(learner.token_bytes()[pair->right]));
    if (progress) progress(static_cast<uint32_t>(data.merges.size()));
  }
  for (const std::string& bytes : learner.token_bytes()) data.tokens.push_back(EncodeByteAlphabet(bytes));
  data.added_tokens = options.added_tokens;
  for (size_t i = 0; i < data.added_tokens.size(); ++i) {
    data.added_tokens[i].id = static_cast<TokenId>(data.tokens.size() + i);
  }
  return data;
}

}  // namespace mimo

#pragma once
// A scripted model, a byte tokenizer and a sink that collects, for tests of the engine.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/fake_layers_testutil.h"
#include "engine/model_runner.h"
#include "engine/sampling_random.h"
#include "text/tokenizer.h"

namespace mimo {

// Tokens 0 to 255 are bytes; 256 ends a text.
constexpr TokenId kEndToken = 256;
constexpr uint32_t kTestVocabSize = 257;

inline void AppendUtf8(uint32_t code_point, std::string* text) {
  if (code_point < 0x80) {
    *text += static_cast<char>(code_point);
  } else {
    *text += static_cast<char>(0xc0 | (code_point >> 6));
    *text += static_cast<char>(0x80 | (code_point & 0x3f));
  }
}

inline Tokenizer MakeByteTokenizer() {
  TokenizerData data;
  uint32_t next_stand_in =
      256;  // the byte-level alphabet: bytes without a glyph of their own stand above 255
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool has_glyph = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    std::string token;
    AppendUtf8(has_glyph ? byte : next_stand_in++, &token);
    data.tokens.push_back(token);
  }
  data.added_tokens.push_back({.id = kEndToken, .content = "<|end|>", .special = true});
  return Tokenizer::Create(std::move(data)).value();
}

inline std::vector<TokenId> BytesAsTokens(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

// The logits after a text, for all kinds of texts.
using LogitsFunction = std::function<std::vector<float>(std::span<const TokenId> tokens)>;

// Depends on every token and its place.
inline std::vector<float> HashLogits(std::span<const TokenId> tokens) {
  uint64_t hash = 0;
  for (const TokenId token : tokens) hash = MixBits(hash * 31 + token + 1);
  std::vector<float> logits(kTestVocabSize);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(RandomBits(hash, i) >> 40) * (6.0F / 0x1p24F);
  }
  return logits;
}

// Continues a prompt of `prompt_tokens` tokens with `script`, then ends.
inline LogitsFunction ScriptedLogits(size_t prompt_tokens, std::vector<TokenId> script) {
  return [prompt_tokens, script = std::move(script)](std::span<const TokenId> tokens) {
    const size_t index = tokens.size() - prompt_tokens;
    std::vector<float> logits(kTestVocabSize, 0.0F);
    logits[index < script.size() ? script[index] : kEndToken] = 10.0F;
    return logits;
  };
}

// What the fake model saw; outlives the engine.
struct FakeModelTrace {
  std::atomic<uint32_t> num_steps{0};
  std::atomic<uint32_t> num_starts{0};  // of sequences, at any position: also those that come back
  std::atomic<uint64_t> num_tokens{0};  // computed
};

struct FakeModelOptions {
  uint32_t num_blocks = 0;
  uint32_t num_rings = 0;
  uint32_t tokens_per_step_max = 0;
  LogitsFunction logits = HashLogits;
  // Called at the start of each step with its number, from 0; an error makes the step fail.
  std::function<Status(uint32_t step)> before_step = [](uint32_t) { return Status(); };
};

// Reads every text back from its blocks, so a block given to two sequences, or a wrong table, changes tokens.
// What FakeLayers compute is compared with a cold run, so a wrong window fails the test.
class FakeModelRunner : public ModelRunner {
 public:
  FakeModelRunner(FakeModelOptions options, FakeModelTrace& trace)
      : options_(std::move(options)),
        trace_(trace),
        layers_(options_.num_blocks, options_.num_rings),
        ring_ends_(options_.num_rings, kNowhere) {
    config_.vocab_size = kTestVocabSize;
    config_.eos_token_ids = {kEndToken};
  }

  const ModelConfig& config() const override { return config_; }

  Result<std::span<const float>> Forward(Batch batch) override {
    MIMO_RETURN_IF_ERROR(options_.before_step(trace_.num_steps++));
    logits_.clear();
    std::set<uint32_t> rings;
    size_t num_tokens = 0;
    for (const SequenceChunk& chunk : batch) {
      num_tokens += chunk.tokens.size();
      EXPECT_TRUE(rings.insert(chunk.ring.value).second) << "two sequences share a ring";
      RunChunk(chunk);
    }
    EXPECT_FALSE(batch.empty());
    EXPECT_LE(num_tokens, options_.tokens_per_step_max);
    trace_.num_tokens += num_tokens;
    return std::span<const float>(logits_);
  }

  uint32_t WindowReplayTokens() const override { return layers_.WindowReplayTokens(); }
  uint32_t FirstPositionOfWindow(uint32_t end) const override { return layers_.FirstPositionOfWindow(end); }
  uint64_t BlockBytes() const override { return layers_.BlockBytes(); }
  uint64_t WindowBytes(uint32_t end) const override { return layers_.WindowBytes(end); }
  void CopyBlock(KvBlockId from, KvBlockId to) override { layers_.CopyBlock(from, to); }
  void ExportBlock(KvBlockId block, std::span<std::byte> out) const override {
    layers_.ExportBlock(block, out);
  }
  Status ImportBlock(std::span<const std::byte> bytes, KvBlockId block) override {
    return layers_.ImportBlock(bytes, block);
  }
  void ExportWindow(KvRingId ring, uint32_t end, std::span<std::byte> out) const override {
    layers_.ExportWindow(ring, end, out);
  }
  Status ImportWindow(std::span<const std::byte> bytes, uint32_t end, KvRingId ring) override {
    ring_ends_.at(ring.value) = kNowhere;
    return layers_.ImportWindow(bytes, end, ring);
  }
  void GiveBack(std::span<const KvBlockId> blocks) override { layers_.GiveBack(blocks); }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;

  void RunChunk(const SequenceChunk& chunk) {
    EXPECT_FALSE(chunk.tokens.empty());
    uint32_t& ring_end = ring_ends_.at(chunk.ring.value);
    if (chunk.first_position != ring_end) ++trace_.num_starts;
    const auto end = static_cast<uint32_t>(chunk.first_position + chunk.tokens.size());
    ASSERT_GE(chunk.blocks.size() * kKvBlockTokens, end);
    const uint64_t computed = layers_.Run(chunk);
    ring_end = end;
    if (chunk.logits == LogitsWanted::kNone) return;
    std::vector<TokenId> text(end);
    for (uint32_t position = 0; position < end; ++position) {
      text[position] = layers_.TokenAt(chunk.blocks, position);
    }
    EXPECT_EQ(computed, FakeLayers::RunCold(text)) << "not what a cold run gives at position " << end - 1;
    const std::vector<float> row = options_.logits(text);
    logits_.insert(logits_.end(), row.begin(), row.end());
  }

  FakeModelOptions options_;
  FakeModelTrace& trace_;
  ModelConfig config_;
  FakeLayers layers_;
  std::vector<uint32_t> ring_ends_;
  std::vector<float> logits_;
};

// Collects the events of one request. Thread-safe; outlives the engine.
class EventCollector {
 public:
  EventSink sink() {
    return [this](GenerationEvent event) { Collect(std::move(event)); };
  }

  // Valid after Wait.
  struct Outcome {
    std::string text;
    std::vector<TokenId> tokens;
    std::vector<SampledToken> sampled;
    FinishReason finish = FinishReason::kError;
    std::string stop_string;
    std::optional<EngineError> error;
    GenerationUsage usage;
    std::vector<std::string> pieces;
  };
  const Outcome& Wait() {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_for(lock, std::chrono::seconds(60), [&] { return is_finished_; });
    EXPECT_TRUE(in_time) << "no last event";
    return outcome_;
  }
  void WaitForTokens(size_t num_tokens) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(60),
                      [&] { return is_finished_ || outcome_.tokens.size() >= num_tokens; });
  }

 private:
  void Collect(GenerationEvent event) {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(is_finished_) << "an event after the last one";
    outcome_.text += event.text;
    outcome_.pieces.push_back(event.text);
    for (SampledToken& token : event.tokens) {
      outcome_.tokens.push_back(token.token);
      outcome_.sampled.push_back(std::move(token));
    }
    outcome_.usage = event.usage;
    EXPECT_EQ(outcome_.usage.completion_tokens, outcome_.tokens.size());
    if (event.finish) {
      outcome_.finish = *event.finish;
      outcome_.stop_string = event.stop_string;
      outcome_.error = event.error;
      is_finished_ = true;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Outcome outcome_;
  bool is_finished_ = false;
};

}  // namespace mimo

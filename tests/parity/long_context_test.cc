// A context of several attention pieces, in every type of the KV cache, over a small synthetic checkpoint.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "parity_testutil.h"
#include "weights/synth.h"

namespace mimo {
namespace {

class LongContext : public testing::Test {
 protected:
  void SetUp() override {
    const Result<SynthSummary> summary = WriteSynthCheckpoint(path_, Options({}));
    ASSERT_TRUE(summary) << summary.error().message;
    for (uint32_t i = 0; i < kAttentionPieceKeys + 40; ++i) tokens_.push_back((i * 37 + i / 5) % 128);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // Every token takes every expert: a choice between them would turn a rounding into another expert.
  static SynthOptions Options(const std::vector<ConfigOverride>& more) {
    SynthOptions options;
    options.like = "v2.6-flash";
    options.type = SynthType::kF32;
    options.num_threads = 1;
    options.overrides = {{"num_hidden_layers", "2"},
                         {"hidden_size", "64"},
                         {"num_attention_heads", "12"},
                         {"num_key_value_heads", "2"},
                         {"intermediate_size", "64"},
                         {"moe_intermediate_size", "32"},
                         {"n_routed_experts", "4"},
                         {"num_experts_per_tok", "4"},
                         {"vocab_size", "128"},
                         {"sliding_window", "100"},
                         {"num_nextn_predict_layers", "1"}};
    options.overrides.insert(options.overrides.end(), more.begin(), more.end());
    return options;
  }

  // In chunks of at most 128 tokens, then one by one from `decode_from` on.
  Schedule PrefillThenDecode(uint32_t chunk, uint32_t decode_from) const {
    Schedule schedule;
    for (uint32_t done = 0; done < tokens_.size();) {
      const uint32_t count = done < decode_from ? std::min(chunk, decode_from - done) : 1;
      schedule.push_back({count});
      done += count;
    }
    return schedule;
  }

  SequenceLogits Run(KvType type, uint32_t num_threads, const Schedule& schedule) const {
    RunOptions options;
    options.path = ComputePath::kFast;
    options.kv_type = type;
    options.num_threads = num_threads;
    Result<ParityRunner> runner = ParityRunner::Create(path_, {}, options);
    EXPECT_TRUE(runner) << runner.error().message;
    if (!runner) return {};
    const auto logits = runner->Run({tokens_}, schedule);
    EXPECT_TRUE(logits) << logits.error().message;
    return logits ? (*logits)[0] : SequenceLogits();
  }

  std::string path_ = testing::TempDir() + "mimo_long_context." + std::to_string(getpid()) + ".gguf";
  std::vector<TokenId> tokens_;
};

TEST_F(LongContext, ATokenHasTheSameBitsInAChunkDecodedAndOnAnyNumberOfThreads) {
  const auto end = static_cast<uint32_t>(tokens_.size());
  for (const KvType type : {KvType::kBf16, KvType::kQ80}) {
    SCOPED_TRACE(WeightTypeName(WeightTypeOf(type)));
    const SequenceLogits whole = Run(type, 1, PrefillThenDecode(128, end));
    ASSERT_FALSE(whole.trunk.empty());
    EXPECT_TRUE(Run(type, 1, PrefillThenDecode(101, end - 60)) == whole) << "one thread";
    EXPECT_TRUE(Run(type, 3, PrefillThenDecode(57, end - 60)) == whole) << "pieces on three threads";
  }
}

// Rounding to q8_0 moves an element by up to 1/254 of its block's largest, to q4_0 by up to 1/8 and mostly
// by less than 1/16, to bf16 by up to 1/512 of itself. A softmax-weighted mean passes that on about once per
// layer, for keys and for values, of three layers.
TEST_F(LongContext, SmallerTypesStayInTheirBounds) {
  const Schedule schedule = PrefillThenDecode(128, static_cast<uint32_t>(tokens_.size()));
  const SequenceLogits exact = Run(KvType::kF32, 1, schedule);
  const std::pair<KvType, double> bounds[] = {
      {KvType::kBf16, 6.0 / 512}, {KvType::kQ80, 6.0 / 254}, {KvType::kQ40, 6.0 / 16}};
  for (const auto& [type, bound] : bounds) {
    SCOPED_TRACE(WeightTypeName(WeightTypeOf(type)));
    const SequenceLogits logits = Run(type, 1, schedule);
    const double error = RelativeError(logits.trunk, exact.trunk);
    RecordProperty(WeightTypeName(WeightTypeOf(type)), std::to_string(error));
    EXPECT_LE(error, bound);
    EXPECT_GT(error, 0) << "the type changes nothing";
  }
}

TEST_F(LongContext, RefusesBlocksThatDoNotFitTheHeads) {
  const std::string path = path_ + ".odd.gguf";
  const Result<SynthSummary> summary =
      WriteSynthCheckpoint(path, Options({{"v_head_dim", "48"}, {"swa_v_head_dim", "48"}}));
  ASSERT_TRUE(summary) << summary.error().message;
  RunOptions options;
  options.path = ComputePath::kFast;
  options.kv_type = KvType::kQ80;
  Result<ParityRunner> runner = ParityRunner::Create(path, {}, options);
  ASSERT_TRUE(runner) << runner.error().message;
  const auto logits = runner->Run({{1, 2, 3}}, {{3}});
  ASSERT_FALSE(logits);
  EXPECT_EQ(logits.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(logits.error().message.find("q8_0"), std::string::npos) << logits.error().message;
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace mimo

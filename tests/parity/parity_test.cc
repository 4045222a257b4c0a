// Whole checkpoints against float64 references (tests/golden/model), and the laws that make results
// independent of scheduling. Errors are relative: max |logit - reference| / max |reference|.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "parity_testutil.h"
#include "weights/requantize.h"
#include "weights/synth.h"

namespace mimo {
namespace {

// Float32 against float64: each operation rounds by 2^-24 = 6e-8, some ten follow each other in a layer, and
// the fixtures have up to six layers: 4e-6, doubled for sums of many terms.
constexpr double kFloat32Error = 1e-5;

// Keys and values in bfloat16 are off by up to 2^-9 of their size. A softmax-weighted mean passes that on
// about once per layer, for keys and for values, and five layers add up to 10 * 2^-9 = 2e-2 at worst: inputs
// in bfloat16 fit in beside them.
constexpr double kBfloat16KvError = 2e-2;

// Inputs rounded to int8 are off by up to 1/254 of their block's largest value, a dot product of many terms
// by about 0.4 % of its size. Some seven products follow each other in a layer and six layers in a fixture;
// most of that averages out.
constexpr double kInt8InputError = 3e-2;

// Inputs rounded to bfloat16 are off by up to 2^-9 of themselves, a dot product of many terms by about 2^-10
// of its size. Some seven products in a layer and six layers add up to sqrt(42) * 2^-10 = 6e-3; the worst of
// all logits is off by three times as much.
constexpr double kBfloat16InputError = 2e-2;

// Rows whose best token leads by less than this share of the largest logit may choose another under rounding.
constexpr double kTopTokenMargin = 1e-2;

RunOptions ExactOptions() {
  return {.path = ComputePath::kExact, .kv_type = KvType::kF32, .kernel_variant = {}, .num_threads = 1};
}

RunOptions FastOptions(const std::string& variant, KvType kv_type) {
  return {.path = ComputePath::kFast, .kv_type = kv_type, .kernel_variant = variant, .num_threads = 1};
}

std::vector<std::string> FastVariants() {
  std::vector<std::string> names;
  for (const Kernels* kernels : SupportedKernels()) names.emplace_back(kernels->name);
  return names;
}

// The seed of a test with random schedules; --gtest_random_seed=N replays it.
uint32_t ScheduleSeed() {
  const auto given = static_cast<uint32_t>(GTEST_FLAG_GET(random_seed));
  const uint32_t seed = given != 0 ? given : std::random_device()() % 99999 + 1;
  std::cout << "schedule seed " << seed << " (replay with --gtest_random_seed=" << seed << ")\n";
  return seed;
}

std::vector<TokenId> RandomTokens(size_t count, uint32_t vocab_size, std::mt19937& random) {
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = std::uniform_int_distribution<TokenId>(0, vocab_size - 1)(random);
  return tokens;
}

void ExpectClose(const SequenceLogits& logits, const SequenceLogits& reference, double bound) {
  EXPECT_LE(RelativeError(logits.trunk, reference.trunk), bound);
  ASSERT_EQ(logits.mtp.size(), reference.mtp.size());
  for (size_t head = 0; head < reference.mtp.size(); ++head) {
    EXPECT_LE(RelativeError(logits.mtp[head], reference.mtp[head]), bound) << "MTP head " << head;
  }
}

class Parity : public testing::TestWithParam<std::string> {
 protected:
  // Opens the fixture and runs it as one sequence; an error fails the test.
  void Load(WindowConvention convention) {
    Result<Fixture> fixture = LoadFixture(GetParam(), convention);
    ASSERT_TRUE(fixture) << fixture.error().message;
    fixture_ = std::move(*fixture);
    if (convention == WindowConvention::kOneMore) {
      overrides_ = {{"sliding_window", std::to_string(fixture_.window + 1)}};
    }
  }

  void Open(const RunOptions& options) {
    Result<ParityRunner> runner = ParityRunner::Create(fixture_.path, overrides_, options);
    ASSERT_TRUE(runner) << runner.error().message;
    runner_.emplace_back(std::move(*runner));
  }

  // By the model opened last. Empty after a failure.
  std::vector<SequenceLogits> Run(const std::vector<std::vector<TokenId>>& sequences,
                                  const Schedule& schedule) {
    Result<std::vector<SequenceLogits>> logits = runner_.back().Run(sequences, schedule);
    EXPECT_TRUE(logits) << logits.error().message;
    return logits ? std::move(*logits) : std::vector<SequenceLogits>(sequences.size());
  }

  SequenceLogits RunFixture(uint32_t chunk) {
    return Run({fixture_.tokens}, ChunkedSchedule({fixture_.tokens}, chunk))[0];
  }

  // Calls `law` for the exact path and for every fast variant with bfloat16 keys and values.
  void ForEachPath(const std::function<void(RunOptions)>& law) {
    law(ExactOptions());
    for (const std::string& variant : FastVariants()) {
      SCOPED_TRACE(variant);
      law({.path = ComputePath::kFast,
           .kv_type = KvType::kBf16,
           .kernel_variant = variant,
           .num_threads = 1});
    }
  }

  Fixture fixture_;
  std::vector<ConfigOverride> overrides_;
  std::vector<ParityRunner> runner_;
};

TEST_P(Parity, ExactPathMatchesTheReferenceWholeAndInChunks) {
  for (const WindowConvention convention : {WindowConvention::kAsConfigured, WindowConvention::kOneMore}) {
    if (!HasReference(GetParam(), convention)) continue;
    SCOPED_TRACE(convention == WindowConvention::kOneMore ? "one more visible key" : "window as configured");
    ASSERT_NO_FATAL_FAILURE(Load(convention));
    ASSERT_NO_FATAL_FAILURE(Open(ExactOptions()));
    ASSERT_EQ(runner_.back().config().num_nextn_predict_layers, fixture_.mtp_layers);
    for (const uint32_t chunk : {64U, 7U, 3U, 1U}) {
      SCOPED_TRACE(chunk);
      ExpectClose(RunFixture(chunk), fixture_.reference, kFloat32Error);
    }
  }
}

TEST_P(Parity, FastPathWithFloat32KeysAndValuesMatchesTheReference) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  for (const std::string& variant : FastVariants()) {
    SCOPED_TRACE(variant);
    ASSERT_NO_FATAL_FAILURE(Open(FastOptions(variant, KvType::kF32)));
    EXPECT_EQ(runner_.back().kernel_variant(), variant);
    double bound = kFloat32Error;
    if (runner_.back().multiplies_in_bf16()) bound = kBfloat16InputError;
    if (runner_.back().multiplies_in_integers()) bound = kInt8InputError;
    ExpectClose(RunFixture(64), fixture_.reference, bound);
  }
}

TEST_P(Parity, FastPathWithBfloat16KeysAndValuesStaysInItsBoundAndKeepsTheTopToken) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  for (const std::string& variant : FastVariants()) {
    SCOPED_TRACE(variant);
    ASSERT_NO_FATAL_FAILURE(Open(FastOptions(variant, KvType::kBf16)));
    const SequenceLogits logits = RunFixture(64);
    ExpectClose(logits, fixture_.reference, kBfloat16KvError);
    EXPECT_EQ(TopTokenMismatches(logits.trunk, fixture_.reference.trunk, runner_.back().config().vocab_size,
                                 kTopTokenMargin),
              0U);
  }
}

TEST_P(Parity, ChunkedPrefillEqualsWholePrefillToTheBit) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  std::mt19937 random(ScheduleSeed());
  ForEachPath([&](const RunOptions& options) {
    ASSERT_NO_FATAL_FAILURE(Open(options));
    // Longer than a KV block, so that chunks cross block boundaries too.
    const std::vector<TokenId> tokens = RandomTokens(70, runner_.back().config().vocab_size, random);
    const SequenceLogits whole = Run({tokens}, ChunkedSchedule({tokens}, 128))[0];
    EXPECT_TRUE(Run({tokens}, RandomSchedule({tokens}, random))[0] == whole) << "random chunks";
    EXPECT_TRUE(Run({tokens}, ChunkedSchedule({tokens}, 1))[0] == whole) << "one token at a time";
  });
}

TEST_P(Parity, TwoThreadsEqualOneToTheBit) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  std::mt19937 random(ScheduleSeed());
  ForEachPath([&](RunOptions options) {
    ASSERT_NO_FATAL_FAILURE(Open(options));
    const std::vector<TokenId> tokens = RandomTokens(20, runner_.back().config().vocab_size, random);
    const Schedule schedule = RandomSchedule({tokens}, random);
    const SequenceLogits one = Run({tokens}, schedule)[0];
    options.num_threads = 2;
    ASSERT_NO_FATAL_FAILURE(Open(options));
    EXPECT_TRUE(Run({tokens}, schedule)[0] == one);
  });
}

TEST_P(Parity, BatchedSequencesEqualLoneOnesToTheBit) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  std::mt19937 random(ScheduleSeed());
  ForEachPath([&](const RunOptions& options) {
    ASSERT_NO_FATAL_FAILURE(Open(options));
    const uint32_t vocab_size = runner_.back().config().vocab_size;
    const std::vector<std::vector<TokenId>> sequences = {
        fixture_.tokens, RandomTokens(70, vocab_size, random), RandomTokens(5, vocab_size, random)};
    const std::vector<SequenceLogits> batched = Run(sequences, RandomSchedule(sequences, random));
    for (size_t i = 0; i < sequences.size(); ++i) {
      const SequenceLogits alone = Run({sequences[i]}, ChunkedSchedule({sequences[i]}, 128))[0];
      EXPECT_TRUE(batched[i] == alone) << "sequence " << i;
    }
  });
}

// Fused rows change their places on the way, but not their sums.
TEST_P(Parity, RequantizedToFloat32GivesTheSameLogitsToTheBit) {
  ASSERT_NO_FATAL_FAILURE(Load(WindowConvention::kAsConfigured));
  ASSERT_NO_FATAL_FAILURE(Open(ExactOptions()));
  if (runner_.back().config().family != ModelFamily::kMimoV2) return;
  const SequenceLogits original = RunFixture(64);
  const Result<Checkpoint> checkpoint = Checkpoint::Open(fixture_.path, {});
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  RequantizeOptions options;
  options.type = StoredType::kF32;
  fixture_.path = testing::TempDir() + "mimo_parity_requantized_" + GetParam() + ".gguf";
  const Result<RequantizeSummary> summary = Requantize(*checkpoint, fixture_.path, options);
  ASSERT_TRUE(summary) << summary.error().message;
  ASSERT_NO_FATAL_FAILURE(Open(ExactOptions()));
  EXPECT_TRUE(RunFixture(64) == original);
  std::filesystem::remove(fixture_.path);
}

// The bounds above are worth something only if a wrong hyper-parameter breaks them.
TEST(ParityBound, IsBrokenByAnyWrongHyperParameter) {
  const std::vector<ConfigOverride> wrong = {{"attention_value_scale", "0.7"},
                                             {"rope_theta", "1e6"},
                                             {"swa_rope_theta", "2e4"},
                                             {"layernorm_epsilon", "2e-5"},
                                             {"sliding_window", "3"},
                                             {"partial_rotary_factor", "0.26"},
                                             {"num_experts_per_tok", "1"},
                                             {"norm_topk_prob", "false"},
                                             {"add_swa_attention_sink_bias", "false"}};
  const Result<Fixture> fixture = LoadFixture("flash_bf16", WindowConvention::kAsConfigured);
  ASSERT_TRUE(fixture) << fixture.error().message;
  for (const ConfigOverride& changed : wrong) {
    SCOPED_TRACE(changed.first);
    Result<ParityRunner> runner = ParityRunner::Create(fixture->path, {changed}, ExactOptions());
    ASSERT_TRUE(runner) << runner.error().message;
    const auto logits = runner->Run({fixture->tokens}, ChunkedSchedule({fixture->tokens}, 64));
    ASSERT_TRUE(logits) << logits.error().message;
    EXPECT_GT(RelativeError((*logits)[0].trunk, fixture->reference.trunk), 10 * kFloat32Error);
  }
}

// A synthetic checkpoint of ggml's q8_0 blocks, with and without whole 128-column prefetch blocks in its
// rows.
class Q80Parity : public testing::Test {
 protected:
  void SetUp() override {
    SynthOptions options;
    options.like = "v2.6-flash";
    options.type = SynthType::kQ80;
    options.num_threads = 1;
    options.overrides = {
        {"num_hidden_layers", "3"},   {"hidden_size", "192"},           {"num_attention_heads", "4"},
        {"num_key_value_heads", "1"}, {"intermediate_size", "160"},     {"moe_intermediate_size", "96"},
        {"n_routed_experts", "8"},    {"num_experts_per_tok", "2"},     {"vocab_size", "384"},
        {"sliding_window", "8"},      {"num_nextn_predict_layers", "1"}};
    const Result<SynthSummary> summary = WriteSynthCheckpoint(path_, options);
    ASSERT_TRUE(summary) << summary.error().message;
  }
  void TearDown() override { std::filesystem::remove(path_); }

  SequenceLogits Run(const RunOptions& options, uint32_t chunk) const {
    Result<ParityRunner> runner = ParityRunner::Create(path_, {}, options);
    EXPECT_TRUE(runner) << runner.error().message;
    if (!runner) return {};
    const auto logits = runner->Run({tokens_}, ChunkedSchedule({tokens_}, chunk));
    EXPECT_TRUE(logits) << logits.error().message;
    return logits ? (*logits)[0] : SequenceLogits();
  }

  std::string path_ = testing::TempDir() + "mimo_parity_q8_0." + std::to_string(getpid()) + ".gguf";
  std::vector<TokenId> tokens_ = {5, 17, 300, 2, 2, 99, 383, 0, 41, 250, 7, 8, 123, 301, 64, 200, 11};
};

TEST_F(Q80Parity, EveryFastVariantMatchesTheExactPath) {
  const SequenceLogits exact = Run(ExactOptions(), 64);
  ASSERT_FALSE(exact.trunk.empty());
  for (const std::string& variant : FastVariants()) {
    SCOPED_TRACE(variant);
    const bool in_integers = FindKernels(variant)->reads_panels;
    // Twice the bound of float32, because both sides round.
    ExpectClose(Run(FastOptions(variant, KvType::kF32), 64), exact,
                in_integers ? kInt8InputError : 2 * kFloat32Error);
  }
}

TEST_F(Q80Parity, WeightsThatMayNotBeRearrangedAreMultipliedInFloat32) {
  const SequenceLogits exact = Run(ExactOptions(), 64);
  for (const std::string& variant : FastVariants()) {
    SCOPED_TRACE(variant);
    RunOptions options = FastOptions(variant, KvType::kF32);
    options.packed_bytes_max = 0;
    ExpectClose(Run(options, 64), exact, 2 * kFloat32Error);
  }
}

TEST_F(Q80Parity, ChunksAndThreadsDoNotChangeABit) {
  for (const std::string& variant : FastVariants()) {
    SCOPED_TRACE(variant);
    RunOptions options = FastOptions(variant, KvType::kBf16);
    const SequenceLogits whole = Run(options, 64);
    EXPECT_TRUE(Run(options, 1) == whole);
    options.num_threads = 2;
    EXPECT_TRUE(Run(options, 5) == whole);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Parity, testing::ValuesIn(FixtureNames()),
                         [](const auto& fixture) { return fixture.param; });

}  // namespace
}  // namespace mimo

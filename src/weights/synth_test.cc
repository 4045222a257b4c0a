#include "weights/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>

#include "base/mapped_file.h"
#include "kernels/matrix_view.h"
#include "weights/model_weights.h"
#include "weights/synth_presets.h"

namespace mimo {
namespace {

using ::testing::HasSubstr;

std::string FreshPath(const std::string& name) {
  const std::string path = ::testing::TempDir() + "mimo_synth_test_" + name;
  std::filesystem::remove_all(path);
  return path;
}

SynthOptions SmallOptions(const std::string& like) {
  SynthOptions options;
  options.like = like;
  options.overrides = {
      {"num_hidden_layers", "3"},   {"hidden_size", "256"},       {"num_attention_heads", "8"},
      {"num_key_value_heads", "4"}, {"intermediate_size", "256"}, {"moe_intermediate_size", "128"},
      {"n_routed_experts", "4"},    {"num_experts_per_tok", "2"}, {"vocab_size", "384"}};
  options.num_threads = 2;
  return options;
}

// File name -> contents.
std::map<std::string, std::string> ReadFolder(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename()] = ReadTextFile(entry.path()).value();
  }
  return files;
}

Result<Checkpoint> WriteAndOpen(const std::string& path, const SynthOptions& options) {
  MIMO_ASSIGN_OR_RETURN(const SynthSummary summary, WriteSynthCheckpoint(path, options));
  EXPECT_GT(summary.parameters, 0U);
  return Checkpoint::Open(path, {});
}

TEST(Synth, WritesEveryReleasedLayoutSoThatItBinds) {
  for (const char* like : {"flash", "v2.5", "v2.5-pro", "v2.6-flash", "v2.6-pro"}) {
    const auto checkpoint = WriteAndOpen(FreshPath("layouts"), SmallOptions(like));
    ASSERT_TRUE(checkpoint.has_value()) << like << ": " << checkpoint.error().message;
    const auto weights = BindModelWeights(*checkpoint);
    ASSERT_TRUE(weights.has_value()) << like << ": " << weights.error().message;
    EXPECT_EQ(weights->layers.size(), 3U);
    EXPECT_EQ(weights->mtp_layers.size(), 3U) << like;
    const bool is_v26 = std::string(like).find("v2.6") == 0;
    const MoeWeights& moe = weights->layers[1].moe;
    EXPECT_EQ(moe.experts[0].gate_proj.type, is_v26 ? WeightType::kMxFp4 : WeightType::kFp8E4M3) << like;
    EXPECT_EQ(moe.router.type, is_v26 ? WeightType::kBf16 : WeightType::kF32) << like;
    EXPECT_EQ(weights->layers[0].attention.o_proj.type, WeightType::kBf16) << like;
    EXPECT_EQ(weights->layers[0].attention.qkv.parts.size(), like == std::string("flash") ? 3U : 1U);
  }
}

TEST(Synth, WritesEveryTypeSoThatItBinds) {
  for (const SynthType type : {SynthType::kBf16, SynthType::kF32, SynthType::kFp8, SynthType::kMxFp4}) {
    SynthOptions options = SmallOptions("v2.5");
    options.type = type;
    const auto checkpoint = WriteAndOpen(FreshPath("types"), options);
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    EXPECT_TRUE(BindModelWeights(*checkpoint).has_value()) << static_cast<int>(type);
  }
  for (const SynthType type : {SynthType::kAsReleased, SynthType::kF16, SynthType::kF32, SynthType::kQ80}) {
    SynthOptions options = SmallOptions("flash");
    options.type = type;
    const auto checkpoint = WriteAndOpen(FreshPath("types.gguf"), options);
    ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
    const auto weights = BindModelWeights(*checkpoint);
    ASSERT_TRUE(weights.has_value()) << weights.error().message;
    EXPECT_EQ(weights->mtp_layers.size(), 3U);
    if (type != SynthType::kQ80) continue;
    EXPECT_EQ(weights->embed_tokens.type, WeightType::kQ80);
    EXPECT_EQ(weights->layers[1].moe.experts[3].down_proj.type, WeightType::kQ80);
    EXPECT_EQ(weights->layers[1].moe.router.type, WeightType::kF32);
    EXPECT_EQ(weights->mtp_layers[0].eh_proj.type, WeightType::kQ80);
  }
}

TEST(Synth, AGgufWhoseTrunkIsAllFullAttentionKeepsItsSlidingMtpLayers) {
  SynthOptions options = SmallOptions("v2.6-flash");
  options.overrides.front() = {"num_hidden_layers", "1"};
  const auto checkpoint = WriteAndOpen(FreshPath("one_layer.gguf"), options);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const auto weights = BindModelWeights(*checkpoint);
  ASSERT_TRUE(weights.has_value()) << weights.error().message;
  ASSERT_EQ(weights->mtp_layers.size(), 3U);
  EXPECT_EQ(weights->mtp_layers[0].layer.attention.qkv.k_offsets.size(), 8U);
  EXPECT_FALSE(weights->mtp_layers[0].layer.attention.sinks.empty());
}

TEST(Synth, WritesTheSameBytesWithAnyNumberOfThreads) {
  SynthOptions options = SmallOptions("v2.6-flash");
  const std::string one = FreshPath("one_thread");
  const std::string three = FreshPath("three_threads");
  options.num_threads = 1;
  ASSERT_TRUE(WriteSynthCheckpoint(one, options).has_value());
  options.num_threads = 3;
  ASSERT_TRUE(WriteSynthCheckpoint(three, options).has_value());
  EXPECT_TRUE(ReadFolder(one) == ReadFolder(three));
}

TEST(Synth, WritesOtherBytesForAnotherSeed) {
  SynthOptions options = SmallOptions("flash");
  const std::string first = FreshPath("seed0.gguf");
  const std::string second = FreshPath("seed1.gguf");
  ASSERT_TRUE(WriteSynthCheckpoint(first, options).has_value());
  options.seed = 1;
  ASSERT_TRUE(WriteSynthCheckpoint(second, options).has_value());
  EXPECT_FALSE(ReadTextFile(first).value() == ReadTextFile(second).value());
}

TEST(Synth, CutsFilesAtTheShardSize) {
  SynthOptions options = SmallOptions("flash");
  options.shard_bytes_max = 200'000;
  const std::string folder = FreshPath("shards");
  const auto summary = WriteSynthCheckpoint(folder, options);
  ASSERT_TRUE(summary.has_value());
  EXPECT_GT(summary->files, 4U);
  const auto checkpoint = Checkpoint::Open(folder, {});
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_TRUE(BindModelWeights(*checkpoint).has_value());
}

// Root mean square of all elements of a matrix.
double Rms(const MatrixView& matrix) {
  std::vector<float> row(matrix.cols);
  double sum = 0;
  for (uint32_t r = 0; r < matrix.rows; ++r) {
    DequantizeRow(matrix, r, row.data());
    for (const float value : row) sum += double{value} * value;
  }
  return std::sqrt(sum / matrix.rows / matrix.cols);
}

TEST(Synth, ScalesWeightsByTheirFanInInEveryType) {
  for (const SynthType type : {SynthType::kBf16, SynthType::kFp8, SynthType::kMxFp4, SynthType::kQ80}) {
    SynthOptions options = SmallOptions("v2.5");
    options.type = type;
    const bool is_q80 = type == SynthType::kQ80;
    const auto checkpoint = WriteAndOpen(FreshPath(is_q80 ? "spread.gguf" : "spread"), options);
    ASSERT_TRUE(checkpoint.has_value());
    const auto weights = BindModelWeights(*checkpoint);
    ASSERT_TRUE(weights.has_value());
    // The scales of blocks vary by a quarter in FP8 and Q8_0 (whose blocks are too many to stray far), and
    // are powers of two in MXFP4.
    const double tolerance = type == SynthType::kMxFp4 ? 0.5 : type == SynthType::kFp8 ? 0.26 : 0.03;
    const MlpWeights& expert = weights->layers[1].moe.experts[3];
    EXPECT_NEAR(Rms(expert.gate_proj) * std::sqrt(256.0), 1.0, tolerance) << static_cast<int>(type);
    EXPECT_NEAR(Rms(expert.down_proj) * std::sqrt(128.0), 1.0, tolerance) << static_cast<int>(type);
    EXPECT_NEAR(Rms(weights->embed_tokens), 1.0, 0.02);
  }
}

TEST(Synth, KeepsTheTokenizerThatItIsGiven) {
  SynthOptions options = SmallOptions("flash");
  options.tokenizer.tokens = {"a", "b", "ab"};
  options.tokenizer.token_types = {1, 1, 3};
  options.tokenizer.merges = {"a b"};
  options.tokenizer.chat_template = "{{ messages }}";
  const auto checkpoint = WriteAndOpen(FreshPath("tokenizer.gguf"), options);
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const TokenizerSource& read = checkpoint->tokenizer();
  ASSERT_EQ(read.tokens.size(), 384U);
  EXPECT_EQ(read.tokens[2], "ab");
  EXPECT_EQ(read.token_types[2], 3);
  EXPECT_EQ(read.token_types[3], 5);
  EXPECT_EQ(read.merges, options.tokenizer.merges);
  EXPECT_EQ(read.chat_template, options.tokenizer.chat_template);
}

TEST(Synth, StopsWhenCancelled) {
  SynthOptions options = SmallOptions("flash");
  const std::atomic<bool> cancelled = true;
  options.cancelled = &cancelled;
  const std::string folder = FreshPath("cancelled");
  const auto summary = WriteSynthCheckpoint(folder, options);
  ASSERT_FALSE(summary.has_value());
  EXPECT_EQ(summary.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(folder + "/model.safetensors.index.json"));
}

TEST(Synth, RefusesWhatTheFormatsCannotHold) {
  SynthOptions options = SmallOptions("flash");
  options.type = SynthType::kFp8;
  EXPECT_FALSE(WriteSynthCheckpoint(FreshPath("fp8.gguf"), options).has_value());
  options.type = SynthType::kF16;
  EXPECT_FALSE(WriteSynthCheckpoint(FreshPath("f16"), options).has_value());
  options.type = SynthType::kQ80;
  EXPECT_FALSE(WriteSynthCheckpoint(FreshPath("q80"), options).has_value());
  options.type = SynthType::kMxFp4;
  options.overrides.emplace_back("moe_intermediate_size", "100");
  EXPECT_FALSE(WriteSynthCheckpoint(FreshPath("odd"), options).has_value());
  options.type = SynthType::kQ80;
  const auto odd = WriteSynthCheckpoint(FreshPath("odd.gguf"), options);
  ASSERT_FALSE(odd.has_value());
  EXPECT_THAT(odd.error().message, HasSubstr("'blk.1.ffn_down_exps.weight' has rows of 100 columns"));
}

TEST(SynthPresets, TakesThePrefixOfLayerPatterns) {
  const auto synth = MakeSynthConfig("v2.5-pro", {{"num_hidden_layers", "9"}});
  ASSERT_TRUE(synth.has_value());
  EXPECT_EQ(synth->config["hybrid_layer_pattern"], Json::array({0, 1, 1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(synth->config["moe_layer_freq"], Json::array({0, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST(SynthPresets, LeavesAPatternThatWasSet) {
  const auto synth =
      MakeSynthConfig("flash", {{"num_hidden_layers", "2"}, {"hybrid_layer_pattern", "[1,1]"}});
  ASSERT_TRUE(synth.has_value());
  EXPECT_EQ(synth->config["hybrid_layer_pattern"], Json::array({1, 1}));
}

TEST(SynthPresets, LeadsBothKindsOfAttentionByOneKey) {
  const auto synth = MakeSynthConfig("flash", {{"num_attention_heads", "16"}, {"num_key_value_heads", "2"}});
  ASSERT_TRUE(synth.has_value());
  EXPECT_EQ(synth->config["swa_num_attention_heads"], 16);
  EXPECT_EQ(synth->config["swa_num_key_value_heads"], 4);
}

TEST(SynthPresets, RefusesUnknownModelsAndKeys) {
  EXPECT_THAT(MakeSynthConfig("v3", {}).error().message, HasSubstr("v2.6-pro"));
  EXPECT_THAT(MakeSynthConfig("flash", {{"hiden_size", "8"}}).error().message, HasSubstr("hiden_size"));
  EXPECT_FALSE(MakeSynthConfig("flash", {{"num_hidden_layers", "0"}}).has_value());
  EXPECT_FALSE(MakeSynthConfig("flash", {{"num_hidden_layers", "many"}}).has_value());
}

}  // namespace
}  // namespace mimo

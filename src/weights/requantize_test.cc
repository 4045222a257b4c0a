#include "weights/requantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/mapped_file.h"
#include "weights/checkpoint_testutil.h"
#include "weights/model_weights.h"
#include "weights/synth.h"

namespace mimo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A synthetic checkpoint in a folder of its own.
class Source {
 public:
  explicit Source(const std::string& like, std::vector<ConfigOverride> overrides = {}) {
    SynthOptions options;
    options.like = like;
    options.overrides = {
        {"num_hidden_layers", "3"},        {"hidden_size", "128"},         {"num_attention_heads", "8"},
        {"num_key_value_heads", "4"},      {"intermediate_size", "96"},    {"moe_intermediate_size", "64"},
        {"n_routed_experts", "4"},         {"num_experts_per_tok", "2"},   {"vocab_size", "64"},
        {"num_nextn_predict_layers", "2"}, {"eos_token_id", "[63,5,61,7]"}};
    for (ConfigOverride& entry : overrides) options.overrides.push_back(std::move(entry));
    options.num_threads = 1;
    const auto summary = WriteSynthCheckpoint(folder_.File("source"), options);
    EXPECT_TRUE(summary.has_value()) << summary.error().message;
  }

  Checkpoint Open() const { return Checkpoint::Open(folder_.File("source"), {}).value(); }
  std::string Out(std::string_view name = "out.gguf") const { return folder_.File(name); }

 private:
  TempFolder folder_;
};

std::vector<float> Row(const MatrixView& matrix, uint32_t row) {
  std::vector<float> values(matrix.cols);
  DequantizeRow(matrix, row, values.data());
  return values;
}

void ExpectSameRows(const MatrixView& a, const MatrixView& b) {
  ASSERT_EQ(a.rows, b.rows);
  for (uint32_t row = 0; row < a.rows; ++row) EXPECT_EQ(Row(a, row), Row(b, row)) << row;
}

TEST(Requantize, Float32KeepsEveryWeightOfTheReleasedLayouts) {
  for (const char* like : {"flash", "v2.5", "v2.6-flash"}) {
    SCOPED_TRACE(like);
    const Source source(like);
    const Checkpoint from = source.Open();
    RequantizeOptions options;
    options.type = StoredType::kF32;
    const auto summary = Requantize(from, source.Out(), options);
    ASSERT_TRUE(summary.has_value()) << summary.error().message;
    EXPECT_FALSE(std::filesystem::exists(source.Out() + ".partial"));
    const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
    EXPECT_THAT(to.config().eos_token_ids, ElementsAre(63, 5, 61, 7));
    EXPECT_EQ(to.config().architecture, from.config().architecture);
    const ModelWeights a = BindModelWeights(from).value();
    const ModelWeights b = BindModelWeights(to).value();
    ExpectSameRows(a.embed_tokens, b.embed_tokens);
    ExpectSameRows(a.lm_head, b.lm_head);
    EXPECT_EQ(a.norm, b.norm);
    EXPECT_EQ(b.layers[1].moe.router.type, a.layers[1].moe.router.type);
    ExpectSameRows(a.layers[1].moe.router, b.layers[1].moe.router);
    for (size_t expert = 0; expert < 4; ++expert) {
      ExpectSameRows(a.layers[2].moe.experts[expert].down_proj, b.layers[2].moe.experts[expert].down_proj);
    }
    EXPECT_EQ(a.layers[1].attention.sinks, b.layers[1].attention.sinks);
    ExpectSameRows(a.mtp_layers[1].eh_proj, b.mtp_layers[1].eh_proj);
    ExpectSameRows(a.mtp_layers[1].layer.mlp.down_proj, b.mtp_layers[1].layer.mlp.down_proj);
    // Chunks become flat: heads are where the offsets say.
    const QkvProjection& chunked = a.layers[1].attention.qkv;
    const QkvProjection& flat = b.layers[1].attention.qkv;
    const size_t last_part = flat.parts.size() - 1;
    const uint32_t base = last_part == 0 ? 0 : flat.parts[2].offset;
    for (size_t head = 0; head < flat.v_offsets.size(); ++head) {
      EXPECT_EQ(Row(flat.parts[last_part].matrix, flat.v_offsets[head] - base + 3),
                Row(chunked.parts[last_part].matrix, chunked.v_offsets[head] - base + 3));
    }
  }
}

TEST(Requantize, Q80IsStableUnderASecondPassAndTheNumberOfThreads) {
  const Source source("v2.6-flash");
  RequantizeOptions options;
  options.num_threads = 1;
  ASSERT_TRUE(Requantize(source.Open(), source.Out("one.gguf"), options).has_value());
  options.num_threads = 3;
  ASSERT_TRUE(Requantize(source.Open(), source.Out("three.gguf"), options).has_value());
  const Checkpoint first = Checkpoint::Open(source.Out("one.gguf"), {}).value();
  ASSERT_TRUE(Requantize(first, source.Out("again.gguf"), options).has_value());
  const std::string bytes = ReadTextFile(source.Out("one.gguf")).value();
  EXPECT_TRUE(ReadTextFile(source.Out("three.gguf")).value() == bytes);
  EXPECT_TRUE(ReadTextFile(source.Out("again.gguf")).value() == bytes);
}

TEST(Requantize, RulesChooseTypesByNameAndTheLastOneCounts) {
  const Source source("v2.5");
  RequantizeOptions options;
  options.rules = {{"ffn_.*_exps", StoredType::kBf16}, {"blk\\.2\\.ffn_down_exps", StoredType::kF16}};
  ASSERT_TRUE(Requantize(source.Open(), source.Out(), options).has_value());
  const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
  EXPECT_EQ(to.Find("token_embd.weight")->type, StoredType::kQ80);
  EXPECT_EQ(to.Find("blk.1.ffn_down_exps.weight")->type, StoredType::kBf16);
  EXPECT_EQ(to.Find("blk.2.ffn_down_exps.weight")->type, StoredType::kF16);
  EXPECT_EQ(to.Find("blk.2.ffn_norm.weight")->type, StoredType::kF32);
  EXPECT_EQ(to.Find("blk.2.ffn_gate_inp.weight")->type, StoredType::kF32);
}

TEST(Requantize, RefusesWhatCannotBeWritten) {
  const Source source("flash", {{"intermediate_size", "100"}});
  const auto error = [&source](const std::vector<TypeRule>& rules) {
    RequantizeOptions options;
    options.rules = rules;
    const auto summary = Requantize(source.Open(), source.Out(), options);
    return summary.has_value() ? std::string() : summary.error().message;
  };
  EXPECT_THAT(error({}), HasSubstr("'blk.0.ffn_down.weight' has rows of 100 columns"));
  EXPECT_THAT(error({{"(", StoredType::kF32}}), HasSubstr("not a regular expression"));
  EXPECT_THAT(error({{"ffn_down", StoredType::kF32}, {"attn_norm", StoredType::kF32}}),
              HasSubstr("'attn_norm' matches no matrix"));
  EXPECT_EQ(error({{"ffn_down", StoredType::kF32}}), "");
  const Source uneven("flash", {{"swa_head_dim", "96"}});
  const auto summary = Requantize(uneven.Open(), uneven.Out(), {});
  ASSERT_FALSE(summary.has_value());
  EXPECT_EQ(summary.error().code, ErrorCode::kUnimplemented);
  EXPECT_FALSE(std::filesystem::exists(uneven.Out()));
  EXPECT_FALSE(std::filesystem::exists(uneven.Out() + ".partial"));
}

TEST(Requantize, StopsWhenCancelledAndLeavesNothing) {
  const Source source("flash");
  const std::atomic<bool> cancelled = true;
  RequantizeOptions options;
  options.cancelled = &cancelled;
  const auto summary = Requantize(source.Open(), source.Out(), options);
  ASSERT_FALSE(summary.has_value());
  EXPECT_EQ(summary.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(source.Out()));
  EXPECT_FALSE(std::filesystem::exists(source.Out() + ".partial"));
}

}  // namespace
}  // namespace mimo

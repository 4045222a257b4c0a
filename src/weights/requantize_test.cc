#include "weights/requantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/mapped_file.h"
#include "weights/checkpoint_testutil.h"
#include "weights/model_weights.h"
#include "weights/quantize_row.h"
#include "weights/synth.h"

namespace mimo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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

std::vector<float> RowOf(const MatrixView& matrix, uint32_t row) {
  std::vector<float> values(matrix.cols);
  DequantizeRow(matrix, row, values.data());
  return values;
}

void ExpectSameRows(const MatrixView& a, const MatrixView& b) {
  ASSERT_EQ(a.rows, b.rows);
  for (uint32_t row = 0; row < a.rows; ++row) EXPECT_EQ(RowOf(a, row), RowOf(b, row)) << row;
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
      EXPECT_EQ(RowOf(flat.parts[last_part].matrix, flat.v_offsets[head] - base + 3),
                RowOf(chunked.parts[last_part].matrix, chunked.v_offsets[head] - base + 3));
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

TEST(Requantize, FallsBackWhereRowsAreNotWholeBlocks) {
  const Source source("flash", {{"intermediate_size", "100"}});
  RequantizeOptions options;
  options.type = StoredType::kQ4K;
  ASSERT_TRUE(Requantize(source.Open(), source.Out(), options).has_value());
  const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
  EXPECT_EQ(to.Find("blk.1.attn_output.weight")->type, StoredType::kQ4K);  // 8 heads of 128
  EXPECT_EQ(to.Find("token_embd.weight")->type, StoredType::kQ50);         // 128 columns
  EXPECT_EQ(to.Find("blk.0.ffn_down.weight")->type, StoredType::kF16);     // 100 columns
}

// A source whose rows are all whole super-blocks.
std::vector<ConfigOverride> WholeBlocks() {
  return {{"hidden_size", "256"},           {"intermediate_size", "256"}, {"moe_intermediate_size", "256"},
          {"num_attention_heads", "4"},     {"num_key_value_heads", "2"}, {"swa_num_key_value_heads", "2"},
          {"num_nextn_predict_layers", "1"}};
}

TEST(Requantize, EveryBlockTypeIsReadBackNearTheSource) {
  const Source source("v2.5", WholeBlocks());
  const Checkpoint from = source.Open();
  const ModelWeights a = BindModelWeights(from).value();
  for (const char* name : {"q6_k", "q5_k", "q4_k", "q3_k", "q2_k", "iq4_xs", "iq4_nl", "mxfp4", "q5_1",
                           "q5_0", "q4_1", "q4_0"}) {
    SCOPED_TRACE(name);
    RequantizeOptions options;
    options.type = StoredType::kBf16;
    const StoredType type = QuantizedTypeFromName(name).value();
    options.rules = {{"blk.2.ffn_down_exps", type}};
    ASSERT_TRUE(Requantize(from, source.Out(), options).has_value());
    const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
    EXPECT_EQ(to.Find("blk.2.ffn_down_exps.weight")->type, type);
    const ModelWeights b = BindModelWeights(to).value();
    const MatrixView& expected = a.layers[2].moe.experts[3].down_proj;
    const MatrixView& read = b.layers[2].moe.experts[3].down_proj;
    double error = 0;
    double total = 0;
    for (uint32_t row = 0; row < expected.rows; ++row) {
      const std::vector<float> x = RowOf(expected, row);
      const std::vector<float> y = RowOf(read, row);
      for (size_t i = 0; i < x.size(); ++i) {
        error += (x[i] - y[i]) * (x[i] - y[i]);
        total += x[i] * x[i];
      }
    }
    EXPECT_LT(error / total, 0.3 * 0.3);
  }
}

// Only the even columns of the experts of layer 1 matter, and none of expert 2, which no token reached.
ImportanceMatrix EvenColumns() {
  ImportanceMatrix matrix;
  ImportanceEntry& entry = matrix.entries["blk.1.ffn_up_exps.weight"];
  entry.counts = {3, 3, 0, 3};
  for (uint32_t i = 0; i < 4 * 256; ++i) entry.sums.push_back(i % 2 == 0 && i / 256 != 2 ? 6.0F : 0.0F);
  return matrix;
}

TEST(Requantize, SparesTheColumnsThatTheImportanceMatrixNames) {
  const Source source("v2.5", WholeBlocks());
  const Checkpoint from = source.Open();
  const ImportanceMatrix importance = EvenColumns();
  RequantizeOptions options;
  options.type = StoredType::kBf16;
  options.rules = {{"blk.1.ffn_up_exps", StoredType::kQ2K}};
  ASSERT_TRUE(Requantize(from, source.Out("without.gguf"), options).has_value());
  options.importance = &importance;
  options.importance_name = "even.gguf";
  ASSERT_TRUE(Requantize(from, source.Out("with.gguf"), options).has_value());
  const ModelWeights original = BindModelWeights(from).value();
  const auto error_of_even_columns = [&](const char* file, size_t expert) {
    const Checkpoint to = Checkpoint::Open(source.Out(file), {}).value();
    const ModelWeights read = BindModelWeights(to).value();
    double error = 0;
    for (uint32_t row = 0; row < 256; ++row) {
      const std::vector<float> x = RowOf(original.layers[1].moe.experts[expert].up_proj, row);
      const std::vector<float> y = RowOf(read.layers[1].moe.experts[expert].up_proj, row);
      for (size_t i = 0; i < x.size(); i += 2) error += (x[i] - y[i]) * (x[i] - y[i]);
    }
    return error;
  };
  for (const size_t expert : {0, 2}) {
    EXPECT_LT(error_of_even_columns("with.gguf", expert),
              0.7 * error_of_even_columns("without.gguf", expert));
  }
}

TEST(Requantize, RefusesTheImportanceMatrixOfAnotherModel) {
  const Source source("v2.5");  // 128 columns
  const ImportanceMatrix importance = EvenColumns();
  RequantizeOptions options;
  options.importance = &importance;
  const auto summary = Requantize(source.Open(), source.Out(), options);
  ASSERT_FALSE(summary.has_value());
  EXPECT_THAT(summary.error().message, HasSubstr("'blk.1.ffn_up_exps.weight'"));
  EXPECT_THAT(summary.error().message, HasSubstr("another model"));
}

TEST(Requantize, BitsPerWeightAreReachedAndLoseLessThanOneTypeOfThatSize) {
  const Source source("v2.5", WholeBlocks());
  const Checkpoint from = source.Open();
  RequantizeOptions options;
  options.bits_per_weight = 6;
  const auto summary = Requantize(from, source.Out(), options);
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
  const double reached = 8 * static_cast<double>(summary->bytes) / static_cast<double>(summary->parameters);
  EXPECT_LE(reached, 6.0);
  EXPECT_GT(reached, 5.8);
  ASSERT_FALSE(summary->choices.empty());
  const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
  for (const TypeChoice& choice : summary->choices) {
    EXPECT_EQ(to.Find(choice.name)->type, choice.type) << choice.name;
    EXPECT_LT(choice.error, 0.3);
  }
  EXPECT_TRUE(BindModelWeights(to).has_value());
}

TEST(Requantize, BitsPerWeightLeaveAloneWhatARuleNames) {
  const Source source("v2.5", WholeBlocks());
  RequantizeOptions options;
  options.bits_per_weight = 7;
  options.rules = {{"attn_qkv", StoredType::kQ80}};
  const auto summary = Requantize(source.Open(), source.Out(), options);
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
  const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
  EXPECT_EQ(to.Find("blk.1.attn_qkv.weight")->type, StoredType::kQ80);
  for (const TypeChoice& choice : summary->choices) EXPECT_THAT(choice.name, Not(HasSubstr("attn_qkv")));
}

TEST(Requantize, KeepsReleasedMxFp4ExpertsWithoutLossUnderABudget) {
  const Source source("v2.6-flash", WholeBlocks());
  const Checkpoint from = source.Open();
  RequantizeOptions options;
  options.bits_per_weight = 8;
  ASSERT_TRUE(Requantize(from, source.Out(), options).has_value());
  const Checkpoint to = Checkpoint::Open(source.Out(), {}).value();
  EXPECT_EQ(to.Find("blk.1.ffn_up_exps.weight")->type, StoredType::kMxFp4Block);
  const ModelWeights a = BindModelWeights(from).value();
  const ModelWeights b = BindModelWeights(to).value();
  ExpectSameRows(a.layers[1].moe.experts[3].up_proj, b.layers[1].moe.experts[3].up_proj);
}

TEST(Requantize, RefusesWhatCannotBeWritten) {
  const Source source("flash");
  const auto error = [&source](const std::vector<TypeRule>& rules, double bits_per_weight = 0) {
    RequantizeOptions options;
    options.rules = rules;
    options.bits_per_weight = bits_per_weight;
    const auto summary = Requantize(source.Open(), source.Out(), options);
    return summary.has_value() ? std::string() : summary.error().message;
  };
  EXPECT_THAT(error({{"(", StoredType::kF32}}), HasSubstr("not a regular expression"));
  EXPECT_THAT(error({{"ffn_down", StoredType::kF32}, {"attn_norm", StoredType::kF32}}),
              HasSubstr("'attn_norm' matches no matrix"));
  EXPECT_THAT(error({}, 1.5), HasSubstr("1.5 bits per weight are too few"));
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

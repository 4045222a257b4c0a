#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/checkpoint.h"
#include "weights/checkpoint_testutil.h"
#include "weights/model_weights.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A checkpoint on disk and what binding it gave.
struct Bound {
  TempFolder folder;
  std::optional<Checkpoint> checkpoint;
  std::optional<ModelWeights> weights;
  std::string error;
};

void BindFolder(const Json& config, const std::vector<TestTensor>& tensors, Bound& bound) {
  WriteTestFolder(bound.folder, config, tensors);
  Result<Checkpoint> checkpoint = Checkpoint::Open(bound.folder.path(), {});
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  bound.checkpoint = std::move(checkpoint).value();
  Result<ModelWeights> weights = BindModelWeights(*bound.checkpoint);
  if (weights) {
    bound.weights = std::move(weights).value();
  } else {
    bound.error = weights.error().message;
  }
}

Json FusedConfigJson() {
  Json json = SmallConfigJson();
  json["architectures"] = {"MiMoV2ForCausalLM"};
  json["attention_projection_layout"] = "fused_qkv";
  return json;
}

// First element of row `row`. Every FP8 code of the test files is 1.0, so this is the scale that the row
// meets.
float FirstOfRow(const MatrixView& matrix, uint32_t row) {
  float value = 0;
  DequantizeColumns(matrix, row, {0, 1}, &value);
  return value;
}

TEST(BindModelWeights, BindsAPlainCheckpoint) {
  Bound bound;
  const ModelConfig config = SmallConfig();
  BindFolder(SmallConfigJson(), MakeTestTensors(config, CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  const ModelWeights& weights = *bound.weights;
  EXPECT_EQ(weights.embed_tokens.rows, 40U);
  EXPECT_EQ(weights.embed_tokens.type, WeightType::kBf16);
  EXPECT_EQ(FirstOfRow(weights.embed_tokens, 1), 65.0F);
  EXPECT_THAT(weights.norm, testing::SizeIs(64));
  EXPECT_EQ(weights.norm[2], 3.0F);
  ASSERT_EQ(weights.layers.size(), 3U);
  EXPECT_TRUE(weights.layers[0].moe.experts.empty());
  EXPECT_TRUE(weights.layers[0].attention.sinks.empty());
  EXPECT_THAT(weights.layers[1].attention.sinks, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(weights.layers[1].moe.router.type, WeightType::kF32);
  EXPECT_EQ(weights.layers[1].moe.experts.size(), 4U);
  ASSERT_EQ(weights.mtp_layers.size(), 1U);
  EXPECT_TRUE(weights.mtp_layers[0].embedding_first);
  EXPECT_EQ(weights.mtp_layers[0].eh_proj.cols, 128U);
}

TEST(BindModelWeights, PointsIntoTheMapping) {
  Bound bound;
  BindFolder(SmallConfigJson(), MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  EXPECT_EQ(bound.weights->lm_head.data, bound.checkpoint->Find("lm_head.weight")->data.data());
}

TEST(BindModelWeights, PlacesSplitHeadsSideBySide) {
  Bound bound;
  BindFolder(SmallConfigJson(), MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  const QkvProjection& qkv = bound.weights->layers[0].attention.qkv;
  EXPECT_THAT(qkv.q_offsets, ElementsAre(0, 96, 192, 288));
  EXPECT_THAT(qkv.k_offsets, ElementsAre(384, 480));
  EXPECT_THAT(qkv.v_offsets, ElementsAre(576, 640));
  EXPECT_EQ(qkv.width, 704U);
  ASSERT_EQ(qkv.parts.size(), 3U);
  EXPECT_EQ(qkv.parts[1].offset, 384U);
  EXPECT_EQ(qkv.parts[2].offset, 576U);
}

TEST(BindModelWeights, PlacesFusedHeadsInChunkOrder) {
  Bound bound;
  const ModelConfig config = SmallConfig(FusedConfigJson());
  BindFolder(FusedConfigJson(), MakeTestTensors(config, CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  const QkvProjection& full = bound.weights->layers[0].attention.qkv;
  // Two chunks of [2 Q heads of 96 | 1 K head of 96 | 1 V head of 64].
  EXPECT_THAT(full.q_offsets, ElementsAre(0, 96, 352, 448));
  EXPECT_THAT(full.k_offsets, ElementsAre(192, 544));
  EXPECT_THAT(full.v_offsets, ElementsAre(288, 640));
  const QkvProjection& sliding = bound.weights->layers[1].attention.qkv;
  EXPECT_THAT(sliding.k_offsets, ElementsAre(192, 288, 704, 800));
  EXPECT_EQ(sliding.width, sliding.parts[0].matrix.rows);
}

TEST(BindModelWeights, StartsTheScaleGridAnewInEachChunkOfAFusedMatrix) {
  Bound bound;
  const ModelConfig config = SmallConfig(FusedConfigJson());
  BindFolder(FusedConfigJson(),
             MakeTestTensors(config, CheckpointFormat::kSafetensors, TestQuantization::kFp8), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  const MatrixView& matrix = bound.weights->layers[0].attention.qkv.parts[0].matrix;  // 2 chunks of 352 rows
  EXPECT_EQ(matrix.rows_per_chunk, 352U);
  EXPECT_EQ(FirstOfRow(matrix, 351), 3.0F);
  EXPECT_EQ(FirstOfRow(matrix, 352), 4.0F);
  EXPECT_EQ(FirstOfRow(matrix, 352 + 128), 5.0F);
}

TEST(BindModelWeights, TellsTheScaleGridOfSplitKeysByItsRowCount) {
  std::vector<TestTensor> tensors =
      MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors, TestQuantization::kFp8);
  const std::string name = "model.layers.1.self_attn.k_proj.weight_scale_inv";  // 384 rows
  ASSERT_EQ(FindTestTensor(tensors, name).shape[0], 4U);                        // 2 * ceil(192 / 128)
  Bound chunked;
  BindFolder(SmallConfigJson(), tensors, chunked);
  ASSERT_TRUE(chunked.weights.has_value()) << chunked.error;
  const MatrixView& by_chunk = chunked.weights->layers[1].attention.qkv.parts[1].matrix;
  EXPECT_EQ(by_chunk.rows_per_chunk, 192U);
  EXPECT_EQ(FirstOfRow(by_chunk, 192), 3.0F);

  FindTestTensor(tensors, name) = MakeTestTensor(name, StoredType::kF32, {3, 1});  // ceil(384 / 128)
  Bound plain;
  BindFolder(SmallConfigJson(), tensors, plain);
  ASSERT_TRUE(plain.weights.has_value()) << plain.error;
  const MatrixView& whole = plain.weights->layers[1].attention.qkv.parts[1].matrix;
  EXPECT_EQ(whole.rows_per_chunk, 384U);
  EXPECT_EQ(FirstOfRow(whole, 192), 2.0F);

  FindTestTensor(tensors, name) = MakeTestTensor(name, StoredType::kF32, {5, 1});
  Bound neither;
  BindFolder(SmallConfigJson(), tensors, neither);
  EXPECT_THAT(neither.error, HasSubstr("scales '" + name + "' have the shape [5,1], the weight needs [4,1]"));
}

TEST(BindModelWeights, BindsMxFp4Experts) {
  Bound bound;
  BindFolder(SmallConfigJson(),
             MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors, TestQuantization::kMxFp4Experts),
             bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  const MatrixView& matrix = bound.weights->layers[2].moe.experts[3].down_proj;
  EXPECT_EQ(matrix.type, WeightType::kMxFp4);
  EXPECT_EQ(matrix.rows, 64U);
  EXPECT_EQ(matrix.cols, 32U);
  EXPECT_EQ(matrix.row_bytes, 16U);
  EXPECT_NE(matrix.scales, nullptr);
  EXPECT_EQ(bound.weights->layers[0].mlp.up_proj.type, WeightType::kFp8E4M3);
}

TEST(BindModelWeights, TakesARouterInBf16) {
  std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors);
  const std::string name = "model.layers.1.mlp.gate.weight";
  FindTestTensor(tensors, name) = MakeTestTensor(name, StoredType::kBf16, {4, 64});
  Bound bound;
  BindFolder(SmallConfigJson(), tensors, bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  EXPECT_EQ(bound.weights->layers[1].moe.router.type, WeightType::kBf16);
}

TEST(BindModelWeights, BindsMiMo7BWithBiasesAndItsOwnMtpNames) {
  const Json json = {{"architectures", {"MiMoForCausalLM"}},
                     {"hidden_size", 32},
                     {"num_hidden_layers", 2},
                     {"vocab_size", 16},
                     {"intermediate_size", 48},
                     {"num_attention_heads", 4},
                     {"num_key_value_heads", 2},
                     {"rms_norm_eps", 1e-5},
                     {"rope_theta", 640000},
                     {"num_nextn_predict_layers", 1}};
  Bound bound;
  BindFolder(json, MakeTestTensors(SmallConfig(json), CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  EXPECT_EQ(bound.weights->layers[1].attention.qkv.parts[0].bias.size(), 32U);
  EXPECT_EQ(bound.weights->layers[1].attention.qkv.parts[2].bias.size(), 16U);
  ASSERT_EQ(bound.weights->mtp_layers.size(), 1U);
  EXPECT_FALSE(bound.weights->mtp_layers[0].embedding_first);
}

TEST(BindModelWeights, SharesTheEmbeddingWhenTied) {
  Json json = SmallConfigJson();
  json["tie_word_embeddings"] = true;
  Bound bound;
  BindFolder(json, MakeTestTensors(SmallConfig(json), CheckpointFormat::kSafetensors), bound);
  ASSERT_TRUE(bound.weights.has_value()) << bound.error;
  EXPECT_EQ(bound.weights->lm_head.data, bound.weights->embed_tokens.data);
}

TEST(BindModelWeights, ReportsAPartialMtpLayer) {
  std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors);
  RemoveTestTensor(tensors, "model.mtp.layers.0.eh_proj.weight");
  Bound bound;
  BindFolder(SmallConfigJson(), tensors, bound);
  EXPECT_THAT(bound.error,
              HasSubstr("tensor 'model.mtp.layers.0.eh_proj.weight' of shape [64,128] is missing"));
}

TEST(BindModelWeights, ReportsMissingScales) {
  std::vector<TestTensor> tensors =
      MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors, TestQuantization::kFp8);
  RemoveTestTensor(tensors, "model.layers.0.mlp.up_proj.weight_scale_inv");
  Bound bound;
  BindFolder(SmallConfigJson(), tensors, bound);
  EXPECT_THAT(bound.error,
              HasSubstr("tensor 'model.layers.0.mlp.up_proj.weight_scale_inv' is missing, which scales "
                        "'model.layers.0.mlp.up_proj.weight' (model.safetensors, offset"));
}

TEST(BindModelWeights, ReportsWrongShapesAndTypesWithFileAndOffset) {
  const std::string name = "model.layers.0.mlp.up_proj.weight";
  std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors);
  FindTestTensor(tensors, name) = MakeTestTensor(name, StoredType::kBf16, {64, 96});
  Bound shape;
  BindFolder(SmallConfigJson(), tensors, shape);
  const uint64_t offset = shape.checkpoint->Find(name)->offset;
  EXPECT_EQ(shape.error, fmt::format("tensor '{}' has the shape [64,96], the configuration needs [96,64] "
                                     "(model.safetensors, offset {})",
                                     name, offset));
  for (const StoredType type : {StoredType::kI16, StoredType::kU8}) {  // MXFP4 is for experts only
    FindTestTensor(tensors, name) = MakeTestTensor(name, type, {96, 64});
    Bound bound;
    BindFolder(SmallConfigJson(), tensors, bound);
    EXPECT_THAT(bound.error, HasSubstr("must not be of type"));
  }
}

TEST(BindModelWeights, ReportsRowChunksThatCutAHead) {
  Json json = FusedConfigJson();
  json["num_key_value_heads"] = 4;
  json["swa_num_key_value_heads"] = 2;
  Bound bound;
  BindFolder(json, MakeTestTensors(SmallConfig(json), CheckpointFormat::kSafetensors), bound);
  EXPECT_THAT(bound.error, HasSubstr("4 query and 2 key-value heads cannot be cut into the 4 row chunks"));
}

TEST(BindModelWeights, SlicesTheExpertsOfGguf) {
  const TempFolder folder;
  GgufBuilder builder = SmallGgufMetadata();
  builder.Tensors(MakeTestTensors(SmallConfig(), CheckpointFormat::kGguf));
  folder.Write("m.gguf", builder.Bytes());
  const Checkpoint checkpoint = Checkpoint::Open(folder.File("m.gguf"), {}).value();
  const Result<ModelWeights> weights = BindModelWeights(checkpoint);
  ASSERT_TRUE(weights.has_value()) << weights.error().message;
  const std::byte* const data = checkpoint.Find("blk.1.ffn_up_exps.weight")->data.data();
  const MatrixView& expert = weights->layers[1].moe.experts[2].up_proj;
  EXPECT_EQ(expert.rows, 32U);
  EXPECT_EQ(expert.cols, 64U);
  EXPECT_EQ(expert.data, data + 2 * 32 * 64 * 2);
}

TEST(BindModelWeights, BindsFlatFusedGguf) {
  const TempFolder folder;
  ModelConfig config = SmallConfig();
  config.fused_qkv = true;
  GgufBuilder builder = SmallGgufMetadata();
  builder.Tensors(MakeTestTensors(config, CheckpointFormat::kGguf));
  folder.Write("m.gguf", builder.Bytes());
  const Checkpoint checkpoint = Checkpoint::Open(folder.File("m.gguf"), {}).value();
  const Result<ModelWeights> weights = BindModelWeights(checkpoint);
  ASSERT_TRUE(weights.has_value()) << weights.error().message;
  const QkvProjection& qkv = weights->layers[0].attention.qkv;
  ASSERT_EQ(qkv.parts.size(), 1U);
  EXPECT_THAT(qkv.k_offsets, ElementsAre(384, 480));
  EXPECT_THAT(qkv.v_offsets, ElementsAre(576, 640));
}

TEST(BindModelWeights, SlicesExpertsOfQ80AndRefusesVectorsOfIt) {
  const TempFolder folder;
  for (const char* quantized : {"blk.1.ffn_up_exps.weight", "blk.1.attn_norm.weight"}) {
    GgufBuilder builder = SmallGgufMetadata();
    for (const TestTensor& tensor : MakeTestTensors(SmallConfig(), CheckpointFormat::kGguf)) {
      if (tensor.name == quantized) {
        const size_t num_bytes = tensor.bytes.size() / 2 / kQ80BlockSize * kQ80BlockBytes;
        builder.Tensor({tensor.name, StoredType::kQ80, tensor.shape, std::string(num_bytes, '\0')}, 8);
      } else {
        builder.Tensor(tensor, tensor.type == StoredType::kF32 ? 0 : 30);
      }
    }
    folder.Write("m.gguf", builder.Bytes());
    const Checkpoint checkpoint = Checkpoint::Open(folder.File("m.gguf"), {}).value();
    const Result<ModelWeights> weights = BindModelWeights(checkpoint);
    if (quantized == std::string_view("blk.1.attn_norm.weight")) {
      ASSERT_FALSE(weights.has_value());
      EXPECT_THAT(weights.error().message,
                  HasSubstr("tensor 'blk.1.attn_norm.weight' must not be of type q8_0"));
      continue;
    }
    ASSERT_TRUE(weights.has_value()) << weights.error().message;
    const MatrixView& expert = weights->layers[1].moe.experts[2].up_proj;
    EXPECT_EQ(expert.type, WeightType::kQ80);
    EXPECT_EQ(expert.row_bytes, 68U);
    EXPECT_EQ(expert.data, checkpoint.Find(quantized)->data.data() + 2 * 32 * 68);
  }
}

TEST(BindModelWeights, RefusesQuantisedTypesThatNoKernelReads) {
  const TempFolder folder;
  GgufBuilder builder = SmallGgufMetadata();
  for (const TestTensor& tensor : MakeTestTensors(SmallConfig(), CheckpointFormat::kGguf)) {
    if (tensor.name == "blk.0.ffn_up.weight") {
      builder.Tensor({tensor.name, StoredType::kU8, tensor.shape, std::string(96 * 64 / 32 * 36, '\0')}, 9);
    } else {
      builder.Tensor(tensor, tensor.type == StoredType::kF32 ? 0 : 30);
    }
  }
  folder.Write("m.gguf", builder.Bytes());
  const Checkpoint checkpoint = Checkpoint::Open(folder.File("m.gguf"), {}).value();
  const Result<ModelWeights> weights = BindModelWeights(checkpoint);
  ASSERT_FALSE(weights.has_value());
  EXPECT_EQ(weights.error().code, ErrorCode::kUnimplemented);
  EXPECT_THAT(weights.error().message,
              HasSubstr("tensor 'blk.0.ffn_up.weight' is stored as q8_1 (m.gguf, offset"));
}

}  // namespace
}  // namespace mimo

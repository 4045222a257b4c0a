// Every tensor type of GGUF files, from the file to the numbers that kernels read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "kernels/dequantize.h"
#include "weights/checkpoint_testutil.h"
#include "weights/gguf.h"
#include "weights/inspect.h"
#include "weights/model_weights.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

using testing::HasSubstr;

// ggml's numbers, as its documentation of the format lists them.
struct NumberedType {
  WeightType type;
  uint32_t id;
};
constexpr NumberedType kBlockTypes[] = {
    {WeightType::kQ40, 2},     {WeightType::kQ41, 3},         {WeightType::kQ50, 6},
    {WeightType::kQ51, 7},     {WeightType::kQ80, 8},         {WeightType::kQ2K, 10},
    {WeightType::kQ3K, 11},    {WeightType::kQ4K, 12},        {WeightType::kQ5K, 13},
    {WeightType::kQ6K, 14},    {WeightType::kIq2Xxs, 16},     {WeightType::kIq2Xs, 17},
    {WeightType::kIq3Xxs, 18}, {WeightType::kIq1S, 19},       {WeightType::kIq4Nl, 20},
    {WeightType::kIq3S, 21},   {WeightType::kIq2S, 22},       {WeightType::kIq4Xs, 23},
    {WeightType::kIq1M, 29},   {WeightType::kMxFp4Block, 39}, {WeightType::kNvFp4, 40},
};

// Rows of 256 columns and more, so that every type fits.
ModelConfig WideConfig() {
  Json json = SmallConfigJson();
  json["hidden_size"] = 256;
  json["intermediate_size"] = 512;
  json["moe_intermediate_size"] = 256;
  return SmallConfig(json);
}

std::string RandomBytes(size_t size, std::mt19937_64& random) {
  std::string bytes;
  while (bytes.size() < size) bytes += LittleEndian(random(), 8);
  bytes.resize(size);
  return bytes;
}

bool IsQuantized(const TensorSpec& spec) { return spec.shape.size() > 1 && spec.role != TensorRole::kRouter; }

// All matrices but the routers are random blocks of the type.
std::vector<std::pair<TestTensor, uint32_t>> QuantizedTensors(const ModelConfig& config, NumberedType type,
                                                              std::mt19937_64& random) {
  std::vector<std::pair<TestTensor, uint32_t>> tensors;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kGguf)) {
    if (!IsQuantized(spec)) {
      tensors.emplace_back(MakeTestTensor(spec.name, StoredType::kF32, spec.shape), 0);
      continue;
    }
    const size_t num_rows = spec.num_elements() / spec.shape.back();
    const size_t row_bytes = RowBytes(type.type, static_cast<uint32_t>(spec.shape.back()));
    tensors.emplace_back(
        TestTensor{spec.name, *GgufTypeOf(type.type), spec.shape, RandomBytes(num_rows * row_bytes, random)},
        type.id);
  }
  return tensors;
}

std::string FileOf(const ModelConfig& config, const std::vector<std::pair<TestTensor, uint32_t>>& tensors) {
  GgufBuilder builder = SmallGgufMetadata(config);
  for (const auto& [tensor, id] : tensors) builder.Tensor(tensor, id);
  return builder.Bytes();
}

const std::string& BytesOf(const std::vector<std::pair<TestTensor, uint32_t>>& tensors,
                           std::string_view name) {
  const auto it = std::find_if(tensors.begin(), tensors.end(),
                               [name](const auto& entry) { return entry.first.name == name; });
  EXPECT_NE(it, tensors.end()) << name;
  return it->first.bytes;
}

// Row `row` of the tensor's bytes, block by block. As bytes, because random blocks hold NaN.
std::string DecodedRow(WeightType type, uint32_t cols, const std::string& bytes, size_t row) {
  const BlockGeometry& block = GeometryOf(type);
  std::string numbers(cols * sizeof(float), '\0');
  std::vector<float> values(block.columns);
  const auto* at = reinterpret_cast<const std::byte*>(bytes.data()) + row * RowBytes(type, cols);
  for (uint32_t c = 0; c < cols; c += block.columns, at += block.bytes) {
    DecoderOf(type)(at, values.data());
    std::memcpy(numbers.data() + c * sizeof(float), values.data(), values.size() * sizeof(float));
  }
  return numbers;
}

std::string ViewedRow(const MatrixView& view, uint32_t row) {
  std::vector<float> values(view.cols);
  DequantizeRow(view, row, values.data());
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(GgufTypes, EveryTypeIsReadFromAModelThatIsStoredInIt) {
  std::mt19937_64 random(1);
  const ModelConfig config = WideConfig();
  for (const NumberedType& type : kBlockTypes) {
    const std::string name = WeightTypeName(type.type);
    const auto tensors = QuantizedTensors(config, type, random);
    const std::string file = FileOf(config, tensors);
    const Result<Checkpoint> checkpoint = Checkpoint::OpenMemory("m.gguf", AsBytes(file), {});
    ASSERT_TRUE(checkpoint.has_value()) << name << ": " << checkpoint.error().message;
    EXPECT_EQ(SummarizeCheckpoint(*checkpoint).types.front().type_name, name);
    const Result<ModelWeights> weights = BindModelWeights(*checkpoint);
    ASSERT_TRUE(weights.has_value()) << name << ": " << weights.error().message;
    EXPECT_EQ(weights->embed_tokens.type, type.type);
    EXPECT_EQ(ViewedRow(weights->embed_tokens, 7),
              DecodedRow(type.type, 256, BytesOf(tensors, "token_embd.weight"), 7))
        << name;
    EXPECT_EQ(ViewedRow(weights->layers[0].mlp.down_proj, 255),
              DecodedRow(type.type, 512, BytesOf(tensors, "blk.0.ffn_down.weight"), 255))
        << name;
    EXPECT_EQ(ViewedRow(weights->layers[1].moe.experts[3].up_proj, 5),
              DecodedRow(type.type, 256, BytesOf(tensors, "blk.1.ffn_up_exps.weight"), 3 * 256 + 5))
        << name;
  }
}

TEST(GgufTypes, AreWrittenUnderTheNumbersUnderWhichTheyAreRead) {
  for (const NumberedType& type : kBlockTypes) EXPECT_EQ(GgmlTypeId(*GgufTypeOf(type.type)), type.id);
  EXPECT_EQ(GgmlTypeId(StoredType::kBf16), 30U);
  EXPECT_EQ(GgmlTypeId(StoredType::kGgufQuantized), std::nullopt);
  EXPECT_EQ(GgmlTypeId(StoredType::kFp8E4M3), std::nullopt);
}

void ExpectDataLoss(const TestTensor& tensor, uint32_t id, std::string_view part) {
  const std::string file = GgufBuilder().Tensor(tensor, id).Bytes();
  const Result<GgufFile> gguf = ParseGguf(AsBytes(file), "m.gguf");
  ASSERT_FALSE(gguf.has_value()) << tensor.name;
  EXPECT_EQ(gguf.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(gguf.error().message, HasSubstr(std::string(part)));
}

TEST(GgufTypes, RefuseShapesThatAreNotWholeBlocksOverflowOrPassTheEnd) {
  for (const NumberedType& type : kBlockTypes) {
    const BlockGeometry& block = GeometryOf(type.type);
    const StoredType stored = *GgufTypeOf(type.type);
    const std::string bytes(2 * block.bytes, '\0');
    ExpectDataLoss({"x", stored, {2, block.columns + 1}, bytes}, type.id, "has the impossible shape");
    ExpectDataLoss({"x", stored, {2, block.columns / 2}, bytes}, type.id, "has the impossible shape");
    ExpectDataLoss({"x", stored, {uint64_t{1} << 40, uint64_t{1} << 40, block.columns}, bytes}, type.id,
                   "has the impossible shape");
    ExpectDataLoss({"x", stored, {64, block.columns}, bytes}, type.id, "the file is truncated or damaged");
  }
}

TEST(GgufTypes, ATensorOfAnUnknownNumberIsAnError) {
  const std::string file = GgufBuilder().Tensor(MakeTestTensor("x", StoredType::kF32, {16}), 1000).Bytes();
  const Result<GgufFile> gguf = ParseGguf(AsBytes(file), "m.gguf");
  ASSERT_FALSE(gguf.has_value());
  EXPECT_EQ(gguf.error().code, ErrorCode::kUnimplemented);
}

TEST(GgufTypes, NvFp4TensorsHaveAScalePerMatrixAndPerExpert) {
  std::mt19937_64 random(2);
  const ModelConfig config = WideConfig();
  auto tensors = QuantizedTensors(config, {WeightType::kNvFp4, 40}, random);
  tensors.emplace_back(MakeTestTensor("blk.0.ffn_down.scale", StoredType::kF32, {1}), 0);
  tensors.emplace_back(MakeTestTensor("blk.1.ffn_up_exps.scale", StoredType::kF32, {4}), 0);  // 1, 2, 3, 4
  const std::string file = FileOf(config, tensors);
  const Checkpoint checkpoint = Checkpoint::OpenMemory("m.gguf", AsBytes(file), {}).value();
  const Result<ModelWeights> weights = BindModelWeights(checkpoint);
  ASSERT_TRUE(weights.has_value()) << weights.error().message;
  EXPECT_EQ(weights->embed_tokens.scales, nullptr);
  EXPECT_EQ(weights->layers[0].mlp.down_proj.scales, checkpoint.Find("blk.0.ffn_down.scale")->data.data());
  MatrixView expert = weights->layers[1].moe.experts[2].up_proj;
  std::vector<float> scaled(expert.cols);
  DequantizeRow(expert, 1, scaled.data());
  expert.scales = nullptr;
  std::vector<float> plain(expert.cols);
  DequantizeRow(expert, 1, plain.data());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(scaled[i], 3 * plain[i]);

  tensors.back() = {MakeTestTensor("blk.1.ffn_up_exps.scale", StoredType::kF32, {3}), 0};
  const std::string damaged = FileOf(config, tensors);
  const Result<ModelWeights> refused =
      BindModelWeights(Checkpoint::OpenMemory("m.gguf", AsBytes(damaged), {}).value());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("scales 'blk.1.ffn_up_exps.scale' have the shape [3]"));
}

}  // namespace
}  // namespace mimo

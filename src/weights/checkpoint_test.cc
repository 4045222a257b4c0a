#include "weights/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "weights/checkpoint_testutil.h"
#include "weights/default_model.h"
#include "weights/model_weights.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

void ExpectOpenError(const std::string& path, ErrorCode code, const std::string& part) {
  const Result<Checkpoint> checkpoint = Checkpoint::Open(path, {});
  ASSERT_FALSE(checkpoint.has_value()) << "expected: " << part;
  EXPECT_EQ(checkpoint.error().code, code) << checkpoint.error().message;
  EXPECT_THAT(checkpoint.error().message, HasSubstr(part));
}

// The tensors of the small configuration in two shards, with an index.
void WriteShardedFolder(const TempFolder& folder, Json metadata = Json::object()) {
  const std::vector<TestTensor> tensors =
      MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors, TestQuantization::kFp8);
  std::vector<TestTensor> shards[2];
  Json index = {{"metadata", std::move(metadata)}, {"weight_map", Json::object()}};
  for (size_t i = 0; i < tensors.size(); ++i) {  // alternating, so weights and scales part
    shards[i % 2].push_back(tensors[i]);
    index["weight_map"][tensors[i].name] = fmt::format("part{}.safetensors", i % 2);
  }
  folder.Write("config.json", DumpJson(SmallConfigJson()));
  folder.Write("model.safetensors.index.json", DumpJson(index));
  folder.Write("part0.safetensors", SafetensorsBytes(shards[0]));
  folder.Write("part1.safetensors", SafetensorsBytes(shards[1]));
}

TEST(Checkpoint, OpensAFolderWithOneFile) {
  const TempFolder folder;
  WriteTestFolder(folder, SmallConfigJson(), MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors));

  const Result<Checkpoint> checkpoint = Checkpoint::Open(folder.path(), {});

  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_FALSE(checkpoint->is_gguf());
  EXPECT_EQ(checkpoint->config().num_nextn_predict_layers, 1U);
  EXPECT_EQ(checkpoint->Find("no.such.tensor"), nullptr);
  const StoredTensor* const norm = checkpoint->Find("model.norm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(checkpoint->Where(*norm), fmt::format("model.safetensors, offset {}", norm->offset));
}

TEST(Checkpoint, OpensShardsWhereWeightAndScaleAreApart) {
  const TempFolder folder;
  WriteShardedFolder(folder, {{"tp_size", 2}});
  const Result<Checkpoint> checkpoint = Checkpoint::Open(folder.path(), {});
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const StoredTensor* const weight = checkpoint->Find("model.layers.0.mlp.up_proj.weight");
  const StoredTensor* const scale = checkpoint->Find("model.layers.0.mlp.up_proj.weight_scale_inv");
  EXPECT_NE(weight->file_index, scale->file_index);
  EXPECT_TRUE(BindModelWeights(*checkpoint).has_value());
}

TEST(Checkpoint, OpensSeveralFilesWithoutAnIndex) {
  const TempFolder folder;
  WriteShardedFolder(folder);
  std::filesystem::remove(folder.File("model.safetensors.index.json"));
  EXPECT_TRUE(Checkpoint::Open(folder.path(), {}).has_value());
}

TEST(Checkpoint, TakesTheRowChunksFromTheIndex) {
  const TempFolder folder;
  WriteShardedFolder(folder, {{"tp_size", 1}});
  EXPECT_EQ(Checkpoint::Open(folder.path(), {})->config().qkv_chunks, 1U);
  WriteShardedFolder(folder, {{"tp_size", 0}});
  ExpectOpenError(folder.path(), ErrorCode::kInvalidArgument, "'tp_size' must be from 1 to 4, not 0");
}

TEST(Checkpoint, KeepsSpansValidAfterAMove) {
  const TempFolder folder;
  WriteTestFolder(folder, SmallConfigJson(), MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors));
  Checkpoint first = Checkpoint::Open(folder.path(), {}).value();
  const std::byte* const data = first.Find("model.norm.weight")->data.data();
  const Checkpoint second = std::move(first);
  EXPECT_EQ(second.Find("model.norm.weight")->data.data(), data);
  EXPECT_EQ(std::to_integer<int>(data[1]), 0x3f);  // 1.0 as BF16
}

TEST(Checkpoint, ReportsTensorsThatTheIndexMisplaces) {
  const TempFolder folder;
  WriteShardedFolder(folder);
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"x":"part0.safetensors","model.norm.weight":"part1.safetensors"}})");
  ExpectOpenError(folder.path(), ErrorCode::kDataLoss,
                  "tensor 'x' is missing from the file that the index names (part0.safetensors)");
  folder.Write("model.safetensors.index.json", R"({"weight_map":{"x":"gone.safetensors"}})");
  ExpectOpenError(folder.path(), ErrorCode::kNotFound, "gone.safetensors");
}

TEST(Checkpoint, ReportsATensorInTwoFiles) {
  const TempFolder folder;
  WriteShardedFolder(folder);
  std::filesystem::remove(folder.File("model.safetensors.index.json"));
  std::filesystem::copy_file(folder.File("part0.safetensors"), folder.File("part2.safetensors"));
  ExpectOpenError(folder.path(), ErrorCode::kDataLoss, "stands twice (part0.safetensors, offset");
}

TEST(Checkpoint, SaysWhatIsWrongWithThePath) {
  const TempFolder folder;
  ExpectOpenError(folder.File("none"), ErrorCode::kNotFound, "give a Hugging Face folder or a .gguf file");
  ExpectOpenError(folder.path(), ErrorCode::kNotFound, "no config.json");
  folder.Write("config.json", DumpJson(SmallConfigJson()));
  ExpectOpenError(folder.path(), ErrorCode::kNotFound, "no .safetensors file");
  folder.Write("m.gguf", "hello, world");
  ExpectOpenError(folder.File("m.gguf"), ErrorCode::kDataLoss, "not a GGUF file (m.gguf, offset 0)");
}

TEST(Checkpoint, CountsTheMtpLayersOnDiskWhateverTheConfigSays) {
  const TempFolder folder;
  Json json = SmallConfigJson();
  const std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors);
  json.erase("num_nextn_predict_layers");
  WriteTestFolder(folder, json, tensors);
  EXPECT_EQ(Checkpoint::Open(folder.path(), {})->config().num_nextn_predict_layers, 1U);

  json["num_nextn_predict_layers"] = 0;
  const std::vector<TestTensor> trunk = MakeTestTensors(SmallConfig(json), CheckpointFormat::kSafetensors);
  WriteTestFolder(folder, SmallConfigJson(), trunk);
  EXPECT_EQ(Checkpoint::Open(folder.path(), {})->config().num_nextn_predict_layers, 0U);
}

TEST(Checkpoint, SkipsTensorsThatItDoesNotUse) {
  const TempFolder folder;
  std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors);
  tensors.push_back(MakeTestTensor("visual.merger.ln_q.weight", StoredType::kBf16, {4}));
  tensors.push_back(MakeTestTensor("something.else", StoredType::kI16, {4}));
  WriteTestFolder(folder, SmallConfigJson(), tensors);
  testing::internal::CaptureStderr();
  const Result<Checkpoint> checkpoint = Checkpoint::Open(folder.path(), {});
  const std::string log = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_THAT(log, HasSubstr("1 tensors of the vision and audio encoders are not used"));
  EXPECT_THAT(log, HasSubstr("1 tensors are unknown and not used, the first is 'something.else'"));
}

TEST(Checkpoint, ReadsTokenizerFilesAndEndIds) {
  const TempFolder folder;
  WriteTestFolder(folder, SmallConfigJson(), MakeTestTensors(SmallConfig(), CheckpointFormat::kSafetensors));
  folder.Write("generation_config.json", R"({"eos_token_id":[39,7]})");
  folder.Write("tokenizer.json", "{}");
  folder.Write("tokenizer_config.json", R"({"chat_template":"from config"})");
  const Checkpoint first = Checkpoint::Open(folder.path(), {}).value();
  EXPECT_THAT(first.config().eos_token_ids, ElementsAre(39, 7));
  EXPECT_EQ(first.tokenizer().tokenizer_json, "{}");
  EXPECT_EQ(first.tokenizer().chat_template, "from config");
  folder.Write("chat_template.json", R"({"chat_template":[{"name":"default","template":"from json"}]})");
  EXPECT_EQ(Checkpoint::Open(folder.path(), {})->tokenizer().chat_template, "from json");
  folder.Write("chat_template.jinja", "from jinja");
  EXPECT_EQ(Checkpoint::Open(folder.path(), {})->tokenizer().chat_template, "from jinja");
}

TEST(Checkpoint, ReadsTheSameConfigurationFromGguf) {
  const TempFolder folder;
  const ModelConfig expected = SmallConfig();
  GgufBuilder builder = SmallGgufMetadata();
  builder.Tensors(MakeTestTensors(expected, CheckpointFormat::kGguf));
  folder.Write("m.gguf", builder.Bytes());

  const Result<Checkpoint> checkpoint = Checkpoint::Open(folder.File("m.gguf"), {{{"sliding_window", "9"}}});

  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  const ModelConfig& config = checkpoint->config();
  EXPECT_EQ(config.full_attention, expected.full_attention);
  EXPECT_EQ(config.sliding_attention.window, 9U);
  EXPECT_EQ(config.sliding_attention.rotary_dim, expected.sliding_attention.rotary_dim);
  EXPECT_TRUE(config.sliding_attention.has_sinks);
  EXPECT_EQ(config.is_sparse, expected.is_sparse);
  EXPECT_EQ(config.is_sliding, expected.is_sliding);
  EXPECT_EQ(config.vocab_size, 40U);
  EXPECT_EQ(config.num_nextn_predict_layers, 1U);
  EXPECT_EQ(config.attention_value_scale, 0.707F);
  EXPECT_EQ(config.qkv_chunks, 1U);
}

TEST(Checkpoint, ReadsSplitGgufFiles) {
  const TempFolder folder;
  const std::vector<TestTensor> tensors = MakeTestTensors(SmallConfig(), CheckpointFormat::kGguf);
  GgufBuilder first = SmallGgufMetadata();
  first.Uint16("split.no", 0).Uint16("split.count", 2).Uint32("split.tensors.count", tensors.size());
  first.Tensors({tensors.begin(), tensors.begin() + 10});
  GgufBuilder second;
  second.Uint16("split.no", 1).Uint16("split.count", 2);
  second.Tensors({tensors.begin() + 10, tensors.end()});
  folder.Write("m-00001-of-00002.gguf", first.Bytes());
  const std::string path = folder.File("m-00001-of-00002.gguf");

  ExpectOpenError(path, ErrorCode::kNotFound, "m-00002-of-00002.gguf");
  folder.Write("m-00002-of-00002.gguf", second.Bytes());

  const Result<Checkpoint> checkpoint = Checkpoint::Open(path, {});
  ASSERT_TRUE(checkpoint.has_value()) << checkpoint.error().message;
  EXPECT_EQ(checkpoint->tensors().size(), tensors.size());
  EXPECT_TRUE(BindModelWeights(*checkpoint).has_value());
  ExpectOpenError(folder.File("m-00002-of-00002.gguf"), ErrorCode::kInvalidArgument,
                  "shard 2 of 2 (m-00002-of-00002.gguf): open the first one");
  std::filesystem::copy_file(path, folder.File("other.gguf"));
  ExpectOpenError(folder.File("other.gguf"), ErrorCode::kInvalidArgument,
                  "must be named '...-00001-of-00002");
}

TEST(Checkpoint, OpensAGgufFileInMemoryLikeOneOnDisk) {
  GgufBuilder builder = SmallGgufMetadata();
  builder.Tensors(MakeTestTensors(SmallConfig(), CheckpointFormat::kGguf));
  const std::string file = builder.Bytes();
  const Result<Checkpoint> opened = Checkpoint::OpenMemory("inside", std::as_bytes(std::span(file)), {});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->path(), "inside");
  EXPECT_TRUE(opened->is_gguf());
  EXPECT_EQ(opened->total_bytes(), file.size());
  const StoredTensor* const norm = opened->Find("output_norm.weight");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(static_cast<const void*>(norm->data.data()), file.data() + norm->offset);
  EXPECT_THAT(opened->Where(*norm), HasSubstr("inside, offset"));
  EXPECT_TRUE(BindModelWeights(*opened).has_value());
  const Result<Checkpoint> cut =
      Checkpoint::OpenMemory("inside", std::as_bytes(std::span(file)).first(file.size() - 40), {});
  ASSERT_FALSE(cut.has_value());
  EXPECT_THAT(cut.error().message, HasSubstr("(inside, offset"));
}

TEST(DefaultModel, IsNoneOrAModelThatBinds) {
  const std::span<const std::byte> file = DefaultModelFile();
  if (file.empty()) return;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.data()) % 4096, 0U);
  const Result<Checkpoint> opened = Checkpoint::OpenMemory(kDefaultModelName, file, {});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_TRUE(BindModelWeights(*opened).has_value());
}

}  // namespace
}  // namespace mimo

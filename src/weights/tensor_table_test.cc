#include "weights/tensor_table.h"

#include <gtest/gtest.h>

#include <set>

#include "base/mapped_file.h"
#include "weights/checkpoint_testutil.h"

namespace mimo {
namespace {

ModelConfig PublishedConfig(const std::string& name) {
  const std::string path = fmt::format("{}/tests/fuzz/corpus/config/{}.json", MIMO_SOURCE_DIR, name);
  return ParseModelConfig(ReadTextFile(path).value(), {}).value();
}

// What the files of a release hold when the trunk's projections are FP8: weights and their scales.
struct Totals {
  uint64_t tensors = 0;
  uint64_t elements = 0;
};

Totals TotalsOfFp8Release(const ModelConfig& config) {
  Totals totals;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kSafetensors)) {
    ++totals.tensors;
    totals.elements += spec.num_elements();
    if (spec.quantized_forms == QuantizedForms::kNone || spec.role == TensorRole::kOProj) continue;
    const std::vector<uint64_t> scale = ScaleShape(spec, StoredType::kFp8E4M3);
    ++totals.tensors;
    totals.elements += scale[0] * scale[1];
  }
  return totals;
}

TEST(TensorTable, CountsWhatThePublishedProCheckpointHolds) {
  ModelConfig config = PublishedConfig("mimo-v2_5-pro");
  config.num_nextn_predict_layers = 3;

  const Totals totals = TotalsOfFp8Release(config);

  EXPECT_EQ(totals.tensors, 159581U);  // the release's own index
  EXPECT_EQ(totals.elements, 1023244718976U);
}

TEST(TensorTable, GivesFusedScalesOneGridPerRowChunk) {
  ModelConfig config = PublishedConfig("mimo-v2_5");

  uint64_t full_rows = 0;
  uint64_t sliding_rows = 0;
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kSafetensors)) {
    if (spec.role != TensorRole::kQkvProj) continue;
    (config.is_sliding[static_cast<size_t>(spec.layer_index)] ? sliding_rows : full_rows) =
        ScaleShape(spec, StoredType::kFp8E4M3)[0];
  }

  EXPECT_EQ(full_rows, 108U);     // 4 * 27
  EXPECT_EQ(sliding_rows, 116U);  // 4 * 29
}

TEST(TensorTable, NamesEachTensorOnce) {
  const ModelConfig config = SmallConfig();
  for (const CheckpointFormat format : {CheckpointFormat::kSafetensors, CheckpointFormat::kGguf}) {
    std::set<std::string> names;
    const std::vector<TensorSpec> table = TensorTable(config, format);
    for (const TensorSpec& spec : table) names.insert(spec.name);
    EXPECT_EQ(names.size(), table.size());
  }
}

TEST(TensorTable, HasTheSameElementsInBothFormats) {
  const ModelConfig config = SmallConfig();
  uint64_t elements[2] = {0, 0};
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kSafetensors)) {
    elements[0] += spec.num_elements();
  }
  for (const TensorSpec& spec : TensorTable(config, CheckpointFormat::kGguf)) {
    elements[1] += spec.num_elements();
  }
  EXPECT_EQ(elements[0], elements[1]);
}

TEST(TensorTable, SpellsTheNamesOfEachFamilyAndFormat) {
  const auto names = [](const ModelConfig& config, CheckpointFormat format) {
    std::set<std::string> set;
    for (const TensorSpec& spec : TensorTable(config, format)) set.insert(spec.name);
    return set;
  };
  const std::set<std::string> v2 = names(SmallConfig(), CheckpointFormat::kSafetensors);
  EXPECT_TRUE(v2.contains("model.layers.1.mlp.experts.3.down_proj.weight"));
  EXPECT_TRUE(v2.contains("model.layers.1.self_attn.attention_sink_bias"));
  EXPECT_FALSE(v2.contains("model.layers.0.self_attn.attention_sink_bias"));
  EXPECT_TRUE(v2.contains("model.mtp.layers.0.pre_mlp_layernorm.weight"));
  const std::set<std::string> gguf = names(SmallConfig(), CheckpointFormat::kGguf);
  EXPECT_TRUE(gguf.contains("blk.3.nextn.eh_proj.weight"));
  EXPECT_TRUE(gguf.contains("blk.1.ffn_down_exps.weight"));
  const std::set<std::string> mimo_7b = names(PublishedConfig("mimo-7b"), CheckpointFormat::kSafetensors);
  EXPECT_TRUE(mimo_7b.contains("model.layers.35.self_attn.k_proj.bias"));
  EXPECT_TRUE(mimo_7b.contains("model.mtp_layers.0.token_layernorm.weight"));
  EXPECT_TRUE(mimo_7b.contains("model.mtp_layers.0.post_attention_layernorm.weight"));
}

}  // namespace
}  // namespace mimo

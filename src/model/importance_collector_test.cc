#include "model/importance_collector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/kv_storage.h"
#include "model/model.h"
#include "weights/model_weights.h"
#include "weights/synth.h"

namespace mimo {
namespace {

// A checkpoint with a dense layer and a sparse one, in a folder that the destructor removes.
class SmallModel {
 public:
  explicit SmallModel(const std::string& like) {
    std::string pattern = (std::filesystem::temp_directory_path() / "mimo_importance_XXXXXX").string();
    path_ = mkdtemp(pattern.data());
    SynthOptions options;
    options.like = like;
    options.overrides = {
        {"num_hidden_layers", "2"},        {"hidden_size", "32"},           {"num_attention_heads", "4"},
        {"num_key_value_heads", "2"},      {"intermediate_size", "64"},     {"moe_intermediate_size", "32"},
        {"n_routed_experts", "6"},         {"num_experts_per_tok", "2"},    {"vocab_size", "64"},
        {"num_nextn_predict_layers", "1"}, {"swa_num_key_value_heads", "2"}};
    options.num_threads = 1;
    EXPECT_TRUE(WriteSynthCheckpoint(path_ + "/model", options).has_value());
    checkpoint_.emplace(Checkpoint::Open(path_ + "/model", {}).value());
  }
  ~SmallModel() { std::filesystem::remove_all(path_); }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;

  const Checkpoint& checkpoint() const { return *checkpoint_; }

  // Runs tokens in steps of `chunk` and returns the logits of all.
  std::vector<float> Run(MatMulObserver* observer, uint32_t chunk) const {
    std::vector<TokenId> tokens;
    for (uint32_t i = 0; i < 24; ++i) tokens.push_back(i * 7 % 64);
    ModelOptions options;
    options.num_threads = 1;
    options.observer = observer;
    Model model = Model::Create(*checkpoint_, options).value();
    KvStorageOptions kv_options;
    kv_options.num_blocks = KvBlocksFor(24);
    KvStorage kv = KvStorage::Create(checkpoint_->config(), kv_options).value();
    std::vector<KvBlockId> blocks;
    for (uint32_t i = 0; i < kv_options.num_blocks; ++i) blocks.push_back({i});
    std::vector<float> all;
    for (uint32_t first = 0; first < 24; first += chunk) {
      SequenceChunk step;
      step.tokens = std::span(tokens).subspan(first, chunk);
      step.first_position = first;
      step.blocks = blocks;
      step.logits = LogitsWanted::kAll;
      const std::span<const float> logits = model.Forward({&step, 1}, kv).value();
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

 private:
  std::string path_;
  std::optional<Checkpoint> checkpoint_;
};

ImportanceMatrix Collect(const SmallModel& model, uint32_t chunk) {
  ImportanceCollector collector = ImportanceCollector::Create(model.checkpoint()).value();
  model.Run(&collector, chunk);
  return collector.Matrix().value();
}

TEST(ImportanceCollector, CountsEachTokenOnceForAMatrixAndOnceForEachChosenExpert) {
  const SmallModel model("flash");
  const ImportanceMatrix matrix = Collect(model, 24);
  for (const char* name :
       {"blk.0.attn_q.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_gate.weight",
        "blk.0.ffn_down.weight", "blk.1.ffn_gate_inp.weight", "output.weight"}) {
    const ImportanceEntry* const entry = matrix.Find(name);
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->counts, std::vector<uint64_t>{24}) << name;
  }
  const ImportanceEntry& up = *matrix.Find("blk.1.ffn_up_exps.weight");
  ASSERT_EQ(up.counts.size(), 6U);
  uint64_t total = 0;
  for (size_t expert = 0; expert < 6; ++expert) {
    total += up.counts[expert];
    const float first_sum = up.sums[expert * 32];
    EXPECT_EQ(first_sum > 0, up.counts[expert] > 0);
  }
  EXPECT_EQ(total, 48U);
  EXPECT_EQ(matrix.Find("blk.1.ffn_down_exps.weight")->counts, up.counts);
  EXPECT_EQ(matrix.Find("blk.1.ffn_gate_exps.weight")->sums, up.sums);
  EXPECT_EQ(matrix.Find("token_embd.weight"), nullptr);
  EXPECT_EQ(matrix.Find("blk.2.nextn.eh_proj.weight"), nullptr);  // the MTP layer did not run
}

TEST(ImportanceCollector, SumsTheSquaredInputs) {
  const SmallModel model("flash");
  const ImportanceMatrix matrix = Collect(model, 24);
  // Inputs of the first products are normed embeddings: without the norm's weights their mean square is 1.
  const ModelWeights weights = BindModelWeights(model.checkpoint()).value();
  const std::vector<float>& norm = weights.layers[0].input_layernorm;
  const ImportanceEntry& query = *matrix.Find("blk.0.attn_q.weight");
  double mean = 0;
  for (size_t i = 0; i < 32; ++i) mean += static_cast<double>(query.sums[i] / (norm[i] * norm[i])) / 24 / 32;
  EXPECT_NEAR(mean, 1.0, 1e-2);
}

TEST(ImportanceCollector, FindsFusedMatricesAndDoesNotDependOnTheChunks) {
  const SmallModel model("v2.5");
  const ImportanceMatrix whole = Collect(model, 24);
  const ImportanceMatrix cut = Collect(model, 8);
  ASSERT_NE(whole.Find("blk.0.attn_qkv.weight"), nullptr);
  ASSERT_EQ(whole.entries.size(), cut.entries.size());
  for (const auto& [name, entry] : whole.entries) {
    const ImportanceEntry& other = *cut.Find(name);
    EXPECT_EQ(entry.counts, other.counts) << name;
    for (size_t i = 0; i < entry.sums.size(); ++i) {
      EXPECT_NEAR(entry.sums[i], other.sums[i], 1e-5F * entry.sums[i]) << name;
    }
  }
}

TEST(ImportanceCollector, ChangesNoLogit) {
  const SmallModel model("flash");
  ImportanceCollector collector = ImportanceCollector::Create(model.checkpoint()).value();
  EXPECT_EQ(model.Run(&collector, 12), model.Run(nullptr, 12));
}

}  // namespace
}  // namespace mimo

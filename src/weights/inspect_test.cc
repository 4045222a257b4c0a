#include "weights/inspect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "weights/synth.h"

namespace mimo {
namespace {

// One dense and one sparse layer of 4 experts, 2 active; hidden 64, vocabulary 300, no MTP layer, bf16.
Checkpoint SmallCheckpoint() {
  const std::string folder = ::testing::TempDir() + "mimo_inspect_test_" + std::to_string(getpid());
  std::filesystem::remove_all(folder);
  SynthOptions options;
  options.like = "flash";
  options.type = SynthType::kBf16;
  options.overrides = {{"num_hidden_layers", "2"},
                       {"hidden_size", "64"},
                       {"num_attention_heads", "2"},
                       {"num_key_value_heads", "1"},
                       {"intermediate_size", "96"},
                       {"moe_intermediate_size", "32"},
                       {"n_routed_experts", "4"},
                       {"num_experts_per_tok", "2"},
                       {"vocab_size", "300"},
                       {"num_nextn_predict_layers", "0"},
                       {"add_swa_attention_sink_bias", "false"}};
  EXPECT_TRUE(WriteSynthCheckpoint(folder, options).has_value());
  return Checkpoint::Open(folder, {}).value();
}

TEST(SummarizeCheckpoint, CountsParametersAndBytesOfOneToken) {
  const Checkpoint checkpoint = SmallCheckpoint();

  const CheckpointSummary summary = SummarizeCheckpoint(checkpoint);

  const uint64_t embedding = 300 * 64;
  const uint64_t full = 64 * (2 * 192 + 192 + 128) + 64 * 2 * 128;
  const uint64_t sliding = 64 * (2 * 192 + 2 * 192 + 2 * 128) + 64 * 2 * 128;
  const uint64_t norms = 5 * 64;
  const uint64_t dense = 3 * 64 * 96;
  const uint64_t router = 4 * 64 + 4;
  const uint64_t expert = 3 * 64 * 32;
  const uint64_t shared = full + sliding + norms + dense + router;
  EXPECT_EQ(summary.parameters, 2 * embedding + shared + 4 * expert);
  EXPECT_EQ(summary.parameters_active, 2 * embedding + shared + 2 * expert);
  EXPECT_EQ(summary.parameters_mtp, 0U);
  // The router is float32, all else bf16; one row of the embedding.
  EXPECT_EQ(summary.decode_bytes_per_token, 2 * (64 + embedding + shared + 2 * expert) + 2 * router);
  EXPECT_EQ(summary.trunk_bytes, 2 * summary.parameters + 2 * router);
  EXPECT_EQ(summary.other_bytes, 0U);
  EXPECT_EQ(summary.missing_tensors, 0U);
  ASSERT_EQ(summary.types.size(), 2U);
  EXPECT_EQ(summary.types[0].type_name, "BF16");
  EXPECT_EQ(summary.types[1].bytes, 4 * router);
}

}  // namespace
}  // namespace mimo

#include "weights/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "weights/checkpoint_testutil.h"

namespace mimo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<ModelConfig> Parse(const Json& json, const std::vector<ConfigOverride>& overrides = {}) {
  return ParseModelConfig(DumpJson(json), overrides);
}

// The small configuration with one key set to `value`.
Json With(const std::string& key, const Json& value) {
  Json json = SmallConfigJson();
  json[key] = value;
  return json;
}

Json Without(const std::string& key) {
  Json json = SmallConfigJson();
  json.erase(key);
  return json;
}

void ExpectError(const Json& json, ErrorCode code, const std::string& part) {
  const Result<ModelConfig> config = Parse(json);
  ASSERT_FALSE(config.has_value()) << "expected: " << part;
  EXPECT_EQ(config.error().code, code) << config.error().message;
  EXPECT_THAT(config.error().message, HasSubstr(part));
}

ModelConfig Published(const std::string& name) {
  const std::string path = fmt::format("{}/tests/fuzz/corpus/config/{}.json", MIMO_SOURCE_DIR, name);
  return ParseModelConfig(ReadTextFile(path).value(), {}).value();
}

TEST(ParseModelConfig, ReadsMiMoV2Flash) {
  const ModelConfig config = Published("mimo-v2-flash");
  EXPECT_EQ(config.hidden_size, 4096U);
  EXPECT_EQ(config.full_attention.num_key_value_heads, 4U);
  EXPECT_EQ(config.sliding_attention.num_key_value_heads, 8U);
  EXPECT_EQ(config.full_attention.rotary_dim, 64U);  // int(192 * 0.334)
  EXPECT_EQ(config.full_attention.rope_theta, 5e6F);
  EXPECT_EQ(config.sliding_attention.rope_theta, 1e4F);
  EXPECT_EQ(config.sliding_attention.window, 128U);
  EXPECT_EQ(config.full_attention.window, 0U);
  EXPECT_TRUE(config.sliding_attention.has_sinks);
  EXPECT_FALSE(config.full_attention.has_sinks);
  EXPECT_EQ(config.routed_scaling_factor, 1.0F);  // null
  EXPECT_FALSE(config.fused_qkv);
  EXPECT_TRUE(config.is_sliding[1]);
  EXPECT_FALSE(config.is_sliding[47]);
  EXPECT_FALSE(config.is_sparse[0]);
  EXPECT_THAT(config.eos_token_ids, ElementsAre(151645));
}

TEST(ParseModelConfig, ReadsTheProsOwnNumbers) {
  const ModelConfig config = Published("mimo-v2_5-pro");
  EXPECT_EQ(config.attention_value_scale, 0.612F);
  EXPECT_EQ(config.sliding_attention.num_key_value_heads, 8U);
  EXPECT_EQ(config.qkv_chunks, 8U);
  EXPECT_TRUE(config.fused_qkv);
  EXPECT_TRUE(config.eos_token_ids.empty());
}

TEST(ParseModelConfig, ReadsMiMo7B) {
  const ModelConfig config = Published("mimo-7b");
  EXPECT_EQ(config.family, ModelFamily::kMimo);
  EXPECT_TRUE(config.attention_bias);
  EXPECT_FALSE(config.mtp_is_sliding);
  EXPECT_EQ(config.full_attention.rotary_dim, 128U);
  EXPECT_EQ(config.full_attention.v_head_dim, 128U);
  EXPECT_EQ(config.layernorm_epsilon, 1e-5F);
  EXPECT_EQ(config.attention_value_scale, 1.0F);
  EXPECT_EQ(config.MtpAttention(), config.full_attention);
}

TEST(ParseModelConfig, FallsBackFromSlidingKeysToThoseOfFullAttention) {
  Json json = Without("swa_num_key_value_heads");
  json.erase("swa_rope_theta");
  const ModelConfig config = Parse(json).value();
  EXPECT_EQ(config.sliding_attention.num_key_value_heads, 2U);
  EXPECT_EQ(config.sliding_attention.head_dim, 96U);
  EXPECT_EQ(config.sliding_attention.rope_theta, 5e6F);
}

TEST(ParseModelConfig, PrefersSlidingWindowSize) {
  EXPECT_EQ(Parse(With("sliding_window_size", 16))->sliding_attention.window, 16U);
}

TEST(ParseModelConfig, OverridesBothSpellingsOfTheWindow) {
  const Json json = With("sliding_window_size", 8);
  EXPECT_EQ(Parse(json, {{"sliding_window", "129"}})->sliding_attention.window, 129U);
  EXPECT_EQ(Parse(json, {{"sliding_window_size", "9"}})->sliding_attention.window, 9U);
}

TEST(ParseModelConfig, TakesOverrideValuesAsJsonElseAsText) {
  EXPECT_EQ(Parse(SmallConfigJson(), {{"hybrid_layer_pattern", "[1,1,1]"}})->is_sliding[0], true);
  const auto config = Parse(SmallConfigJson(), {{"hidden_act", "gelu"}});
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(config.error().message, HasSubstr("'hidden_act' = 'gelu' is not supported"));
}

TEST(ParseModelConfig, RejectsOverridesOfUnknownKeys) {
  const auto config = Parse(SmallConfigJson(), {{"sliding_windw", "1"}});
  ASSERT_FALSE(config.has_value());
  EXPECT_THAT(config.error().message, HasSubstr("unknown key 'sliding_windw'"));
}

TEST(ParseModelConfig, ReadsTheKeysOfNewerTransformers) {
  Json json = Without("rope_theta");
  for (const char* key : {"swa_rope_theta", "partial_rotary_factor", "hybrid_layer_pattern", "moe_layer_freq",
                          "layernorm_epsilon"}) {
    json.erase(key);
  }
  json["rope_parameters"] = {
      {"full_attention", {{"rope_type", "default"}, {"rope_theta", 1e7}, {"partial_rotary_factor", 0.25}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 2e4}, {"partial_rotary_factor", 0.5}}}};
  json["layer_types"] = {"full_attention", "sliding_attention", "full_attention"};
  json["mlp_layer_types"] = {"dense", "sparse", "sparse"};
  json["rms_norm_eps"] = 1e-6;

  const ModelConfig config = Parse(json).value();

  EXPECT_EQ(config.full_attention.rope_theta, 1e7F);
  EXPECT_EQ(config.full_attention.rotary_dim, 24U);
  EXPECT_EQ(config.sliding_attention.rope_theta, 2e4F);
  EXPECT_EQ(config.sliding_attention.rotary_dim, 48U);
  EXPECT_THAT(config.is_sliding, ElementsAre(false, true, false));
  EXPECT_THAT(config.is_sparse, ElementsAre(false, true, true));
  EXPECT_EQ(config.layernorm_epsilon, 1e-6F);
}

TEST(ParseModelConfig, ReadsTextConfigWhereItIsNested) {
  Json json;
  json["architectures"] = {"MiMoV2ForCausalLM"};
  json["text_config"] = SmallConfigJson();
  EXPECT_EQ(Parse(json)->hidden_size, 64U);
}

TEST(ParseModelConfig, UsesADefaultWhenEpsilonIsNull) {
  EXPECT_EQ(Parse(With("layernorm_epsilon", nullptr))->layernorm_epsilon, 1e-5F);
}

TEST(ParseModelConfig, ReadsMoeLayerFreqAsANumber) {
  Json json = With("moe_layer_freq", 1);
  json["first_k_dense_replace"] = 2;
  EXPECT_THAT(Parse(json)->is_sparse, ElementsAre(false, false, true));
}

TEST(ParseModelConfig, ReadsEosIdsAsListAndDropsThoseOutsideTheVocabulary) {
  EXPECT_THAT(Parse(With("eos_token_id", {1, 2, 151645}))->eos_token_ids, ElementsAre(1, 2));
}

TEST(ParseModelConfig, NamesAnotherArchitectureAndTheAcceptedOnes) {
  ExpectError(With("architectures", {"LlamaForCausalLM"}), ErrorCode::kUnimplemented,
              "architecture 'LlamaForCausalLM' is not supported (config.json): accepted are "
              "MiMoV2FlashForCausalLM");
  Json json = With("model_type", "qwen3");
  json.erase("architectures");
  ExpectError(json, ErrorCode::kUnimplemented, "architecture 'qwen3'");
}

TEST(ParseModelConfig, RejectsWhatNoMiMoCheckpointHas) {
  ExpectError(With("rope_scaling", {{"type", "yarn"}}), ErrorCode::kUnimplemented, "'yarn'");
  ExpectError(With("n_group", 8), ErrorCode::kUnimplemented, "'n_group' = 8");
  ExpectError(With("topk_group", 4), ErrorCode::kUnimplemented, "'topk_group' = 4");
  ExpectError(With("scoring_func", "softmax"), ErrorCode::kUnimplemented, "'scoring_func' = 'softmax'");
  ExpectError(With("n_shared_experts", 1), ErrorCode::kUnimplemented, "'n_shared_experts' = 1");
  ExpectError(With("quantization_config", {{"quant_method", "gptq"}}), ErrorCode::kUnimplemented, "'gptq'");
  ExpectError(With("quantization_config", {{"weight_block_size", {64, 64}}}), ErrorCode::kUnimplemented,
              "[64,64]");
}

TEST(ParseModelConfig, NamesTheKeyOfAHostileValue) {
  ExpectError(Without("hidden_size"), ErrorCode::kInvalidArgument, "'hidden_size' is missing");
  ExpectError(With("num_hidden_layers", 4000000000U), ErrorCode::kInvalidArgument, "'num_hidden_layers'");
  ExpectError(With("num_hidden_layers", -1), ErrorCode::kInvalidArgument, "not -1");
  ExpectError(With("num_key_value_heads", 0), ErrorCode::kInvalidArgument, "'num_key_value_heads'");
  ExpectError(With("num_key_value_heads", 3), ErrorCode::kInvalidArgument, "not a multiple");
  ExpectError(With("num_experts_per_tok", 5), ErrorCode::kInvalidArgument, "from 1 to 4");
  ExpectError(With("hybrid_layer_pattern", {0, 1}), ErrorCode::kInvalidArgument, "'hybrid_layer_pattern'");
  ExpectError(With("hybrid_layer_pattern", {0, 1, 2}), ErrorCode::kInvalidArgument, "0 or 1");
  ExpectError(With("partial_rotary_factor", 0.345), ErrorCode::kInvalidArgument, "even, not 33");
  ExpectError(With("partial_rotary_factor", 1.5), ErrorCode::kInvalidArgument, "partial_rotary_factor");
  ExpectError(With("layernorm_epsilon", -1.0), ErrorCode::kInvalidArgument, "'layernorm_epsilon'");
  ExpectError(With("rope_theta", "x"), ErrorCode::kInvalidArgument, "'rope_theta'");
  ExpectError(With("eos_token_id", "x"), ErrorCode::kInvalidArgument, "'eos_token_id'");
  ExpectError(With("sliding_window", 0), ErrorCode::kInvalidArgument, "'sliding_window'");
  ExpectError(Json::array(), ErrorCode::kInvalidArgument, "must be a JSON object");
  const auto malformed = ParseModelConfig("{\"a\":", {});
  ASSERT_FALSE(malformed.has_value());
  EXPECT_THAT(malformed.error().message, HasSubstr("malformed JSON at byte 6 (config.json)"));
}

TEST(ParseModelConfig, BoundsTheExpertsOfAllLayersTogether) {
  Json json = With("num_hidden_layers", 1024);
  json["hybrid_layer_pattern"] = std::vector<int>(1024, 0);
  json["moe_layer_freq"] = 1;
  json["n_routed_experts"] = 16384;
  ExpectError(json, ErrorCode::kInvalidArgument, "'n_routed_experts' = 16384 in 1024 layers");
}

}  // namespace
}  // namespace mimo

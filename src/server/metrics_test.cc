#include "server/metrics.h"

#include <gtest/gtest.h>

namespace mimo {
namespace {

using std::chrono::milliseconds;

class MetricsTest : public testing::Test {
 protected:
  MetricsTest() { metrics_.SetModel("m", 4096); }
  bool Has(const std::string& line) {
    const std::string lines = fmt::format("\n{}", metrics_.Text({}));
    return lines.find(fmt::format("\n{}\n", line)) != std::string::npos;
  }

  ServerMetrics metrics_;
};

TEST(Metrics, BeforeTheModelIsThereOnlyHttpIsCounted) {
  ServerMetrics metrics;
  metrics.CountHttp("/health", 503);

  const std::string text = metrics.Text({});

  EXPECT_NE(text.find("mimo:http_requests_total{route=\"/health\",status=\"503\"} 1\n"), std::string::npos)
      << text;
  EXPECT_EQ(text.find("vllm:"), std::string::npos);
}

TEST_F(MetricsTest, GaugesShowTheEnginesLoad) {
  Engine::Load load;
  load.running = 3;
  load.waiting = 2;
  load.kv_blocks_used = 25;
  load.kv_blocks_total = 100;
  load.num_preemptions = 4;

  metrics_.Text(load);
  const std::string text = metrics_.Text(load);

  EXPECT_NE(text.find("vllm:num_requests_running{model_name=\"m\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("vllm:num_requests_waiting{model_name=\"m\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("vllm:kv_cache_usage_perc{model_name=\"m\"} 0.25\n"), std::string::npos);
  EXPECT_NE(text.find("vllm:num_preemptions_total{model_name=\"m\"} 4\n"), std::string::npos);
}

TEST_F(MetricsTest, CountersBeginAtZeroSoThatRatesAreRight) {
  EXPECT_TRUE(Has("vllm:request_success_total{finished_reason=\"abort\",model_name=\"m\"} 0"));
  EXPECT_TRUE(Has("vllm:generation_tokens_total{model_name=\"m\"} 0"));
  EXPECT_TRUE(Has("mimo:missing_reasoning_replays_total{model_name=\"m\"} 0"));
}

TEST_F(MetricsTest, CountsAGenerationFromItsFirstTokenToItsLast) {
  metrics_.CountPrompt(100, 60);
  metrics_.CountTokens(1);
  metrics_.CountFirstToken(milliseconds(30));
  metrics_.CountTokens(2);
  metrics_.CountTokenGap(milliseconds(20));
  FinishedGeneration finished;
  finished.reason = FinishReason::kLength;
  finished.usage = {.prompt_tokens = 100,
                    .cached_tokens = 60,
                    .completion_tokens = 3,
                    .queue_time = milliseconds(5),
                    .prefill_time = milliseconds(25),
                    .decode_time = milliseconds(40)};
  finished.since_arrival = milliseconds(70);
  metrics_.CountFinished(finished);

  EXPECT_TRUE(Has("vllm:prompt_tokens_total{model_name=\"m\"} 100"));
  EXPECT_TRUE(Has("vllm:prefix_cache_hits_total{model_name=\"m\"} 60"));
  EXPECT_TRUE(Has("vllm:generation_tokens_total{model_name=\"m\"} 3"));
  EXPECT_TRUE(Has("vllm:request_success_total{finished_reason=\"length\",model_name=\"m\"} 1"));
  EXPECT_TRUE(Has("vllm:time_to_first_token_seconds_bucket{model_name=\"m\",le=\"0.02\"} 0"));
  EXPECT_TRUE(Has("vllm:time_to_first_token_seconds_bucket{model_name=\"m\",le=\"0.04\"} 1"));
  EXPECT_TRUE(Has("vllm:inter_token_latency_seconds_bucket{model_name=\"m\",le=\"0.025\"} 1"));
  EXPECT_TRUE(Has("vllm:inter_token_latency_seconds_count{model_name=\"m\"} 1"));
  // 40 ms over the two tokens after the first
  EXPECT_TRUE(Has("vllm:request_time_per_output_token_seconds_sum{model_name=\"m\"} 0.02"));
  EXPECT_TRUE(Has("vllm:request_prompt_tokens_bucket{model_name=\"m\",le=\"100\"} 1"));
  EXPECT_TRUE(Has("vllm:request_prompt_tokens_bucket{model_name=\"m\",le=\"50\"} 0"));
}

TEST_F(MetricsTest, ARequestThatWasCancelledInTheQueueHasNoLatency) {
  metrics_.CountFinished({.reason = FinishReason::kCancelled, .usage = {}, .since_arrival = milliseconds(5)});

  EXPECT_TRUE(Has("vllm:request_success_total{finished_reason=\"abort\",model_name=\"m\"} 1"));
  EXPECT_TRUE(Has("vllm:e2e_request_latency_seconds_count{model_name=\"m\"} 0"));
}

TEST_F(MetricsTest, StepsAreAHistogramOfTheirTokens) {
  Engine::Load load;
  load.step_tokens.Count(8);
  load.step_tokens.Count(9);
  metrics_.Text(load);
  const Engine::Load earlier = load;
  load.step_tokens.Count(20'000);
  metrics_.Text(load);
  metrics_.Text(earlier);  // a scrape that was overtaken takes nothing back
  const std::string text = metrics_.Text(load);

  const auto has = [&text](const std::string& line) { return text.find(line + "\n") != std::string::npos; };
  EXPECT_TRUE(has("vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"1\"} 0")) << text;
  EXPECT_TRUE(has("vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"8\"} 1"));
  EXPECT_TRUE(has("vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"16\"} 2"));
  EXPECT_TRUE(has("vllm:iteration_tokens_total_bucket{model_name=\"m\",le=\"16384\"} 2"));
  EXPECT_TRUE(has("vllm:iteration_tokens_total_count{model_name=\"m\"} 3"));
  EXPECT_TRUE(has("vllm:iteration_tokens_total_sum{model_name=\"m\"} 20017"));
}

TEST_F(MetricsTest, TheCacheIsDescribedInLabels) {
  metrics_.SetCacheConfig({.block_tokens = 64,
                           .num_blocks = 1000,
                           .type = "bf16",
                           .sliding_window = 128,
                           .has_prefix_cache = true});

  EXPECT_TRUE(
      Has("vllm:cache_config_info{block_size=\"64\",cache_dtype=\"bf16\",enable_prefix_caching=\"True\","
          "model_name=\"m\",num_gpu_blocks=\"1000\",sliding_window=\"128\"} 1"))
      << metrics_.Text({});
}

}  // namespace
}  // namespace mimo

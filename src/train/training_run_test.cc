#include "train/training_run.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "data/dataset_file.h"
#include "train/launch_workers.h"
#include "train/network_checkpoint.h"
#include "train/run_log.h"

namespace mimo {
namespace {

constexpr uint32_t kVocabSize = 64;
constexpr uint64_t kNumSteps = 6;
// How a test talks to the workers, which run the test named DISABLED_Worker of this same program.
constexpr const char* kFolderVariable = "TRAINING_RUN_TEST_FOLDER";
constexpr const char* kKillVariable = "TRAINING_RUN_TEST_KILL_AT_STEP";

constexpr const char* kTinyConfig = R"({
  "architectures": ["MiMoV2FlashForCausalLM"], "hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 64,
  "max_position_embeddings": 512, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
  "v_head_dim": 16, "partial_rotary_factor": 0.5, "rope_theta": 10000, "swa_rope_theta": 10000,
  "sliding_window": 8, "hybrid_layer_pattern": [0, 1], "moe_layer_freq": [0, 1], "intermediate_size": 48,
  "moe_intermediate_size": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "layernorm_epsilon": 1e-5,
  "attention_value_scale": 0.707, "add_swa_attention_sink_bias": true, "tie_word_embeddings": false})";

// Counting up from some number: easy to learn.
void WriteDataset(const std::string& path) {
  Result<DatasetWriter> writer = DatasetWriter::Create(path, kVocabSize);
  ASSERT_TRUE(writer.has_value());
  for (uint32_t i = 0; i < 60; ++i) {
    RenderedConversation conversation;
    for (uint32_t t = 0; t < 8 + i % 17; ++t) conversation.tokens.push_back((i * 7 + t) % kVocabSize);
    conversation.is_target.assign(conversation.tokens.size(), 1);
    ASSERT_TRUE(writer->Add(conversation).has_value());
  }
  ASSERT_TRUE(writer->Finish().has_value());
}

// Trains kNumSteps in `folder`, as the process that it is.
Result<TrainingSummary> TrainTiny(const std::string& folder, bool resume, uint64_t kill_at_step) {
  MIMO_ASSIGN_OR_RETURN(ProcessGroup group, ProcessGroup::Join(torch::kCPU));
  MIMO_ASSIGN_OR_RETURN(const Dataset dataset, Dataset::Open(folder + "/data.bin"));
  MIMO_ASSIGN_OR_RETURN(Batcher training, Batcher::Create(dataset, {.length = 32, .seed = 1}));
  MIMO_ASSIGN_OR_RETURN(Batcher held_out, Batcher::Create(dataset, {.length = 32, .seed = 2}));
  MIMO_ASSIGN_OR_RETURN(const ModelConfig config, ParseModelConfig(kTinyConfig, {}));
  MIMO_ASSIGN_OR_RETURN(Network network, Network::Create(config, /*seed=*/1));
  TrainingTask task;
  task.parameters = network.parameters();
  uint64_t forwards = 0;
  task.loss = [&](const PackedBatch& batch) {
    // As kill -9 would, in the middle of a step. Each step of a process has two forwards.
    if (kill_at_step > 0 && group.rank() == group.size() - 1 && ++forwards == 2 * kill_at_step) {
      raise(SIGKILL);
    }
    return network.TrainLoss(batch);
  };
  task.expert_loads_shape = network.router_bias().sizes().vec();
  task.after_step = [&](const torch::Tensor& loads) { network.UpdateRouterBias(loads, 1e-2); };
  task.save = [&](const std::string& out) {
    return SaveNetwork(out, network, nullptr, {.config_json = kTinyConfig, .tokenizer_folder = ""});
  };
  task.load = [&](const std::string& out) { return LoadNetwork(out, &network, nullptr); };
  TrainingRunOptions options;
  options.out = folder + "/out";
  options.schedule = {.learning_rate = 0.02, .warmup_steps = 2, .num_steps = kNumSteps};
  options.sequences_per_step = 4;
  options.sequences_per_forward = group.size() == 1 ? 2 : 1;
  options.evaluate_every = 1000;
  options.checkpoint_every = 2;
  options.resume = resume;
  options.fixed_options = {{"seed", 1}};
  return RunTraining(task, {.training = &training, .held_out = &held_out}, group, options);
}

class TrainingRunTest : public testing::Test {
 protected:
  TrainingRunTest() : root_(testing::TempDir() + "training_run_test_" + std::to_string(getpid())) {}
  ~TrainingRunTest() override { std::filesystem::remove_all(root_); }

  std::string NewFolder(const std::string& name) {
    const std::string folder = root_ + "/" + name;
    std::filesystem::create_directories(folder);
    WriteDataset(folder + "/data.bin");
    return folder;
  }

  // Trains in `count` processes of their own; the last one kills itself in step `kill_at_step`, if not 0.
  Status TrainInWorkers(int count, const std::string& folder, uint64_t kill_at_step) {
    setenv(kFolderVariable, folder.c_str(), 1);
    setenv(kKillVariable, std::to_string(kill_at_step).c_str(), 1);
    return RunWorkers(count, {"train_test", "--gtest_filter=TrainingRun.DISABLED_Worker",
                              "--gtest_also_run_disabled_tests", "--gtest_brief=1"});
  }

  static std::vector<double> Losses(const std::string& folder) {
    std::vector<double> losses;
    const Result<RunHistory> history = ReadRunHistory(folder + "/out/log.jsonl", UINT64_MAX);
    EXPECT_TRUE(history.has_value());
    for (const StepRecord& step : history->steps) {
      losses.push_back(step.loss);
    }
    return losses;
  }

  static std::string Weights(const std::string& folder) {
    return ReadTextFile(folder + "/out/model/model.safetensors").value_or("");
  }

  void ExpectResumedEqualsUninterrupted(int count) {
    const std::string whole = NewFolder("whole");
    const std::string killed = NewFolder("killed");
    ASSERT_TRUE(TrainInWorkers(count, whole, 0).has_value());
    ASSERT_FALSE(TrainInWorkers(count, killed, 4).has_value());
    ASSERT_LT(Losses(killed).size(), kNumSteps);
    ASSERT_TRUE(TrainInWorkers(count, killed, 0).has_value());
    EXPECT_EQ(Losses(whole).size(), kNumSteps);
    EXPECT_EQ(Losses(whole), Losses(killed));  // to the last bit
    EXPECT_FALSE(Weights(whole).empty());
    EXPECT_EQ(Weights(whole), Weights(killed));
  }

  std::string root_;
};

TEST(TrainingRun, DISABLED_Worker) {
  const char* const folder = std::getenv(kFolderVariable);
  ASSERT_NE(folder, nullptr);
  const uint64_t kill_at_step = std::strtoull(std::getenv(kKillVariable), nullptr, 10);
  const Result<TrainingSummary> summary = TrainTiny(folder, /*resume=*/true, kill_at_step);
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
}

TEST_F(TrainingRunTest, LowersTheLossAndLeavesModelLogAndPlot) {
  const std::string folder = NewFolder("run");
  const Result<TrainingSummary> summary = TrainTiny(folder, /*resume=*/false, 0);
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
  EXPECT_TRUE(summary->finished);
  EXPECT_EQ(summary->steps, kNumSteps);
  const std::vector<double> losses = Losses(folder);
  ASSERT_EQ(losses.size(), kNumSteps);
  EXPECT_LT(losses.back(), losses.front() - 0.1);
  EXPECT_TRUE(summary->held_out_loss.has_value());
  for (const char* file : {"/out/run.svg", "/out/model/config.json", "/out/checkpoint-00000004/config.json",
                           "/out/checkpoint-00000006/training_state.pt"}) {
    EXPECT_TRUE(std::filesystem::exists(folder + file)) << file;
  }
  EXPECT_FALSE(std::filesystem::exists(folder + "/out/checkpoint-00000002"));
}

TEST_F(TrainingRunTest, DoesNotOverwriteARunWithoutResume) {
  const std::string folder = NewFolder("run");
  ASSERT_TRUE(TrainTiny(folder, /*resume=*/false, 0).has_value());
  const Result<TrainingSummary> again = TrainTiny(folder, /*resume=*/false, 0);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(TrainingRunTest, RepeatsTheUninterruptedRunAfterAKill) { ExpectResumedEqualsUninterrupted(1); }

TEST_F(TrainingRunTest, RepeatsTheUninterruptedRunOfTwoProcessesAfterAKill) {
  ExpectResumedEqualsUninterrupted(2);
}

TEST_F(TrainingRunTest, TrainsInTwoProcessesAsInOne) {
  const std::string one = NewFolder("one");
  const std::string two = NewFolder("two");
  ASSERT_TRUE(TrainInWorkers(1, one, 0).has_value());
  ASSERT_TRUE(TrainInWorkers(2, two, 0).has_value());
  const std::vector<double> losses_one = Losses(one);
  const std::vector<double> losses_two = Losses(two);
  ASSERT_EQ(losses_one.size(), losses_two.size());
  // The first step differs by the order of additions alone, the later ones by what that grew into.
  EXPECT_NEAR(losses_one[0], losses_two[0], 1e-5);
  for (size_t i = 0; i < losses_one.size(); ++i) EXPECT_NEAR(losses_one[i], losses_two[i], 5e-3) << i;
}

}  // namespace
}  // namespace mimo

// A sequence that goes on from blocks and windows of another one has the bits of one computed from its
// beginning: with a window imported, and with the window replayed where none is kept.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "model/model.h"
#include "weights/checkpoint.h"
#include "weights/synth.h"

namespace mimo {
namespace {

constexpr uint32_t kWindow = 8;
constexpr uint32_t kNumTokens = 300;
constexpr uint32_t kBlocksOfSequence = KvBlocksFor(kNumTokens);

struct Setup {
  const char* name;
  ComputePath path;
  KvType kv_type;
};

// The logits of one sequence, trunk and MTP head, for all positions from `begin` on.
struct Rows {
  std::vector<std::vector<float>> trunk{kNumTokens};
  std::vector<std::vector<float>> mtp{kNumTokens};
};

// Where a sequence keeps its keys and how it began.
struct Place {
  std::vector<KvBlockId> blocks;
  KvRingId ring{0};
  uint32_t first_position = 0;
  uint32_t cached_end = 0;
  uint32_t window_begin = 0;
};

class PrefixReuse : public testing::TestWithParam<Setup> {
 protected:
  static void SetUpTestSuite() {
    SynthOptions options;
    options.like = "v2.6-flash";
    options.type = SynthType::kF32;
    options.num_threads = 1;
    // full, four sliding, full, two sliding
    options.overrides = {{"num_hidden_layers", "8"},
                         {"hidden_size", "64"},
                         {"num_attention_heads", "4"},
                         {"num_key_value_heads", "1"},
                         {"intermediate_size", "64"},
                         {"moe_intermediate_size", "32"},
                         {"n_routed_experts", "4"},
                         {"num_experts_per_tok", "2"},
                         {"vocab_size", "96"},
                         {"sliding_window", std::to_string(kWindow)},
                         {"num_nextn_predict_layers", "1"}};
    const Result<SynthSummary> summary = WriteSynthCheckpoint(Path(), options);
    ASSERT_TRUE(summary) << summary.error().message;
  }
  static void TearDownTestSuite() { std::filesystem::remove(Path()); }
  static std::string Path() {
    return testing::TempDir() + "mimo_prefix_reuse." + std::to_string(getpid()) + ".gguf";
  }

  void SetUp() override {
    const auto given = static_cast<uint32_t>(GTEST_FLAG_GET(random_seed));
    const uint32_t seed = given != 0 ? given : std::random_device()() % 99999 + 1;
    std::cout << "seed " << seed << " (replay with --gtest_random_seed=" << seed << ")\n";
    random_.seed(seed);
    checkpoint_.emplace(
        Checkpoint::Open(Path(), {.overrides = {}, .populate = false, .num_threads = 1}).value());
    model_.emplace(Model::Create(*checkpoint_, {.path = GetParam().path,
                                                .num_threads = 1,
                                                .tokens_per_step_max = kNumTokens,
                                                .kernel_variant = {}})
                       .value());
    replay_tokens_ = WindowReplayTokens(checkpoint_->config(), true);
    storage_.emplace(NewStorage());
    for (uint32_t i = 0; i < kNumTokens; ++i) tokens_.push_back(Between(0, 95));
    cold_place_ = NewPlace();
    cold_ = Run(tokens_, cold_place_);
  }

  KvStorage NewStorage() const {
    return KvStorage::Create(checkpoint_->config(), {.type = GetParam().kv_type,
                                                     .num_blocks = 60 * kBlocksOfSequence,
                                                     .num_rings = 60,
                                                     .serves_mtp = true})
        .value();
  }

  uint32_t Between(uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random_);
  }

  Place NewPlace() {
    Place place;
    for (uint32_t i = 0; i < kBlocksOfSequence; ++i) place.blocks.push_back({num_blocks_used_++});
    place.ring = {num_rings_used_++};
    return place;
  }

  // Shares the whole blocks before `position` and copies the one that it cuts. The ring holds another text.
  Place PlaceAfter(uint32_t position) {
    Place place = NewPlace();
    Run(std::vector<TokenId>(kNumTokens, 5), place);
    const uint32_t num_shared = position / kKvBlockTokens;
    std::copy_n(cold_place_.blocks.begin(), num_shared, place.blocks.begin());
    if (position % kKvBlockTokens != 0) {
      storage_->CopyBlock(cold_place_.blocks[num_shared], place.blocks[num_shared]);
    }
    place.cached_end = position;
    return place;
  }

  // Computes positions from place.first_position to `end`, in chunks of random sizes.
  Rows Run(const std::vector<TokenId>& tokens, const Place& place, uint32_t end = kNumTokens) {
    Rows rows;
    for (uint32_t done = place.first_position; done < end;) {
      const uint32_t left = end - done;
      const uint32_t count = std::min(left, Between(0, 1) == 0 ? Between(1, 5) : Between(1, 120));
      Step(tokens, place, done, count, &rows);
      done += count;
    }
    return rows;
  }

  void Step(const std::vector<TokenId>& tokens, const Place& place, uint32_t done, uint32_t count,
            Rows* rows) {
    SequenceChunk chunk{.tokens = std::span(tokens).subspan(done, count),
                        .first_position = done,
                        .blocks = place.blocks,
                        .ring = place.ring,
                        .logits = LogitsWanted::kAll,
                        .cached_end = place.cached_end,
                        .window_begin = place.window_begin};
    Keep(model_->Forward({&chunk, 1}, *storage_).value(), done, &rows->trunk);
    const auto shifted = std::min<uint32_t>(count, static_cast<uint32_t>(tokens.size()) - done - 1);
    if (shifted == 0) return;
    chunk.tokens = std::span(tokens).subspan(done + 1, shifted);
    const auto all = model_->hidden_states();
    const std::vector<float> hidden(all.begin(), all.begin() + shifted * checkpoint_->config().hidden_size);
    Keep(model_->ForwardMtp(0, {&chunk, 1}, hidden, *storage_).value(), done, &rows->mtp);
  }

  void Keep(std::span<const float> logits, uint32_t position, std::vector<std::vector<float>>* rows) const {
    const size_t vocab_size = checkpoint_->config().vocab_size;
    for (size_t at = 0; at < logits.size(); at += vocab_size) {
      const auto row = logits.subspan(at, vocab_size);
      (*rows)[position++].assign(row.begin(), row.end());
    }
  }

  void ExpectColdFrom(uint32_t position, const Rows& rows) const {
    for (uint32_t i = position; i < kNumTokens; ++i) {
      ASSERT_TRUE(rows.trunk[i] == cold_.trunk[i]) << "position " << i;
      ASSERT_TRUE(rows.mtp[i] == cold_.mtp[i]) << "MTP head at position " << i;
    }
  }

  std::vector<std::byte> Block(KvBlockId block) const {
    std::vector<std::byte> bytes(storage_->BlockBytes());
    storage_->ExportBlock(block, bytes);
    return bytes;
  }
  std::vector<std::byte> Window(KvRingId ring, uint32_t end) const {
    std::vector<std::byte> bytes(storage_->WindowBytes(end));
    storage_->ExportWindow(ring, end, bytes);
    return bytes;
  }

  // The window of the cold sequence at `end`. The MTP head's last key there needs the token after it.
  std::vector<std::byte> ColdWindow(uint32_t end) {
    Place place = NewPlace();
    Run(tokens_, place, end);
    return Window(place.ring, end);
  }

  std::mt19937 random_;
  std::optional<Checkpoint> checkpoint_;
  std::optional<Model> model_;
  std::optional<KvStorage> storage_;
  uint32_t replay_tokens_ = 0;
  uint32_t num_blocks_used_ = 0;
  uint32_t num_rings_used_ = 0;
  std::vector<TokenId> tokens_;
  Place cold_place_;
  Rows cold_;
};

TEST_P(PrefixReuse, CountsEverySlidingLayerOfAReplay) {
  EXPECT_EQ(replay_tokens_, 7U * (kWindow - 1));
  EXPECT_EQ(WindowReplayTokens(checkpoint_->config(), false), 6U * (kWindow - 1));
}

TEST_P(PrefixReuse, AReplayedWindowGivesTheBitsOfAColdRun) {
  for (const uint32_t position :
       {1U, 3U, 40U, 63U, 64U, 65U, 128U, Between(66, 250), Between(66, 299), kNumTokens - 1}) {
    SCOPED_TRACE("position " + std::to_string(position));
    Place place = PlaceAfter(position);
    place.first_position = position - std::min(position, replay_tokens_);
    place.window_begin = place.first_position;
    ASSERT_NO_FATAL_FAILURE(ExpectColdFrom(position, Run(tokens_, place)));
  }
}

// What makes the test above worth something: one layer's share less is not enough.
TEST_P(PrefixReuse, AShorterReplayIsNotExact) {
  const uint32_t position = Between(128, 250);
  Place place = PlaceAfter(position);
  place.first_position = position - (replay_tokens_ - (kWindow - 1)) / 2;
  place.window_begin = place.first_position;
  const Rows rows = Run(tokens_, place);
  EXPECT_FALSE(rows.trunk[position] == cold_.trunk[position]);
}

TEST_P(PrefixReuse, AReplayLeavesTheSharedBlocksAlone) {
  const std::vector<std::byte> before = Block(cold_place_.blocks[1]);
  Place place = PlaceAfter(3 * kKvBlockTokens);
  place.first_position = kKvBlockTokens + 20;
  place.window_begin = place.first_position;
  Run(tokens_, place);
  EXPECT_TRUE(Block(cold_place_.blocks[1]) == before);
}

TEST_P(PrefixReuse, AnImportedWindowGivesTheBitsOfAColdRun) {
  for (const uint32_t end : {1U, kWindow, kWindow + 1, 64U, Between(10, 200), Between(100, 299)}) {
    const std::vector<std::byte> window = ColdWindow(end);
    // At its end, one before it, and with cached tokens after it that only bring the window forward.
    for (const uint32_t cached_end : {end, end - 1, std::min(end + Between(1, 60), kNumTokens - 1)}) {
      if (cached_end == 0) continue;
      SCOPED_TRACE("window at " + std::to_string(end) + ", cached to " + std::to_string(cached_end));
      Place place = PlaceAfter(cached_end);
      place.first_position = std::min(end, cached_end);
      ASSERT_GE(place.first_position, storage_->FirstPositionOfWindow(end));
      ASSERT_TRUE(storage_->ImportWindow(window, end, place.ring));
      ASSERT_NO_FATAL_FAILURE(ExpectColdFrom(place.first_position, Run(tokens_, place)));
    }
  }
}

TEST_P(PrefixReuse, BlocksAndWindowsGoOnInAnotherStorage) {
  const uint32_t end = Between(130, 190);
  const std::vector<std::byte> window = ColdWindow(end);
  std::vector<std::vector<std::byte>> blocks;
  for (uint32_t i = 0; i < KvBlocksFor(end); ++i) blocks.push_back(Block(cold_place_.blocks[i]));

  storage_.emplace(NewStorage());
  Place place = NewPlace();
  for (size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_TRUE(storage_->ImportBlock(blocks[i], place.blocks[i]));
  }
  ASSERT_TRUE(storage_->ImportWindow(window, end, place.ring));
  place.cached_end = end;
  place.first_position = end;
  ExpectColdFrom(end, Run(tokens_, place));
}

TEST_P(PrefixReuse, RefusesBytesOfAnotherSize) {
  std::vector<std::byte> bytes(storage_->BlockBytes() - 1);
  EXPECT_EQ(storage_->ImportBlock(bytes, {0}).error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(storage_->ImportWindow(bytes, 20, {0}).error().code, ErrorCode::kDataLoss);
}

INSTANTIATE_TEST_SUITE_P(Types, PrefixReuse,
                         testing::Values(Setup{"exact", ComputePath::kExact, KvType::kF32},
                                         Setup{"bf16", ComputePath::kFast, KvType::kBf16},
                                         Setup{"q8_0", ComputePath::kFast, KvType::kQ80},
                                         Setup{"q4_0", ComputePath::kFast, KvType::kQ40}),
                         [](const auto& setup) { return setup.param.name; });

}  // namespace
}  // namespace mimo

#pragma once
// Reads the fixtures of tests/golden/model and runs a model over them by arbitrary schedules.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "weights/checkpoint.h"

namespace mimo {

// A float32 array of a .npy file, C order.
struct NpyArray {
  std::vector<size_t> shape;
  std::vector<float> values;
};

Result<NpyArray> ReadNpy(const std::filesystem::path& path);

// Logits of one sequence: of the trunk [tokens, vocab_size], and per MTP head [tokens, vocab_size], where a
// row whose input token lies past the end stays zero.
struct SequenceLogits {
  std::vector<float> trunk;
  std::vector<std::vector<float>> mtp;

  bool operator==(const SequenceLogits&) const = default;
};

// How many keys a sliding layer sees, the query's own included. Published engines disagree by one.
enum class WindowConvention { kAsConfigured, kOneMore };

struct Fixture {
  std::string path;  // what Checkpoint::Open takes
  std::vector<TokenId> tokens;
  uint32_t window = 0;
  uint32_t mtp_layers = 0;
  SequenceLogits reference;
};

// The names of all fixtures, sorted.
std::vector<std::string> FixtureNames();
bool HasReference(const std::string& name, WindowConvention convention);
Result<Fixture> LoadFixture(const std::string& name, WindowConvention convention);

// max |a - b| / max |reference|
double RelativeError(const std::vector<float>& logits, const std::vector<float>& reference);

// Of the rows whose reference leads its runner-up by more than `margin` (relative to the largest logit),
// those whose best token is another one.
uint32_t TopTokenMismatches(const std::vector<float>& logits, const std::vector<float>& reference,
                            size_t vocab_size, double margin);

struct RunOptions {
  ComputePath path = ComputePath::kExact;
  KvType kv_type = KvType::kF32;
  std::string kernel_variant;
  uint32_t num_threads = 1;
  uint64_t packed_bytes_max = UINT64_MAX;
};

// One entry per step: how many further tokens of each sequence the step computes.
using Schedule = std::vector<std::vector<uint32_t>>;

// Everything in one step, or in steps of at most `chunk` tokens.
Schedule ChunkedSchedule(const std::vector<std::vector<TokenId>>& sequences, uint32_t chunk);
// Cuts every sequence at random places, and lets sequences join and leave steps at random.
Schedule RandomSchedule(const std::vector<std::vector<TokenId>>& sequences, std::mt19937& random);

// A checkpoint with a model over it.
class ParityRunner {
 public:
  static Result<ParityRunner> Create(const std::string& path, const std::vector<ConfigOverride>& overrides,
                                     const RunOptions& options);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const char* kernel_variant() const { return model_->kernel_variant(); }
  // Whether the variant rounds the inputs of some product to int8, or to bfloat16.
  bool multiplies_in_integers() const;
  bool multiplies_in_bf16() const;

  // Runs the sequences from their beginning in fresh KV memory, trunk and MTP heads.
  Result<std::vector<SequenceLogits>> Run(const std::vector<std::vector<TokenId>>& sequences,
                                          const Schedule& schedule);

 private:
  struct Progress;
  ParityRunner() = default;
  bool HasWeights(bool (*is_wanted)(const Kernels& kernels, WeightType type)) const;
  Status Step(std::vector<Progress>& sequences, const std::vector<uint32_t>& counts, KvStorage& kv);
  Status StepMtp(uint32_t head, std::vector<Progress>& sequences, const std::vector<uint32_t>& counts,
                 const std::vector<float>& hidden, KvStorage& kv);

  RunOptions options_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Model> model_;
};

}  // namespace mimo

#include "parity_testutil.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "base/json.h"
#include "kernels/kernels.h"
#include "kernels/weight_panels.h"
#include "weights/stored_type.h"

namespace mimo {
namespace {

namespace fs = std::filesystem;

fs::path FixturesPath() { return fs::path(MIMO_SOURCE_DIR) / "tests/golden/model/fixtures"; }

const char* Suffix(WindowConvention convention) {
  return convention == WindowConvention::kOneMore ? "_wide" : "";
}

Result<std::string> ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("cannot open {}", path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// "(24, 96)" -> {24, 96}
std::vector<size_t> ParseShape(const std::string& header) {
  std::vector<size_t> shape;
  const size_t begin = header.find('(');
  const size_t end = header.find(')');
  size_t extent = 0;
  bool in_number = false;
  for (size_t i = begin; i <= end && end != std::string::npos; ++i) {
    const char c = header[i];
    if (c >= '0' && c <= '9') {
      extent = extent * 10 + static_cast<size_t>(c - '0');
      in_number = true;
    } else if (in_number) {
      shape.push_back(extent);
      extent = 0;
      in_number = false;
    }
  }
  return shape;
}

}  // namespace

Result<NpyArray> ReadNpy(const fs::path& path) {
  MIMO_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  constexpr size_t kPreamble = 10;  // magic, version 1.0, u16 header length
  if (bytes.size() < kPreamble || bytes.compare(0, 8, std::string("\x93NUMPY\x01\x00", 8)) != 0) {
    return DataLoss("{} is not a .npy file of version 1.0", path.string());
  }
  const size_t header_bytes =
      static_cast<unsigned char>(bytes[8]) + size_t{256} * static_cast<unsigned char>(bytes[9]);
  const std::string header = bytes.substr(kPreamble, header_bytes);
  if (header.find("'<f4'") == std::string::npos ||
      header.find("'fortran_order': False") == std::string::npos) {
    return DataLoss("{} does not hold float32 in C order", path.string());
  }
  NpyArray array;
  array.shape = ParseShape(header);
  size_t count = 1;
  for (const size_t extent : array.shape) count *= extent;
  const size_t offset = kPreamble + header_bytes;
  if (bytes.size() != offset + count * sizeof(float)) return DataLoss("{} has the wrong size", path.string());
  array.values.resize(count);
  if (count > 0) std::memcpy(array.values.data(), bytes.data() + offset, count * sizeof(float));
  return array;
}

std::vector<std::string> FixtureNames() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(FixturesPath())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool HasReference(const std::string& name, WindowConvention convention) {
  return fs::exists(FixturesPath() / name / "ref" / (std::string("logits") + Suffix(convention) + ".npy"));
}

Result<Fixture> LoadFixture(const std::string& name, WindowConvention convention) {
  const fs::path folder = FixturesPath() / name;
  const fs::path ref = folder / "ref";
  const std::string suffix = std::string(Suffix(convention)) + ".npy";
  MIMO_ASSIGN_OR_RETURN(const std::string text, ReadFile(ref / "tokens.json"));
  MIMO_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  Fixture fixture;
  const fs::path gguf = folder / "model.gguf";
  fixture.path = fs::exists(gguf) ? gguf.string() : folder.string();
  for (const Json& token : json.at("tokens")) fixture.tokens.push_back(token.get<TokenId>());
  fixture.window = json.at("window").get<uint32_t>();
  fixture.mtp_layers = json.at("mtp_layers").get<uint32_t>();
  MIMO_ASSIGN_OR_RETURN(NpyArray logits, ReadNpy(ref / ("logits" + suffix)));
  if (logits.shape.size() != 2 || logits.shape[0] != fixture.tokens.size()) {
    return DataLoss("{}: logits of another shape than tokens.json", name);
  }
  fixture.reference.trunk = std::move(logits.values);
  if (fixture.mtp_layers == 0) return fixture;
  MIMO_ASSIGN_OR_RETURN(const NpyArray mtp, ReadNpy(ref / ("mtp" + suffix)));
  const size_t head_size = fixture.reference.trunk.size();
  if (mtp.values.size() != head_size * fixture.mtp_layers) return DataLoss("{}: wrong size of mtp.npy", name);
  for (uint32_t head = 0; head < fixture.mtp_layers; ++head) {
    const auto begin = mtp.values.begin() + static_cast<std::ptrdiff_t>(head * head_size);
    fixture.reference.mtp.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(head_size));
  }
  return fixture;
}

double RelativeError(const std::vector<float>& logits, const std::vector<float>& reference) {
  if (logits.size() != reference.size()) return HUGE_VAL;
  double error = 0;
  double largest = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    // Written so that a NaN counts as an infinite error.
    const double difference = std::abs(double{logits[i]} - double{reference[i]});
    if (!(difference <= error)) error = std::isnan(difference) ? HUGE_VAL : difference;
    largest = std::max(largest, std::abs(double{reference[i]}));
  }
  return error == 0 ? 0 : error / largest;
}

uint32_t TopTokenMismatches(const std::vector<float>& logits, const std::vector<float>& reference,
                            size_t vocab_size, double margin) {
  double largest = 0;
  for (const float value : reference) largest = std::max(largest, std::abs(double{value}));
  uint32_t mismatches = 0;
  for (size_t row = 0; row + vocab_size <= reference.size(); row += vocab_size) {
    const float* expected = reference.data() + row;
    const float* actual = logits.data() + row;
    const auto best = std::max_element(expected, expected + vocab_size) - expected;
    double runner_up = -HUGE_VAL;
    for (size_t i = 0; i < vocab_size; ++i) {
      if (static_cast<std::ptrdiff_t>(i) != best) runner_up = std::max(runner_up, double{expected[i]});
    }
    const bool clear = double{expected[best]} - runner_up > margin * largest;
    if (clear && std::max_element(actual, actual + vocab_size) - actual != best) ++mismatches;
  }
  return mismatches;
}

Schedule ChunkedSchedule(const std::vector<std::vector<TokenId>>& sequences, uint32_t chunk) {
  Schedule schedule;
  for (size_t done = 0;; done += chunk) {
    std::vector<uint32_t> counts;
    for (const std::vector<TokenId>& tokens : sequences) {
      const size_t left = tokens.size() - std::min(tokens.size(), done);
      counts.push_back(static_cast<uint32_t>(std::min<size_t>(left, chunk)));
    }
    if (std::all_of(counts.begin(), counts.end(), [](uint32_t count) { return count == 0; })) return schedule;
    schedule.push_back(std::move(counts));
  }
}

Schedule RandomSchedule(const std::vector<std::vector<TokenId>>& sequences, std::mt19937& random) {
  std::vector<uint32_t> left;
  for (const std::vector<TokenId>& tokens : sequences) left.push_back(static_cast<uint32_t>(tokens.size()));
  Schedule schedule;
  while (std::any_of(left.begin(), left.end(), [](uint32_t count) { return count > 0; })) {
    std::vector<uint32_t> counts;
    for (uint32_t& count : left) {
      // Small steps are as likely as large ones: 1 token is what decoding does.
      const uint32_t largest = std::min(count, std::uniform_int_distribution<uint32_t>(1, 12)(random));
      counts.push_back(std::uniform_int_distribution<uint32_t>(0, largest)(random));
      count -= counts.back();
    }
    schedule.push_back(std::move(counts));
  }
  return schedule;
}

// One sequence on its way through a schedule.
struct ParityRunner::Progress {
  const std::vector<TokenId>* tokens = nullptr;
  std::vector<KvBlockId> blocks;
  KvRingId ring{0};
  uint32_t done = 0;  // tokens in the KV cache
  SequenceLogits logits;
};

Result<ParityRunner> ParityRunner::Create(const std::string& path,
                                          const std::vector<ConfigOverride>& overrides,
                                          const RunOptions& options) {
  ParityRunner runner;
  runner.options_ = options;
  MIMO_ASSIGN_OR_RETURN(
      Checkpoint checkpoint,
      Checkpoint::Open(path, {.overrides = overrides, .populate = false, .num_threads = 1}));
  runner.checkpoint_ = std::make_unique<Checkpoint>(std::move(checkpoint));
  ModelOptions model_options;
  model_options.path = options.path;
  model_options.num_threads = options.num_threads;
  model_options.tokens_per_step_max = 128;
  model_options.kernel_variant = options.kernel_variant;
  model_options.packed_bytes_max = options.packed_bytes_max;
  MIMO_ASSIGN_OR_RETURN(Model model, Model::Create(*runner.checkpoint_, model_options));
  runner.model_ = std::make_unique<Model>(std::move(model));
  return runner;
}

bool ParityRunner::HasWeights(bool (*is_wanted)(const Kernels& kernels, WeightType type)) const {
  if (options_.path == ComputePath::kExact) return false;
  const Kernels* const kernels = FindKernels(model_->kernel_variant());
  const auto tensors = checkpoint_->tensors();
  return std::any_of(tensors.begin(), tensors.end(), [&](const StoredTensor& tensor) {
    const std::optional<WeightType> type = WeightTypeOf(tensor.type);
    return type && is_wanted(*kernels, *type);
  });
}

bool ParityRunner::multiplies_in_integers() const {
  return HasWeights(
      [](const Kernels& kernels, WeightType type) { return kernels.reads_panels && HasPanels(type); });
}

bool ParityRunner::multiplies_in_bf16() const {
  return HasWeights([](const Kernels& kernels, WeightType type) {
    return kernels.row_form({.type = type}) == RowForm::kBf16;
  });
}

Result<std::vector<SequenceLogits>> ParityRunner::Run(const std::vector<std::vector<TokenId>>& sequences,
                                                      const Schedule& schedule) {
  uint32_t num_blocks = 0;
  std::vector<Progress> progress(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i) {
    progress[i].tokens = &sequences[i];
    progress[i].ring = KvRingId{static_cast<uint32_t>(sequences.size() - 1 - i)};
    progress[i].logits.trunk.resize(sequences[i].size() * config().vocab_size);
    progress[i].logits.mtp.assign(config().num_nextn_predict_layers,
                                  std::vector<float>(progress[i].logits.trunk.size()));
    num_blocks += static_cast<uint32_t>(sequences[i].size() / kKvBlockTokens) + 1;
  }
  // Blocks are dealt in turn and from the end, so that no sequence owns neighbours in order.
  for (uint32_t block = num_blocks, i = 0; block > 0; i = (i + 1) % static_cast<uint32_t>(progress.size())) {
    if (progress[i].blocks.size() * kKvBlockTokens > sequences[i].size()) continue;
    progress[i].blocks.push_back(KvBlockId{--block});
  }
  MIMO_ASSIGN_OR_RETURN(
      KvStorage kv,
      KvStorage::Create(checkpoint_->config(), {.type = options_.kv_type,
                                                .num_blocks = num_blocks,
                                                .num_rings = static_cast<uint32_t>(sequences.size())}));
  for (const std::vector<uint32_t>& counts : schedule) MIMO_RETURN_IF_ERROR(Step(progress, counts, kv));
  std::vector<SequenceLogits> results;
  for (Progress& sequence : progress) results.push_back(std::move(sequence.logits));
  return results;
}

Status ParityRunner::Step(std::vector<Progress>& sequences, const std::vector<uint32_t>& counts,
                          KvStorage& kv) {
  const size_t vocab_size = config().vocab_size;
  std::vector<SequenceChunk> batch;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Progress& sequence = sequences[i];
    if (counts[i] == 0) continue;
    batch.push_back({.tokens = std::span(*sequence.tokens).subspan(sequence.done, counts[i]),
                     .first_position = sequence.done,
                     .blocks = sequence.blocks,
                     .ring = sequence.ring,
                     .logits = LogitsWanted::kAll});
  }
  if (batch.empty()) return {};
  MIMO_ASSIGN_OR_RETURN(const std::span<const float> logits, model_->Forward(batch, kv));
  size_t row = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    std::copy_n(
        logits.begin() + static_cast<std::ptrdiff_t>(row * vocab_size), counts[i] * vocab_size,
        sequences[i].logits.trunk.begin() + static_cast<std::ptrdiff_t>(sequences[i].done * vocab_size));
    row += counts[i];
  }
  const std::vector<float> hidden(model_->hidden_states().begin(), model_->hidden_states().end());
  for (uint32_t head = 0; head < config().num_nextn_predict_layers; ++head) {
    MIMO_RETURN_IF_ERROR(StepMtp(head, sequences, counts, hidden, kv));
  }
  for (size_t i = 0; i < sequences.size(); ++i) sequences[i].done += counts[i];
  return {};
}

Status ParityRunner::StepMtp(uint32_t head, std::vector<Progress>& sequences,
                             const std::vector<uint32_t>& counts, const std::vector<float>& hidden,
                             KvStorage& kv) {
  const size_t vocab_size = config().vocab_size;
  const size_t hidden_size = config().hidden_size;
  std::vector<SequenceChunk> batch;
  std::vector<float> rows;                         // hidden states of the rows that have an input token
  std::vector<std::pair<size_t, size_t>> sources;  // sequence, number of rows
  size_t first_row = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Progress& sequence = sequences[i];
    const size_t shifted = sequence.done + 1 + head;
    const size_t available = sequence.tokens->size() - std::min(sequence.tokens->size(), shifted);
    const size_t count = std::min<size_t>(counts[i], available);
    if (count > 0) {
      batch.push_back({.tokens = std::span(*sequence.tokens).subspan(shifted, count),
                       .first_position = sequence.done,
                       .blocks = sequence.blocks,
                       .ring = sequence.ring,
                       .logits = LogitsWanted::kAll});
      const auto begin = hidden.begin() + static_cast<std::ptrdiff_t>(first_row * hidden_size);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(count * hidden_size));
      sources.emplace_back(i, count);
    }
    first_row += counts[i];
  }
  if (batch.empty()) return {};
  MIMO_ASSIGN_OR_RETURN(const std::span<const float> logits, model_->ForwardMtp(head, batch, rows, kv));
  const float* next = logits.data();
  for (const auto& [i, count] : sources) {
    float* out = sequences[i].logits.mtp[head].data() + sequences[i].done * vocab_size;
    std::copy_n(next, count * vocab_size, out);
    next += count * vocab_size;
  }
  return {};
}

}  // namespace mimo

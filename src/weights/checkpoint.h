#pragma once
// weights/: checkpoint files in, tensor views out.
//
//   config.json + *.safetensors | *.gguf -> Checkpoint (named tensors, mapped) -> ModelWeights (what a
//   forward reads)
//
// Files are taken as released and never converted. Every length and offset in them is hostile until it was
// compared with the file's size. tensor_table.h names every tensor of every accepted layout once; loading,
// synthesising and tests read that table.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"
#include "weights/model_config.h"

namespace mimo {

// Element types that a file may declare; WeightType (kernels/matrix_view.h) says what kernels can read.
enum class StoredType : uint8_t {
  kF32,
  kF16,
  kBf16,
  kFp8E4M3,
  kU8,
  kI8,
  kI16,
  kI32,
  kI64,
  kF64,
  kBool,
  // ggml's block types, in the order of WeightType.
  kQ80,
  kQ40,
  kQ41,
  kQ50,
  kQ51,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K,
  kIq4Nl,
  kIq4Xs,
  kIq3S,
  kIq3Xxs,
  kIq2S,
  kIq2Xs,
  kIq2Xxs,
  kIq1S,
  kIq1M,
  kMxFp4Block,
  kNvFp4,
  kGgufQuantized,  // a block type of ggml that no published model stores: q8_1, q8_k, tq1_0, tq2_0
  kOther,          // a type of the format that no MiMo tensor has
};

// One tensor inside a mapped file. `shape` is row-major, outermost first, also for GGUF.
struct StoredTensor {
  std::string name;
  StoredType type = StoredType::kF32;
  std::string type_name;  // of safetensors as the file spells it: "BF16"; of GGUF "q4_k"
  std::vector<uint64_t> shape;
  uint32_t file_index = 0;
  uint64_t offset = 0;              // of the first byte, from the start of the file
  std::span<const std::byte> data;  // its bytes, inside the mapping
};

// What the text layer needs, as the checkpoint carries it. Exactly one of the two forms is filled.
struct TokenizerSource {
  std::string tokenizer_json;         // Hugging Face folder; empty if there is none
  std::string tokenizer_config_json;  // may be empty
  // GGUF metadata (tokenizer.ggml.*):
  std::vector<std::string> tokens;
  std::vector<int32_t> token_types;  // 1 normal, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  std::string pre_tokenizer;
  std::string chat_template;  // either form; empty if the checkpoint has none
};

struct CheckpointOptions {
  std::vector<ConfigOverride> overrides;
  bool populate = true;      // make the mapped tensors resident before Open returns, on all threads
  uint32_t num_threads = 0;  // for that; 0 = one per core
};

// Owns the mappings. Movable; spans stay valid after a move. Immutable once open, so any thread may read it.
class Checkpoint {
 public:
  // `path`: a Hugging Face folder or a .gguf file (the first shard of a split one).
  static Result<Checkpoint> Open(const std::string& path, const CheckpointOptions& options);

  // A .gguf file that is in memory already; `file` must outlive the result. `name` stands in messages and is
  // what path() gives.
  static Result<Checkpoint> OpenMemory(const std::string& name, std::span<const std::byte> file,
                                       const CheckpointOptions& options);

  const std::string& path() const { return path_; }
  const ModelConfig& config() const { return config_; }
  const TokenizerSource& tokenizer() const { return tokenizer_; }
  bool is_gguf() const { return is_gguf_; }
  std::span<const StoredTensor> tensors() const { return tensors_; }
  uint64_t total_bytes() const;  // of all files

  // Null when there is no such tensor.
  const StoredTensor* Find(std::string_view name) const;
  // `bytes` of a tensor are not needed soon: their memory may serve others.
  void ReleaseMemory(std::span<const std::byte> bytes) const;
  // "file.safetensors, offset 123", for messages.
  std::string Where(const StoredTensor& tensor) const;

 private:
  friend class CheckpointReader;
  std::string path_;
  bool is_gguf_ = false;
  ModelConfig config_;
  TokenizerSource tokenizer_;
  std::vector<MappedFile> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string, size_t> index_by_name_;
};

}  // namespace mimo

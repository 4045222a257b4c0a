#pragma once
// Builds a Checkpoint step by step. Internal to weights/.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "weights/checkpoint.h"
#include "weights/tensor_table.h"

namespace mimo {

class CheckpointReader {
 public:
  // Both must outlive the reader.
  CheckpointReader(const std::string& path, const CheckpointOptions& options)
      : path_(path), options_(options) {}

  Result<Checkpoint> Read();
  // Reads the GGUF file `memory` instead of what stands at the path.
  Result<Checkpoint> ReadMemory(std::span<const std::byte> memory);

 private:
  // Hugging Face folder (checkpoint_folder.cc).
  Status ReadFolder();
  Result<std::vector<std::string>> ListFolderFiles();
  Status CheckIndex() const;
  Status ReadFolderTokenizer();
  Status ReadGenerationConfig();

  // GGUF file, split or not, of which the first is mapped (checkpoint_gguf.cc).
  Status ReadGguf();

  // Common (checkpoint.cc).
  Result<Checkpoint> Finish();
  Status MapFile(const std::string& path);
  Status AddTensors(std::vector<StoredTensor> tensors, uint32_t file_index);
  // Lets the files decide what config.json may leave out: the layout of q, k and v, and the MTP layers.
  Status CompleteConfig();
  // Marks the tensors that the configuration calls for, and tells once about the others.
  void SortOutTensors();
  void Populate() const;

  CheckpointFormat format() const {
    return checkpoint_.is_gguf_ ? CheckpointFormat::kGguf : CheckpointFormat::kSafetensors;
  }

  const std::string& path_;
  const CheckpointOptions& options_;
  Checkpoint checkpoint_;
  std::vector<std::pair<std::string, std::string>> file_by_tensor_;  // of the index
  std::vector<bool> is_used_;                                        // [checkpoint_.tensors_]
};

}  // namespace mimo

#pragma once
// Tokenised conversations on disk: docs/formats/dataset.md.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/status.h"
#include "base/token_id.h"
#include "data/render.h"

namespace mimo {

struct DatasetInfo {
  uint32_t vocab_size = 0;
  uint64_t num_conversations = 0;
  uint64_t num_tokens = 0;
  uint64_t num_targets = 0;
  std::string content_hash;  // hexadecimal, of every token and mask in order: equal data, equal hash
};

// Streams to "<path>.partial"; destroyed before Finish, it leaves nothing behind. Errors name the path.
// One thread.
class DatasetWriter {
 public:
  static Result<DatasetWriter> Create(const std::string& path, uint32_t vocab_size);
  ~DatasetWriter();
  DatasetWriter(DatasetWriter&&) noexcept;

  // kInvalidArgument for a token outside the vocabulary.
  // Requires: one mask per token.
  Status Add(const RenderedConversation& conversation);
  // Writes what is left and the index; the file appears under its name only now. The last call.
  Result<DatasetInfo> Finish();

 private:
  struct Impl;
  explicit DatasetWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A mapped dataset. Immutable; any thread.
class Dataset {
 public:
  // Reads everything once. kDataLoss where the file is cut off, does not fit its own index, has tokens
  // outside its vocabulary or other content than was written; so Read need not doubt.
  static Result<Dataset> Open(const std::string& path);

  const DatasetInfo& info() const { return info_; }
  // Requires: index < info().num_conversations.
  RenderedConversation Read(uint64_t index) const;

 private:
  Dataset() = default;
  MappedFile file_;
  DatasetInfo info_;
  std::span<const uint64_t> offsets_;
};

}  // namespace mimo

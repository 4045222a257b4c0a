#pragma once
// Sizes of a checkpoint, from its list of tensors; no weight is read.

#include <cstdint>
#include <string>
#include <vector>

#include "weights/checkpoint.h"

namespace mimo {

struct TypeSummary {
  std::string type_name;  // as the files spell it
  uint64_t tensors = 0;
  uint64_t bytes = 0;
};

struct CheckpointSummary {
  uint64_t parameters = 0;  // of the language model, MTP layers included; scales are none
  uint64_t parameters_active =
      0;  // that take part in one token: embedding and head whole, the chosen experts
  uint64_t parameters_mtp = 0;
  uint64_t trunk_bytes = 0;             // with scales
  uint64_t mtp_bytes = 0;               // with scales
  uint64_t other_bytes = 0;             // encoders and what else the files hold
  uint64_t decode_bytes_per_token = 0;  // weights read for one token: one row of the embedding
  uint64_t missing_tensors = 0;         // that the configuration calls for and the files lack
  std::vector<TypeSummary> types;       // most bytes first
};

CheckpointSummary SummarizeCheckpoint(const Checkpoint& checkpoint);

}  // namespace mimo

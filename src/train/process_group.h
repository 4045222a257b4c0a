#pragma once
// Several processes that train one model: each takes its share of every batch, and gradients are added up.

#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "base/status.h"

namespace mimo {

// One process's place in the group. Not thread-safe; every process must make the same calls in the same
// order.
class ProcessGroup {
 public:
  // The group that RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT describe (as torchrun and RunWorkers of
  // launch_workers.h set them); without them a group of one. Waits until all are there. Sums over NCCL for
  // tensors on `device` = CUDA where libtorch has it, else over Gloo. kUnavailable when the others do not
  // come; kUnimplemented when this program was built without c10d's transport.
  static Result<ProcessGroup> Join(torch::Device device);
  ~ProcessGroup();
  ProcessGroup(ProcessGroup&&) noexcept;
  ProcessGroup& operator=(ProcessGroup&&) noexcept;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_first() const { return rank_ == 0; }

  // values := sum over the processes, the same bits in each. A contiguous tensor on the group's device.
  // kUnavailable when another process is gone.
  Status Sum(torch::Tensor values);

 private:
  struct Impl;
  ProcessGroup() = default;
  int rank_ = 0;
  int size_ = 1;
  std::unique_ptr<Impl> impl_;  // null in a group of one
};

}  // namespace mimo

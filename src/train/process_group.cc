#include "train/process_group.h"

#include <torch/version.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

// c10d's Gloo is inside libtorch, but its header needs Gloo's own: Debian's libgloo-dev. A torch wheel brings
// none.
#if defined(USE_C10D_GLOO) && __has_include(<gloo/context.h>)
#define MIMO_HAS_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif
#if defined(USE_C10D_NCCL) && __has_include(<nccl.h>)
#define MIMO_HAS_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace mimo {
namespace {

#if defined(MIMO_HAS_GLOO) || defined(MIMO_HAS_NCCL)
constexpr std::chrono::minutes kPeerTimeout{10};  // an evaluation or a checkpoint of the first process
constexpr const char* kLoopback = "127.0.0.1";
#endif

// An integer from the environment, or nothing.
std::optional<int> EnvironmentInteger(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < 0 || value > 65535) return std::nullopt;
  return static_cast<int>(value);
}

struct GroupAddress {
  int rank = 0;
  int size = 1;
  std::string host;
  int port = 0;
};

Result<GroupAddress> ReadAddress() {
  const std::optional<int> size = EnvironmentInteger("WORLD_SIZE");
  if (size.value_or(1) <= 1) return GroupAddress{};
  const std::optional<int> rank = EnvironmentInteger("RANK");
  const std::optional<int> port = EnvironmentInteger("MASTER_PORT");
  const char* const host = std::getenv("MASTER_ADDR");
  if (!rank || !port || host == nullptr || *rank >= *size) {
    return InvalidArgument(
        "WORLD_SIZE is {} but RANK, MASTER_ADDR and MASTER_PORT do not name a place in it: "
        "set all four, or none and use --processes",
        *size);
  }
  return GroupAddress{.rank = *rank, .size = *size, .host = host, .port = *port};
}

}  // namespace

struct ProcessGroup::Impl {
#if defined(MIMO_HAS_GLOO) || defined(MIMO_HAS_NCCL)
  // ProcessGroup in libtorch 1, Backend in 2: the two have the member functions used here in common.
#if TORCH_VERSION_MAJOR >= 2
  c10::intrusive_ptr<c10d::Backend> group;
#else
  c10::intrusive_ptr<c10d::ProcessGroup> group;
#endif

  static Result<std::unique_ptr<Impl>> Connect(const GroupAddress& address, torch::Device device) {
    auto impl = std::make_unique<Impl>();
    try {
      c10d::TCPStoreOptions store_options;
      store_options.port = static_cast<uint16_t>(address.port);
      store_options.isServer = address.rank == 0;
      store_options.numWorkers = static_cast<size_t>(address.size);
      store_options.timeout = kPeerTimeout;
      const auto store = c10::make_intrusive<c10d::TCPStore>(address.host, store_options);
#ifdef MIMO_HAS_NCCL
      if (device.is_cuda()) {
        impl->group = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, address.rank, address.size);
        return impl;
      }
#endif
#ifdef MIMO_HAS_GLOO
      if (device.is_cpu()) {
        auto options = c10d::ProcessGroupGloo::Options::create(kPeerTimeout);
        // A group on one machine needs no host name that resolves.
        options->devices = {address.host == kLoopback
                                ? c10d::ProcessGroupGloo::createDeviceForHostname(kLoopback)
                                : c10d::ProcessGroupGloo::createDefaultDevice()};
        options->threads = 1;
        impl->group = c10::make_intrusive<c10d::ProcessGroupGloo>(store, address.rank, address.size, options);
        return impl;
      }
#endif
    } catch (const std::exception& error) {
      return Unavailable("process {} of {} cannot join its group at {}:{}: {}", address.rank, address.size,
                         address.host, address.port, error.what());
    }
    return Unimplemented(
        "this program cannot add up tensors of device {} between processes: build it with {}", device.str(),
        device.is_cuda() ? "NCCL" : "libgloo-dev");
  }
#endif
};

ProcessGroup::~ProcessGroup() = default;
ProcessGroup::ProcessGroup(ProcessGroup&&) noexcept = default;
ProcessGroup& ProcessGroup::operator=(ProcessGroup&&) noexcept = default;

Result<ProcessGroup> ProcessGroup::Join([[maybe_unused]] torch::Device device) {
  MIMO_ASSIGN_OR_RETURN(const GroupAddress address, ReadAddress());
  ProcessGroup group;
  group.rank_ = address.rank;
  group.size_ = address.size;
  if (address.size == 1) return group;
#if defined(MIMO_HAS_GLOO) || defined(MIMO_HAS_NCCL)
  MIMO_ASSIGN_OR_RETURN(group.impl_, Impl::Connect(address, device));
  return group;
#else
  return Unimplemented("several processes need Gloo's headers: install libgloo-dev and build again");
#endif
}

Status ProcessGroup::Sum([[maybe_unused]] torch::Tensor values) {
  if (size_ == 1) return {};
#if defined(MIMO_HAS_GLOO) || defined(MIMO_HAS_NCCL)
  MIMO_CHECK(values.is_contiguous());
  try {
    std::vector<torch::Tensor> tensors = {values};
    impl_->group->allreduce(tensors)->wait();
  } catch (const std::exception& error) {
    return Unavailable("process {} of {} lost another one: {}", rank_, size_, error.what());
  }
#endif
  return {};
}

}  // namespace mimo

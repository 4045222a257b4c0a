#pragma once
// The bridge between the engine's thread and a connection's thread.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/status.h"
#include "engine/engine.h"
#include "server/request_meter.h"

namespace mimo {

// The engine requests behind one API request: one per choice. Their events come out in the order they
// happened.
//
// The engine thread only appends to a queue, so a client that reads slowly holds up nobody else. The queue
// needs no limit of its own: a request gives at most one event per token and then ends, so its max_tokens
// bounds it.
class GenerationGroup {
 public:
  struct Item {
    uint32_t index;  // which request of the group
    GenerationEvent event;
  };

  // Submits all or none. `engine` must outlive the group. The requests become those of `meter`, which sees
  // every event, also those that come after the group is gone; null where nobody keeps accounts.
  static EngineResult<std::unique_ptr<GenerationGroup>> Start(Engine& engine,
                                                              std::vector<GenerationRequest> requests,
                                                              const std::shared_ptr<RequestMeter>& meter);
  // Cancels whatever still runs and does not wait for it.
  ~GenerationGroup();
  GenerationGroup(const GenerationGroup&) = delete;
  GenerationGroup& operator=(const GenerationGroup&) = delete;

  // The next event, or nothing when none comes within `wait`. One thread only.
  std::optional<Item> Next(std::chrono::milliseconds wait);
  size_t num_requests() const { return ids_.size(); }
  // True once the last event of every request has been taken.
  bool finished() const { return num_finished_ == ids_.size(); }
  void Cancel(uint32_t index);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable not_empty;
    std::deque<Item> items;
  };

  explicit GenerationGroup(Engine& engine) : engine_(engine), queue_(std::make_shared<Queue>()) {}

  Engine& engine_;
  std::shared_ptr<Queue> queue_;  // also held by the sinks, which may outlive the group by one step
  std::vector<RequestId> ids_;
  std::vector<bool> is_finished_;
  size_t num_finished_ = 0;
};

}  // namespace mimo

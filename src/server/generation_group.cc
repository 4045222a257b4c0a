#include "server/generation_group.h"

namespace mimo {

Result<std::unique_ptr<GenerationGroup>> GenerationGroup::Start(Engine& engine,
                                                                std::vector<GenerationRequest> requests) {
  std::unique_ptr<GenerationGroup> group(new GenerationGroup(engine));
  for (GenerationRequest& request : requests) {
    const auto index = static_cast<uint32_t>(group->ids_.size());
    auto sink = [queue = group->queue_, index](GenerationEvent event) {
      {
        const std::lock_guard lock(queue->mutex);
        queue->items.push_back({.index = index, .event = std::move(event)});
      }
      queue->not_empty.notify_one();
    };
    // On failure the group's destructor cancels those that came before.
    MIMO_ASSIGN_OR_RETURN(const RequestId id, engine.Submit(std::move(request), std::move(sink)));
    group->ids_.push_back(id);
    group->is_finished_.push_back(false);
  }
  return group;
}

GenerationGroup::~GenerationGroup() {
  for (uint32_t index = 0; index < ids_.size(); ++index) Cancel(index);
}

void GenerationGroup::Cancel(uint32_t index) {
  if (!is_finished_[index]) engine_.Cancel(ids_[index]);
}

std::optional<GenerationGroup::Item> GenerationGroup::Next(std::chrono::milliseconds wait) {
  std::unique_lock lock(queue_->mutex);
  if (!queue_->not_empty.wait_for(lock, wait, [&] { return !queue_->items.empty(); })) return std::nullopt;
  Item item = std::move(queue_->items.front());
  queue_->items.pop_front();
  lock.unlock();
  if (item.event.finish) {
    is_finished_[item.index] = true;
    ++num_finished_;
  }
  return item;
}

}  // namespace mimo

#include "server/generation_group.h"

namespace mimo {

EngineResult<std::unique_ptr<GenerationGroup>> GenerationGroup::Start(
    Engine& engine, std::vector<GenerationRequest> requests, const std::shared_ptr<RequestMeter>& meter) {
  std::unique_ptr<GenerationGroup> group(new GenerationGroup(engine));
  for (GenerationRequest& request : requests) {
    const auto index = static_cast<uint32_t>(group->ids_.size());
    if (meter != nullptr) meter->Sign(request);
    auto sink = [queue = group->queue_, meter, index](GenerationEvent event) {
      if (meter != nullptr) meter->Observe(index, event);
      {
        const std::lock_guard lock(queue->mutex);
        queue->items.push_back({.index = index, .event = std::move(event)});
      }
      queue->not_empty.notify_one();
    };
    // On failure the group's destructor cancels those that came before.
    EngineResult<RequestId> id = engine.Submit(std::move(request), std::move(sink));
    if (!id) {
      if (meter != nullptr) meter->CountRefusal(id.error());
      return tl::unexpected(std::move(id).error());
    }
    group->ids_.push_back(*id);
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

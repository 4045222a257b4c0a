#include "server/responses_store.h"

#include <utility>

namespace mimo {
namespace {

// Identifiers and the maps' nodes, roughly.
constexpr uint64_t kEntryBytes = 512;
constexpr uint64_t kItemBytes = 192;

}  // namespace

void ResponsesStore::Put(const std::string& id, StoredResponse response) {
  const uint64_t bytes = response.response.size() + response.input.size() + kEntryBytes +
                         kItemBytes * response.output_ids.size();
  const std::lock_guard lock(mutex_);
  if (const auto old = by_id_.find(id); old != by_id_.end()) EraseEntry(old->second);
  if (bytes > options_.bytes_max || options_.responses_max == 0) return;
  while (bytes_ + bytes > options_.bytes_max || entries_.size() >= options_.responses_max) {
    EraseEntry(std::prev(entries_.end()));
  }
  for (const std::string& item : response.output_ids) response_of_item_[item] = id;
  entries_.push_front({.id = id, .response = std::move(response), .bytes = bytes});
  by_id_[id] = entries_.begin();
  bytes_ += bytes;
}

void ResponsesStore::EraseEntry(Entries::iterator entry) {
  for (const std::string& item : entry->response.output_ids) response_of_item_.erase(item);
  bytes_ -= entry->bytes;
  by_id_.erase(entry->id);
  entries_.erase(entry);
}

std::optional<StoredResponse> ResponsesStore::Use(std::string_view owner, std::string_view id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->response.owner != owner) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->response;
}

std::optional<StoredResponse> ResponsesStore::Find(std::string_view owner, std::string_view id) {
  const std::lock_guard lock(mutex_);
  return Use(owner, id);
}

std::optional<StoredResponse> ResponsesStore::FindByItem(std::string_view owner, std::string_view item_id) {
  const std::lock_guard lock(mutex_);
  const auto found = response_of_item_.find(item_id);
  return found == response_of_item_.end() ? std::nullopt : Use(owner, found->second);
}

bool ResponsesStore::Erase(std::string_view owner, std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end() || found->second->response.owner != owner) return false;
  EraseEntry(found->second);
  return true;
}

uint64_t ResponsesStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace mimo

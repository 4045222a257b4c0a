#pragma once
// Responses that were stored, for `previous_response_id` and GET /v1/responses/{id}. In memory, and bounded:
// the least recently used go first, and so does everything when the server ends.

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mimo {

struct ResponsesStoreOptions {
  uint64_t bytes_max = uint64_t{256} << 20;  // of JSON text
  uint32_t responses_max = 4096;
};

// JSON as text, which takes a fraction of the memory of its values.
struct StoredResponse {
  std::string owner;     // the name of the key it was made with
  std::string response;  // the response object
  std::string input;     // the items it answers, those of the conversation before included
  std::vector<std::string> output_ids = {};  // of the items in it
};

// Thread-safe.
class ResponsesStore {
 public:
  explicit ResponsesStore(const ResponsesStoreOptions& options) : options_(options) {}

  // A response that alone exceeds the limit is not kept.
  void Put(const std::string& id, StoredResponse response);
  // Nothing when it was never stored, was deleted, had to make room, or is somebody else's.
  std::optional<StoredResponse> Find(std::string_view owner, std::string_view id);
  // The response that holds the output item.
  std::optional<StoredResponse> FindByItem(std::string_view owner, std::string_view item_id);
  // False when there is none.
  bool Erase(std::string_view owner, std::string_view id);

  uint64_t bytes() const;

 private:
  struct Entry {
    std::string id;
    StoredResponse response;
    uint64_t bytes;
  };
  using Entries = std::list<Entry>;

  // All require mutex_ to be held.
  std::optional<StoredResponse> Use(std::string_view owner, std::string_view id);
  void EraseEntry(Entries::iterator entry);

  const ResponsesStoreOptions options_;
  mutable std::mutex mutex_;
  Entries entries_;  // the most recently used first
  std::map<std::string, Entries::iterator, std::less<>> by_id_;
  std::map<std::string, std::string, std::less<>> response_of_item_;
  uint64_t bytes_ = 0;
};

// The store as the owner of one key sees it. Non-owning.
struct OwnedResponses {
  ResponsesStore& store;
  std::string owner;
};

}  // namespace mimo

#pragma once
// What was used: requests and tokens of each key, model and day, in an SQLite file.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "server/price_card.h"

namespace mimo {

// Under one price: when the price card changes during a day, that day has two rows. So a sum of money is
// computed from counts and from the price that held, and never changes afterwards.
struct UsageKey {
  std::string day;  // "2026-11-30", UTC
  std::string key;  // name of the API key; empty: requests without one
  std::string model;
  ModelPrice price;

  auto operator<=>(const UsageKey&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct UsageCounts {
  uint64_t requests = 0;
  TokenCounts tokens;

  UsageCounts& operator+=(const UsageCounts& other);
  bool operator==(const UsageCounts&) const = default;
};

struct UsageRow {
  UsageKey key;
  UsageCounts counts;
};

// Nothing: any. Days are compared as text, both ends included.
struct UsageFilter {
  std::optional<std::string> key;
  std::optional<std::string> model;
  std::optional<std::string> first_day;
  std::optional<std::string> last_day;
};

struct UsageStoreOptions {
  std::string path;                                // empty: in memory, lost when the program ends
  std::chrono::milliseconds flush_interval{1000};  // how much of the newest a crash may lose
};

// Adding never waits for the disk: counts are summed in memory and a thread of the store writes them, one
// transaction for each interval, synced before it counts as written. When the process is killed, what was
// added since the last write is lost: at most flush_interval and one transaction. Never counted twice. While
// the disk fails, sums stay in memory and writing is tried again. Thread-safe. Several processes may share a
// file.
class UsageStore {
 public:
  // kUnavailable, kDataLoss: the file cannot be opened or is none of ours.
  static Result<std::unique_ptr<UsageStore>> Open(const UsageStoreOptions& options);
  // Writes what is left.
  ~UsageStore();
  UsageStore(const UsageStore&) = delete;
  UsageStore& operator=(const UsageStore&) = delete;

  void Add(const UsageKey& key, const UsageCounts& counts);

  // Everything added so far, in the order of UsageKey. kUnavailable when the disk fails.
  Result<std::vector<UsageRow>> Query(const UsageFilter& filter);

  // Of the day that `now` is in, each key's sums under each price, with an empty model: from memory, so that
  // it may be asked often. What other processes add to the file shows after a restart.
  std::vector<UsageRow> Today(std::chrono::system_clock::time_point now);

  // Writes what is in memory now.
  Status Flush();

 private:
  class Database;

  explicit UsageStore(std::unique_ptr<Database> database);
  void Run(std::chrono::milliseconds flush_interval);
  void AddToToday(const UsageKey& key, const UsageCounts& counts);

  std::mutex database_mutex_;  // taken before mutex_
  std::unique_ptr<Database> database_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable stopping_changed_;
  bool stopping_ = false;
  std::map<UsageKey, UsageCounts> pending_;
  std::map<UsageKey, UsageCounts> today_;  // of one day, without models: clients may make names up
  std::thread writer_;
};

// Of this moment, UTC.
std::string UsageDay(std::chrono::system_clock::time_point now);

}  // namespace mimo

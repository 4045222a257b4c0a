#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "engine/engine_error.h"

namespace mimo {

// How much may wait. A request always gets in where nothing waits, however long it is.
struct QueueLimits {
  uint32_t requests_max = 512;
  uint64_t prompt_tokens_max = 8'000'000;  // 32 MB of ids: a few prompts of the longest kind
  uint32_t owner_requests_max = 256;       // of one owner, so that one cannot fill the queue
  uint64_t owner_prompt_tokens_max = 4'000'000;
};

// Counts the requests that were submitted and not admitted yet, refuses what is too much, and estimates when
// there will be room again. Not thread-safe: the engine's mutex guards it.
class WaitingRoom {
 public:
  using Clock = std::chrono::steady_clock;

  explicit WaitingRoom(const QueueLimits& limits) : limits_(limits) {}

  // With a TryLater: kResourceExhausted when the owner's limit is reached, kUnavailable when everybody's is.
  EngineStatus Enter(const std::string& owner, uint32_t prompt_tokens, Clock::time_point now);
  // The request was admitted. Requires: it entered and did not leave.
  void Admit(const std::string& owner, uint32_t prompt_tokens, Clock::time_point now);
  // The request left without being served. Requires: as Admit.
  void Leave(const std::string& owner, uint32_t prompt_tokens);

  // When a place may be free for somebody who has waited in vain.
  std::chrono::seconds TimeToAdmission(Clock::time_point now) const;

  uint32_t num_requests() const { return static_cast<uint32_t>(all_.requests); }
  uint64_t num_prompt_tokens() const { return all_.prompt_tokens; }
  uint64_t num_refused() const { return num_refused_; }

 private:
  struct Count {
    uint64_t requests = 0;
    uint64_t prompt_tokens = 0;
  };
  // How many of the waiting requests must go before `count` has room for `prompt_tokens` more.
  static uint64_t PlacesNeeded(const Count& count, uint32_t prompt_tokens, const Count& max);
  std::chrono::seconds TimeFor(uint64_t num_admissions, Clock::time_point now) const;

  const QueueLimits limits_;
  Count all_;
  std::unordered_map<std::string, Count> owners_;  // of those that wait
  uint64_t num_refused_ = 0;
  // The last admissions since somebody began to wait, as a ring.
  std::array<Clock::time_point, 32> admissions_ = {};
  uint64_t num_admissions_ = 0;
  Clock::time_point waiting_since_;
};

}  // namespace mimo

#include "engine/waiting_room.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace mimo {
namespace {

// Clients sleep as long as they are told, so a wild estimate must not send them away for the day.
constexpr std::chrono::seconds kTryLaterMin{1};
constexpr std::chrono::seconds kTryLaterMax{300};

tl::unexpected<EngineError> Refusal(ErrorCode code, std::string message, std::chrono::seconds after) {
  return tl::unexpected(EngineError({code, std::move(message)}, TryLater{after}));
}

}  // namespace

uint64_t WaitingRoom::PlacesNeeded(const Count& count, uint32_t prompt_tokens, const Count& max) {
  if (count.requests == 0) return 0;
  const uint64_t tokens = count.prompt_tokens + prompt_tokens;
  uint64_t places = count.requests >= max.requests ? count.requests - max.requests + 1 : 0;
  if (tokens > max.prompt_tokens) {
    const uint64_t tokens_per_request = std::max<uint64_t>(1, count.prompt_tokens / count.requests);
    const uint64_t excess = (tokens - max.prompt_tokens + tokens_per_request - 1) / tokens_per_request;
    places = std::max(places, std::min(excess, count.requests));
  }
  return places;
}

EngineStatus WaitingRoom::Enter(const std::string& owner, uint32_t prompt_tokens, Clock::time_point now) {
  const auto found = owners_.find(owner);
  const Count own = found == owners_.end() ? Count{} : found->second;
  const uint64_t own_places =
      PlacesNeeded(own, prompt_tokens, {limits_.owner_requests_max, limits_.owner_prompt_tokens_max});
  if (own_places > 0) {
    ++num_refused_;
    // Owners take turns.
    return Refusal(ErrorCode::kResourceExhausted,
                   fmt::format("too many of your requests are waiting: {} with {} prompt tokens",
                               own.requests, own.prompt_tokens),
                   TimeFor(own_places * owners_.size(), now));
  }
  const uint64_t places =
      PlacesNeeded(all_, prompt_tokens, {limits_.requests_max, limits_.prompt_tokens_max});
  if (places > 0) {
    ++num_refused_;
    return Refusal(ErrorCode::kUnavailable,
                   fmt::format("the queue is full: {} requests with {} prompt tokens wait", all_.requests,
                               all_.prompt_tokens),
                   TimeFor(places, now));
  }
  if (all_.requests == 0) {
    num_admissions_ = 0;
    waiting_since_ = now;
  }
  for (Count* count : {&all_, &owners_[owner]}) {
    ++count->requests;
    count->prompt_tokens += prompt_tokens;
  }
  return {};
}

void WaitingRoom::Admit(const std::string& owner, uint32_t prompt_tokens, Clock::time_point now) {
  Leave(owner, prompt_tokens);
  admissions_[num_admissions_ % admissions_.size()] = now;
  ++num_admissions_;
}

void WaitingRoom::Leave(const std::string& owner, uint32_t prompt_tokens) {
  const auto own = owners_.find(owner);
  MIMO_CHECK(own != owners_.end() && own->second.requests > 0);
  for (Count* count : {&all_, &own->second}) {
    --count->requests;
    count->prompt_tokens -= prompt_tokens;
  }
  if (own->second.requests == 0) owners_.erase(own);
}

std::chrono::seconds WaitingRoom::TimeToAdmission(Clock::time_point now) const { return TimeFor(1, now); }

// At the pace of the last admissions. Before the first one: as long as it has been in coming.
std::chrono::seconds WaitingRoom::TimeFor(uint64_t num_admissions, Clock::time_point now) const {
  const uint64_t num_seen = std::min<uint64_t>(num_admissions_, admissions_.size());
  const bool is_whole = num_admissions_ <= admissions_.size();
  const Clock::time_point begin =
      is_whole ? waiting_since_ : admissions_[num_admissions_ % admissions_.size()];
  const std::chrono::duration<double> per_admission =
      std::chrono::duration<double>(now - begin) / static_cast<double>(std::max<uint64_t>(1, num_seen));
  const double seconds = std::ceil(per_admission.count() * static_cast<double>(num_admissions));
  return std::clamp(std::chrono::seconds(static_cast<int64_t>(std::min(seconds, 1e6))), kTryLaterMin,
                    kTryLaterMax);
}

}  // namespace mimo

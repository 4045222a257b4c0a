#include "server/request_meter.h"

#include <algorithm>

namespace mimo {

RateLimits Accounts::LimitsOf(const ApiKey& key) const {
  return {.requests_per_minute = key.limits.requests_per_minute.value_or(limit_defaults.requests_per_minute),
          .tokens_per_minute = key.limits.tokens_per_minute.value_or(limit_defaults.tokens_per_minute),
          .concurrent = key.limits.concurrent.value_or(limit_defaults.concurrent)};
}

RequestMeter::RequestMeter(Accounts& accounts, ApiKey key) : accounts_(accounts), key_(std::move(key)) {}

RequestMeter::~RequestMeter() { BookLocked(); }  // nobody else is left

void RequestMeter::BookLocked() {
  if (is_booked_) return;
  is_booked_ = true;
  accounts_.limiter.Finish(key_.name);
  const TokenCounts counts = TokensLocked();
  if (counts.completion == 0) return;
  accounts_.usage->Add({.day = UsageDay(std::chrono::system_clock::now()),
                        .key = key_.name,
                        .model = booked_as_,
                        .price = price_.value_or(ModelPrice{})},
                       {.requests = 1, .tokens = counts});
  if (price_) accounts_.metrics.CountCost(price_->currency, Money::CostOf(counts, *price_));
}

void RequestMeter::SetModel(const ModelNames& names) {
  const std::lock_guard lock(mutex_);
  requested_ = names.requested;
  booked_as_ = names.booked_as;
  price_ = accounts_.prices.Find(names.requested, names.served);
}

void RequestMeter::SetChoicesPerPrompt(uint32_t n) {
  const std::lock_guard lock(mutex_);
  choices_per_prompt_ = n;
}

void RequestMeter::Sign(GenerationRequest& request) const {
  request.owner = key_.name;
  request.priority = std::min(request.priority, key_.priority);
}

void RequestMeter::CountRefusal(const EngineError& error) {
  if (std::holds_alternative<TryLater>(error.detail))
    accounts_.metrics.Count(ServerEvent::kAdmissionRejected);
}

void RequestMeter::Observe(uint32_t index, const GenerationEvent& event) {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock(mutex_);
  if (choices_.size() <= index) choices_.resize(index + 1);
  Choice& choice = choices_[index];
  // An event without counts, such as that of a cancel, takes nothing back.
  if (event.usage.completion_tokens >= choice.usage.completion_tokens) {
    const uint64_t new_tokens = event.usage.completion_tokens - choice.usage.completion_tokens;
    choice.usage = event.usage;
    if (new_tokens > 0) ObserveTokens(index, new_tokens, now);
  }
  if (!event.finish) return;
  accounts_.metrics.CountFinished(
      {.reason = *event.finish, .usage = choice.usage, .since_arrival = now - arrived_at_});
}

void RequestMeter::ObserveTokens(uint32_t index, uint64_t new_tokens, Clock::time_point now) {
  Choice& choice = choices_[index];
  uint64_t charged = new_tokens;
  if (prompts_counted_.insert(index / choices_per_prompt_).second) {  // the choices share it
    charged += choice.usage.prompt_tokens;
    accounts_.metrics.CountPrompt(choice.usage.prompt_tokens, choice.usage.cached_tokens);
  }
  accounts_.limiter.Charge(key_.name, charged, now);
  accounts_.metrics.CountTokens(new_tokens);
  if (choice.last_token_at) {
    accounts_.metrics.CountTokenGap(now - *choice.last_token_at);
  } else {
    if (!first_token_at_) first_token_at_ = now;
    accounts_.metrics.CountFirstToken(now - arrived_at_);
  }
  choice.last_token_at = now;
}

void RequestMeter::Settle(uint64_t reasoning_tokens) {
  const std::lock_guard lock(mutex_);
  reasoning_tokens_ = reasoning_tokens;
  BookLocked();
}

TokenCounts RequestMeter::TokensLocked() const {
  TokenCounts counts{.prompt = 0, .cached = 0, .completion = 0, .reasoning = reasoning_tokens_};
  std::set<uint32_t> prompts;
  for (uint32_t index = 0; index < choices_.size(); ++index) {
    const GenerationUsage& usage = choices_[index].usage;
    counts.completion += usage.completion_tokens;
    // The first one computes the prompt, or takes it from the cache; the others find it there.
    if (usage.completion_tokens == 0 || !prompts.insert(index / choices_per_prompt_).second) continue;
    counts.prompt += usage.prompt_tokens;
    counts.cached += usage.cached_tokens;
  }
  return counts;
}

TokenCounts RequestMeter::tokens() const {
  const std::lock_guard lock(mutex_);
  return TokensLocked();
}

std::optional<RequestCost> RequestMeter::CostOf(const TokenCounts& tokens) const {
  const std::lock_guard lock(mutex_);
  if (!price_) return std::nullopt;
  return RequestCost{.currency = price_->currency, .amount = Money::CostOf(tokens, *price_)};
}

RequestTimes RequestMeter::times() const {
  const std::lock_guard lock(mutex_);
  RequestTimes times;
  times.whole = Clock::now() - arrived_at_;
  if (first_token_at_) times.first_token = *first_token_at_ - arrived_at_;
  if (!choices_.empty()) times.queue = choices_.front().usage.queue_time;
  return times;
}

std::string RequestMeter::model() const {
  const std::lock_guard lock(mutex_);
  return requested_;
}

void AddCost(const RequestMeter* meter, const TokenCounts& tokens, Json* usage) {
  const std::optional<RequestCost> cost = meter == nullptr ? std::nullopt : meter->CostOf(tokens);
  if (!cost) return;
  (*usage)["cost"] = cost->amount.ToDouble();
  (*usage)["currency"] = cost->currency;
}

}  // namespace mimo

#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

#include "base/check.h"

namespace mimo {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

// The bounds that vLLM's dashboards expect.
const Buckets kFirstTokenSeconds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                    1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const Buckets kTokenSeconds = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                               0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
const Buckets kRequestSeconds = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                 30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const Buckets kCompileSeconds = {0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1};

// 1, 2, 5, 10, ... up to a context.
Buckets TokenBuckets(uint32_t context_max) {
  Buckets bounds;
  for (uint64_t power = 1; power <= context_max; power *= 10) {
    for (const uint64_t digit : {1U, 2U, 5U}) {
      if (power * digit <= context_max) bounds.push_back(static_cast<double>(power * digit));
    }
  }
  return bounds;
}

Buckets StepTokenBuckets() {
  const auto& bounds = StepTokenCounts::kUpperBounds;
  return Buckets(bounds.begin(), bounds.end());
}

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

struct EventName {
  ServerEvent event;
  const char* name;
  const char* help;
};
constexpr std::array kEventNames = {
    EventName{ServerEvent::kAdmissionRejected, "vllm:admission_rejections_total",
              "Requests refused because the queue was full."},
    EventName{ServerEvent::kMissingReasoningReplay, "mimo:missing_reasoning_replays_total",
              "Assistant turns with tool calls that came back without their reasoning."},
    EventName{ServerEvent::kHostedToolSkipped, "mimo:hosted_tools_skipped_total",
              "Tools of types that this server does not run."},
    EventName{ServerEvent::kGrammarCompiled, "mimo:grammars_compiled_total", "Grammars compiled."},
    EventName{ServerEvent::kGrammarRefused, "mimo:grammars_refused_total", "Grammars refused."},
};

// vLLM calls a request that its client gave up "abort".
const char* ReasonLabel(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "abort";
    case FinishReason::kError:
      break;
  }
  return "error";
}

class Maker {
 public:
  Maker(prometheus::Registry& registry, prometheus::Labels labels)
      : registry_(registry), labels_(std::move(labels)) {}
  Counter& MakeCounter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels_);
  }
  Gauge& MakeGauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels_);
  }
  Histogram& MakeHistogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels_, buckets);
  }

 private:
  prometheus::Registry& registry_;
  const prometheus::Labels labels_;
};

}  // namespace

struct ServerMetrics::Instruments {
  prometheus::Registry registry;
  prometheus::Family<Counter>& http = prometheus::BuildCounter()
                                          .Name("mimo:http_requests_total")
                                          .Help("Requests by route and status.")
                                          .Register(registry);
};

struct ServerMetrics::ModelInstruments {
  ModelInstruments(prometheus::Registry& registry, const std::string& model_name, uint32_t context_max)
      : labels{{"model_name", model_name}},
        maker(registry, labels),
        prompt_length(maker.MakeHistogram("vllm:request_prompt_tokens", "Prompt tokens of a request.",
                                          TokenBuckets(context_max))),
        completion_length(maker.MakeHistogram("vllm:request_generation_tokens",
                                              "Generated tokens of a request.", TokenBuckets(context_max))),
        success(prometheus::BuildCounter()
                    .Name("vllm:request_success_total")
                    .Help("Requests that ended, by the reason.")
                    .Register(registry)),
        cost(prometheus::BuildCounter()
                 .Name("mimo:cost_total")
                 .Help("What the tokens cost by the price card, by currency.")
                 .Register(registry)) {
    // So that rates are right from the first request on.
    for (const FinishReason reason :
         {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled, FinishReason::kError}) {
      FinishedWith(reason);
    }
    for (size_t i = 0; i < kEventNames.size(); ++i) {
      events[i] = &maker.MakeCounter(kEventNames[i].name, kEventNames[i].help);
    }
  }

  Counter& FinishedWith(FinishReason reason) {
    prometheus::Labels own = labels;
    own["finished_reason"] = ReasonLabel(reason);
    return success.Add(own);
  }

  // What happened since the last scrape, unless another one was faster.
  void CountSteps(const StepTokenCounts& counts) {
    const std::lock_guard lock(step_tokens_mutex);
    if (counts.tokens <= step_tokens_counted.tokens) return;
    std::vector<double> increments;
    for (size_t i = 0; i < counts.steps.size(); ++i) {
      increments.push_back(static_cast<double>(counts.steps[i] - step_tokens_counted.steps[i]));
    }
    step_tokens.ObserveMultiple(increments, static_cast<double>(counts.tokens - step_tokens_counted.tokens));
    step_tokens_counted = counts;
  }

  const prometheus::Labels labels;
  Maker maker;
  Gauge& running = maker.MakeGauge("vllm:num_requests_running", "Requests that are being computed.");
  Gauge& waiting = maker.MakeGauge("vllm:num_requests_waiting", "Requests that wait to be computed.");
  Gauge& kv_usage = maker.MakeGauge("vllm:kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1.");
  Counter& preemptions = maker.MakeCounter("vllm:num_preemptions_total",
                                           "Requests that had to make room and were continued later.");
  std::atomic<uint64_t> preemptions_counted{0};
  Histogram& step_tokens =
      maker.MakeHistogram("vllm:iteration_tokens_total", "Tokens computed in a step.", StepTokenBuckets());
  std::mutex step_tokens_mutex;
  StepTokenCounts step_tokens_counted;
  Counter& cache_queries = maker.MakeCounter("vllm:prefix_cache_queries_total",
                                             "Prompt tokens that were looked up in the prefix cache.");
  Counter& cache_hits =
      maker.MakeCounter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.");
  Counter& prompt_tokens = maker.MakeCounter("vllm:prompt_tokens_total", "Prompt tokens.");
  Counter& prompt_tokens_cached =
      maker.MakeCounter("vllm:prompt_tokens_cached_total", "Prompt tokens taken from the cache.");
  Counter& generation_tokens = maker.MakeCounter("vllm:generation_tokens_total", "Generated tokens.");
  Histogram& first_token = maker.MakeHistogram(
      "vllm:time_to_first_token_seconds", "From a request's arrival to its first token.", kFirstTokenSeconds);
  Histogram& between_tokens = maker.MakeHistogram("vllm:inter_token_latency_seconds",
                                                  "Between the tokens of a request.", kTokenSeconds);
  Histogram& per_token = maker.MakeHistogram("vllm:request_time_per_output_token_seconds",
                                             "Mean time between the tokens of a request.", kTokenSeconds);
  Histogram& whole_request = maker.MakeHistogram(
      "vllm:e2e_request_latency_seconds", "From a request's arrival to its last token.", kRequestSeconds);
  Histogram& queue_time = maker.MakeHistogram("vllm:request_queue_time_seconds",
                                              "Before a request is computed.", kRequestSeconds);
  Histogram& prefill_time = maker.MakeHistogram("vllm:request_prefill_time_seconds",
                                                "Computing a request's prompt.", kRequestSeconds);
  Histogram& decode_time = maker.MakeHistogram("vllm:request_decode_time_seconds",
                                               "From a request's first token to its last.", kRequestSeconds);
  Histogram& grammar_time =
      maker.MakeHistogram("mimo:grammar_compile_seconds", "Compiling a grammar.", kCompileSeconds);
  Histogram& prompt_length;
  Histogram& completion_length;
  prometheus::Family<Counter>& success;
  prometheus::Family<Counter>& cost;
  std::array<Counter*, kEventNames.size()> events = {};
};

ServerMetrics::ServerMetrics() : instruments_(std::make_unique<Instruments>()) {}
ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::SetModel(const std::string& name, uint32_t context_max) {
  MIMO_CHECK(model_ == nullptr);
  model_storage_ = std::make_unique<ModelInstruments>(instruments_->registry, name, context_max);
  model_ = model_storage_.get();
}

void ServerMetrics::SetCacheConfig(const KvCacheConfig& config) {
  prometheus::Labels labels = model_.load()->labels;
  labels["block_size"] = std::to_string(config.block_tokens);
  labels["cache_dtype"] = config.type;
  labels["enable_prefix_caching"] = config.has_prefix_cache ? "True" : "False";  // as Python has it
  labels["num_gpu_blocks"] = std::to_string(config.num_blocks);
  labels["sliding_window"] = config.sliding_window == 0 ? "None" : std::to_string(config.sliding_window);
  prometheus::BuildGauge()
      .Name("vllm:cache_config_info")
      .Help("How the KV cache is laid out, as labels.")
      .Register(instruments_->registry)
      .Add(labels)
      .Set(1);
}

void ServerMetrics::CountPrompt(uint64_t prompt_tokens, uint64_t cached_tokens) {
  ModelInstruments& model = *model_.load();
  model.cache_queries.Increment(static_cast<double>(prompt_tokens));
  model.cache_hits.Increment(static_cast<double>(cached_tokens));
  model.prompt_tokens.Increment(static_cast<double>(prompt_tokens));
  model.prompt_tokens_cached.Increment(static_cast<double>(cached_tokens));
}

void ServerMetrics::CountFirstToken(std::chrono::nanoseconds since_arrival) {
  model_.load()->first_token.Observe(Seconds(since_arrival));
}

void ServerMetrics::CountTokenGap(std::chrono::nanoseconds gap) {
  model_.load()->between_tokens.Observe(Seconds(gap));
}

void ServerMetrics::CountTokens(uint64_t tokens) {
  model_.load()->generation_tokens.Increment(static_cast<double>(tokens));
}

void ServerMetrics::CountFinished(const FinishedGeneration& finished) {
  ModelInstruments& model = *model_.load();
  model.FinishedWith(finished.reason).Increment();
  const GenerationUsage& usage = finished.usage;
  model.queue_time.Observe(Seconds(usage.queue_time));
  if (usage.completion_tokens == 0) return;  // nothing was computed to the end of the prompt
  model.whole_request.Observe(Seconds(finished.since_arrival));
  model.prefill_time.Observe(Seconds(usage.prefill_time));
  model.decode_time.Observe(Seconds(usage.decode_time));
  model.prompt_length.Observe(usage.prompt_tokens);
  model.completion_length.Observe(usage.completion_tokens);
  if (usage.completion_tokens > 1) {
    model.per_token.Observe(Seconds(usage.decode_time) / (usage.completion_tokens - 1));
  }
}

void ServerMetrics::Count(ServerEvent event, uint64_t times) {
  for (size_t i = 0; i < kEventNames.size(); ++i) {
    if (kEventNames[i].event == event) model_.load()->events[i]->Increment(static_cast<double>(times));
  }
}

void ServerMetrics::CountGrammarCompileTime(std::chrono::nanoseconds duration) {
  model_.load()->grammar_time.Observe(Seconds(duration));
}

void ServerMetrics::CountCost(const std::string& currency, Money cost) {
  prometheus::Labels labels = model_.load()->labels;
  labels["currency"] = currency;
  model_.load()->cost.Add(labels).Increment(cost.ToDouble());
}

void ServerMetrics::CountHttp(std::string_view route, int status) {
  instruments_->http.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
}

TokenCounts ServerMetrics::totals() const {
  const ModelInstruments* model = model_;
  if (model == nullptr) return {};
  const auto count = [](const Counter& counter) { return static_cast<uint64_t>(counter.Value()); };
  return {.prompt = count(model->prompt_tokens),
          .cached = count(model->prompt_tokens_cached),
          .completion = count(model->generation_tokens),
          .reasoning = 0};
}

std::string ServerMetrics::Text(const Engine::Load& load) const {
  if (ModelInstruments* model = model_) {
    model->running.Set(load.running);
    model->waiting.Set(load.waiting);
    model->kv_usage.Set(load.kv_blocks_total == 0 ? 0
                                                  : static_cast<double>(load.kv_blocks_used) /
                                                        static_cast<double>(load.kv_blocks_total));
    model->CountSteps(load.step_tokens);
    // Scrapes may overtake each other: whoever moves the mark forward counts the difference.
    uint64_t counted = model->preemptions_counted;
    while (counted < load.num_preemptions &&
           !model->preemptions_counted.compare_exchange_weak(counted, load.num_preemptions)) {
    }
    if (counted < load.num_preemptions) {
      model->preemptions.Increment(static_cast<double>(load.num_preemptions - counted));
    }
  }
  return prometheus::TextSerializer().Serialize(instruments_->registry.Collect());
}

}  // namespace mimo

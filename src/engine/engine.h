#pragma once
// engine/: many requests -> batches -> tokens.
//
//   Submit -> waiting (by priority, then by fair shares between owners) -> (KV blocks and a ring) ->
//   running: prefill in chunks, then one token a step -> events -> done
//
// One engine thread owns the model, the KV block tables and the samplers. Other threads only post requests,
// cancel them, and receive events. Continuous batching: a sequence joins and leaves between steps, and its
// tokens do not depend on its company.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/token_id.h"
#include "engine/cache_store.h"
#include "engine/engine_error.h"
#include "engine/prefix_cache_stats.h"
#include "engine/sampling_params.h"
#include "engine/step_tokens.h"
#include "engine/waiting_room.h"
#include "model/model.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace mimo {

struct GenerationRequest {
  std::vector<TokenId> prompt = {};  // at least one token
  SamplingParams sampling = {};
  uint32_t max_tokens = 0;                     // 0 = up to the end of the context
  bool max_tokens_must_fit = false;            // else max_tokens is cut to what the context has room for
  std::vector<TokenId> stop_token_ids = {};    // end the sequence, are not part of the text
  std::vector<std::string> stop_strings = {};  // cut the text before the first of them
  bool ignore_eos = false;
  bool skip_special_tokens = true;
  // What the text must obey; null: nothing. Stop tokens are possible only where it may end, and it ends by
  // itself (kStop) where nothing can follow.
  GrammarPtr grammar = nullptr;
  std::string owner = {};  // who asks, such as the id of an API key: fair shares are between owners
  // Keys and values are shared only between requests of one salt, so that nobody can tell from the time that
  // a reply takes what others have asked.
  std::string cache_salt = {};
  int32_t priority = 0;  // higher ones go first, whoever asks: above all, batch work stands below 0
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

struct GenerationUsage {
  uint32_t prompt_tokens = 0;
  uint32_t cached_tokens = 0;  // of the prompt, not computed because the prefix cache had them
  uint32_t replayed_tokens =
      0;  // of the prompt, in the cache but computed again for the windows of sliding layers
  uint32_t completion_tokens = 0;
  std::chrono::nanoseconds queue_time{0};
  std::chrono::nanoseconds prefill_time{0};
  std::chrono::nanoseconds decode_time{0};
};

// One step's news of one request. Delivered on the engine thread: the receiver must only hand it on, never
// wait. It may call Submit, Cancel and load; it must not destroy the engine.
struct GenerationEvent {
  std::string text;                    // whole code points; stop strings already cut
  std::vector<SampledToken> tokens;    // tokens sampled since the last event, stop tokens included
  std::optional<FinishReason> finish;  // set on the last event only
  std::string stop_string;             // the stop string that ended it, if one did
  std::optional<EngineError> error;    // with kError
  GenerationUsage usage;               // so far
};
using EventSink = std::function<void(GenerationEvent event)>;

struct RequestId {
  uint64_t value;
};

// Texts that were computed before are not computed again while there is memory for them
// (engine/prefix_cache.h), or a place on disk (engine/cache_store.h).
struct PrefixCacheSettings {
  bool is_enabled = true;
  uint32_t snapshot_interval_tokens = 4096;  // as PrefixCacheOptions
  std::string disk_directory = {};           // empty: nothing is kept on disk
  uint64_t disk_bytes_max = uint64_t{16} << 30;
  // Of the weights, a line "name: value" each: keys of other weights are of no use. The engine adds what else
  // keys depend on.
  std::string model_fingerprint = {};
};

struct EngineOptions {
  uint32_t context_max = 0;     // tokens of one sequence; 0 = the model's, bounded by memory for KV
  uint32_t sequences_max = 16;  // running at once; at most tokens_per_step_max
  QueueLimits queue = {};       // beyond these, Submit answers at once
  std::chrono::milliseconds queue_time_max{
      0};                              // who waits longer is given up with kUnavailable; 0 = no limit
  uint32_t tokens_per_step_max = 512;  // shared by the sequences of a step; at most the model's
  double decode_stretch_max = 2.0;     // see StepPacerOptions::stretch_max
  KvType kv_type = KvType::kBf16;
  uint64_t kv_memory_bytes_max = 0;  // 0 = a share of this machine's free memory
  PrefixCacheSettings prefix_cache = {};
  std::chrono::milliseconds step_time_max{300'000};  // a longer step makes Health report an error
};

// How the memory for keys and values is laid out; does not change.
struct KvCacheConfig {
  uint32_t block_tokens = 0;
  uint32_t num_blocks = 0;
  std::string type = {};        // "bf16": of keys and values
  uint32_t sliding_window = 0;  // visible keys of sliding layers; 0: the model has none
  bool has_prefix_cache = false;
};

// Thread-safe.
class Engine {
 public:
  // `tokenizer` must outlive the engine. kInvalidArgument: options that contradict the model or each other.
  // kResourceExhausted: kv_memory_bytes_max is too small for the context.
  static Result<std::unique_ptr<Engine>> Create(Model model, const Tokenizer& tokenizer,
                                                const EngineOptions& options);
  // Cancels what is running and joins the engine thread.
  virtual ~Engine() = default;

  // kInvalidArgument: an empty prompt, a bad parameter; with ContextOverflow: too long. With TryLater, when
  // too much waits: kResourceExhausted of this owner, kUnavailable of all. kUnavailable without it: the
  // engine has failed. After success exactly one event with `finish` follows, perhaps before Submit returns.
  virtual EngineResult<RequestId> Submit(GenerationRequest request, EventSink sink) = 0;
  // The request ends with kCancelled after the current step and gives its memory back. Unknown ids are
  // ignored.
  virtual void Cancel(RequestId id) = 0;

  virtual uint32_t context_max() const = 0;
  virtual const ModelConfig& config() const = 0;
  virtual KvCacheConfig kv_cache_config() const = 0;
  // Errors when the engine thread has failed, has not finished a step within its time limit, or does not
  // answer while there is nothing to do.
  virtual Status Health() const = 0;

  struct Load {
    uint32_t running = 0;
    uint32_t waiting = 0;
    uint64_t prompt_tokens_waiting = 0;   // of those that never ran
    uint64_t num_preemptions = 0;         // since the start, as the next one
    uint64_t num_refused = 0;             // by a limit of the queue
    std::chrono::seconds retry_after{1};  // when somebody who is refused now should try again
    uint32_t kv_blocks_used = 0;          // by running requests; the prefix cache has what it can of the rest
    uint32_t kv_blocks_total = 0;
    PrefixCacheStats prefix_cache = {};
    CacheStoreStats cache_store = {};  // its tier on disk
    StepTokenCounts step_tokens = {};  // since the start
  };
  virtual Load load() const = 0;

  // How many tokens of `prompt` a request that was admitted now would not have to compute. A forecast: what a
  // request has found is in the usage of each of its events.
  virtual uint32_t CachedTokens(std::span<const TokenId> /*prompt*/, std::string_view /*cache_salt*/) const {
    return 0;
  }

  // Where the prefix cache keeps what it has on disk for this model; empty: nowhere.
  virtual std::string cache_folder() const { return {}; }
};

}  // namespace mimo

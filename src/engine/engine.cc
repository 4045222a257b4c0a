#include "engine/engine.h"

#include <utility>

#include "engine/engine_loop.h"
#include "engine/kv_plan.h"
#include "engine/model_runner.h"

namespace mimo {
namespace {

Status CheckEngineOptions(const EngineOptions& options, const ModelOptions& model_options) {
  if (options.sequences_max == 0) return InvalidArgument("sequences_max must be at least 1");
  if (options.decode_stretch_max != 0 && !(options.decode_stretch_max > 1)) {
    return InvalidArgument("decode_stretch_max must be 0 or above 1, not {}", options.decode_stretch_max);
  }
  if (options.tokens_per_step_max < options.sequences_max) {
    return InvalidArgument("a step of {} tokens cannot serve {} sequences", options.tokens_per_step_max,
                           options.sequences_max);
  }
  if (options.tokens_per_step_max > model_options.tokens_per_step_max) {
    return InvalidArgument("a step of {} tokens exceeds the {} that the model was created for",
                           options.tokens_per_step_max, model_options.tokens_per_step_max);
  }
  return {};
}

// Keys depend on the weights and on how they are computed: kernel variants sum in different orders.
Result<std::shared_ptr<CacheStore>> OpenStore(const Model& model, const KvStorage& kv,
                                              const EngineOptions& options) {
  const PrefixCacheSettings& settings = options.prefix_cache;
  if (!settings.is_enabled || settings.disk_directory.empty()) return std::shared_ptr<CacheStore>();
  constexpr int kLayoutVersion = 1;  // of the payloads
  const std::string fingerprint =
      fmt::format("{}{}layout: {}\nkv_type: {}\nkernels: {}\npacked: {}\nblock_bytes: {}\nwindow_bytes: {}\n",
                  settings.model_fingerprint, settings.model_fingerprint.ends_with('\n') ? "" : "\n",
                  kLayoutVersion, WeightTypeName(WeightTypeOf(options.kv_type)), model.kernel_variant(),
                  model.is_packed(), kv.BlockBytes(), kv.WindowBytes(model.config().max_position_embeddings));
  MIMO_ASSIGN_OR_RETURN(
      std::unique_ptr<CacheStore> store,
      CacheStore::Open(settings.disk_directory, fingerprint, {.bytes_max = settings.disk_bytes_max}));
  return std::shared_ptr<CacheStore>(std::move(store));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::Create(Model model, const Tokenizer& tokenizer,
                                               const EngineOptions& options) {
  MIMO_RETURN_IF_ERROR(CheckEngineOptions(options, model.options()));
  EngineOptions effective = options;
  if (model.options().path == ComputePath::kExact) effective.kv_type = KvType::kF32;
  MIMO_ASSIGN_OR_RETURN(const KvPlan plan, PlanKvMemory(model.config(), effective, MemoryBytesAvailable()));
  MIMO_ASSIGN_OR_RETURN(KvStorage kv,
                        KvStorage::Create(model.config(), {.type = effective.kv_type,
                                                           .num_blocks = plan.num_blocks,
                                                           .num_rings = effective.sequences_max}));
  MIMO_ASSIGN_OR_RETURN(std::shared_ptr<CacheStore> store, OpenStore(model, kv, effective));
  const EngineLoopOptions loop_options{
      .scheduler = {.context_max = plan.context_max,
                    .sequences_max = effective.sequences_max,
                    .tokens_per_step_max = effective.tokens_per_step_max,
                    .num_blocks = plan.num_blocks,
                    .prefix_cache = {.is_enabled = effective.prefix_cache.is_enabled,
                                     .snapshot_bytes_max = plan.snapshot_bytes_max,
                                     .snapshot_interval_tokens =
                                         effective.prefix_cache.snapshot_interval_tokens,
                                     .store = std::move(store)}},
      .queue = effective.queue,
      .queue_time_max = effective.queue_time_max,
      .pacer = {.stretch_max = effective.decode_stretch_max},
      .step_time_max = effective.step_time_max,
      .kv_type = effective.kv_type,
  };
  return std::make_unique<EngineLoop>(MakeModelRunner(std::move(model), std::move(kv)), tokenizer,
                                      loop_options);
}

}  // namespace mimo

#include "model/model.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "kernels/rope.h"
#include "model/forward_step.h"
#include "model/weight_packer.h"
#include "weights/model_weights.h"

namespace mimo {
namespace {

// Columns of the widest matrix: each reads one of these.
uint32_t WidestInput(const ModelConfig& config) {
  uint32_t widest = std::max(2 * config.hidden_size, config.intermediate_size);  // 2: of an MTP head
  widest = std::max(widest, config.moe_intermediate_size);
  for (const AttentionGeometry& geometry : {config.full_attention, config.sliding_attention}) {
    widest = std::max(widest, geometry.num_attention_heads * geometry.v_head_dim);
  }
  return widest;
}

void AllocateQuantizers(const ModelConfig& config, uint32_t tokens_max, ForwardStep* step) {
  const uint32_t slots = tokens_max * std::max(1U, config.num_experts_per_tok);
  const size_t bytes = std::max(tokens_max * QuantizedRowBytes(WidestInput(config)),
                                slots * QuantizedRowBytes(config.moe_intermediate_size));
  for (const RowForm form : {RowForm::kInt8By32, RowForm::kInt8By256, RowForm::kBf16}) {
    step->quantizers[static_cast<size_t>(form)].Allocate(slots, bytes);
  }
}

// Tokens of the largest group of one expert: a whole step.
void AllocateThreads(const ModelConfig& config, uint32_t tokens_max, uint32_t num_threads,
                     ForwardStep* step) {
  size_t scratch_floats = 0;
  size_t partial_floats = 0;
  for (const AttentionGeometry& geometry : {config.full_attention, config.sliding_attention}) {
    if (geometry.num_key_value_heads == 0) continue;
    const uint32_t block_tokens = AttentionPlan::BlockTokens(geometry);
    scratch_floats = std::max(scratch_floats, AttentionPlan::ScratchFloats(geometry));
    partial_floats = std::max(partial_floats, AttentionPlan::PartialFloats(geometry, block_tokens));
  }
  step->threads.resize(num_threads);
  for (ThreadScratch& scratch : step->threads) {
    scratch.panel.Allocate(PanelScratchBytes(WidestInput(config)));
    scratch.attention.Allocate(scratch_floats * sizeof(float));
    for (AlignedScratch& partial : scratch.partials) partial.Allocate(partial_floats * sizeof(float));
    scratch.tile = AllocateScratch<float>(size_t{tokens_max} * kRowsPerTask);
    scratch.rows.reserve(tokens_max);
  }
}

uint32_t WidestQkv(const ModelWeights& weights) {
  uint32_t width = 0;
  for (const LayerWeights& layer : weights.layers) width = std::max(width, layer.attention.qkv.width);
  for (const MtpWeights& mtp : weights.mtp_layers) width = std::max(width, mtp.layer.attention.qkv.width);
  return width;
}

void AllocateStep(const ModelConfig& config, const ModelWeights& weights, uint32_t tokens_max,
                  ForwardStep* step) {
  const AttentionGeometry& full = config.full_attention;
  const AttentionGeometry& sliding = config.sliding_attention;
  const auto larger = [&](uint32_t (*size)(const AttentionGeometry&)) {
    return std::max(size(full), size(sliding));
  };
  const uint32_t hidden_size = config.hidden_size;
  step->x.Allocate(tokens_max, hidden_size);
  step->normed.Allocate(tokens_max, hidden_size);
  step->hidden.Allocate(tokens_max, hidden_size);
  step->projected.Allocate(tokens_max, hidden_size);
  if (!weights.mtp_layers.empty()) step->mtp_input.Allocate(tokens_max, 2 * hidden_size);
  step->qkv.Allocate(tokens_max, WidestQkv(weights));
  step->queries.Allocate(
      tokens_max, larger([](const AttentionGeometry& g) { return g.num_attention_heads * g.head_dim; }));
  step->attention.Allocate(
      tokens_max, larger([](const AttentionGeometry& g) { return g.num_attention_heads * g.v_head_dim; }));
  step->router.Allocate(tokens_max, config.n_routed_experts);
  const uint32_t slots = tokens_max * config.num_experts_per_tok;
  const size_t hidden_floats =
      std::max(size_t{slots} * config.moe_intermediate_size, size_t{tokens_max} * config.intermediate_size);
  step->expert_hidden = AllocateScratch<float>(hidden_floats);
  step->slot_rows.resize(std::max(slots, tokens_max));
  step->chosen.resize(slots);
  step->chosen_weights.resize(slots);
  const size_t window_rows = size_t{tokens_max} * sliding.num_key_value_heads;
  step->window_k = AllocateScratch<std::byte>(window_rows * sliding.head_dim * sizeof(float));
  step->window_v = AllocateScratch<std::byte>(window_rows * sliding.v_head_dim * sizeof(float));
  for (auto [rope, geometry] :
       {std::pair{&step->full_rope, &full}, std::pair{&step->sliding_rope, &sliding}}) {
    rope->inverse_frequencies = RopeInverseFrequencies(geometry->rope_theta, geometry->rotary_dim);
    rope->cosines.resize(size_t{tokens_max} * geometry->rotary_dim / 2);
    rope->sines.resize(rope->cosines.size());
  }
}

}  // namespace

struct Model::Impl {
  Impl(const Checkpoint& checkpoint, ModelWeights model_weights, const ModelOptions& model_options)
      : config(checkpoint.config()),
        options(model_options),
        weights(std::move(model_weights)),
        pool(model_options.num_threads),
        has_paged_layers(KvStorage::BytesPerToken(config, KvType::kF32) > 0) {}

  // Checks the whole batch before anything is written.
  Status Check(Batch batch) const;
  void Begin(Batch batch);
  void Layer(const LayerWeights& layer, uint32_t layer_index, KvStorage& kv);
  // Logits of the wanted rows of `normed` inputs.
  std::span<const float> Head(RowBuffer& normed);

  ModelConfig config;
  ModelOptions options;
  ModelWeights weights;
  PackedWeights packed;  // behind some of the weights
  bool is_packed = false;
  ThreadPool pool;
  const bool has_paged_layers;
  ForwardStep step;
  std::vector<const float*> wanted_rows;
};

Status Model::Impl::Check(Batch batch) const {
  size_t num_tokens = 0;
  for (const SequenceChunk& chunk : batch) {
    if (chunk.tokens.empty()) return InvalidArgument("a sequence of the step has no token");
    num_tokens += chunk.tokens.size();
    const uint64_t end = chunk.first_position + chunk.tokens.size();
    if (chunk.window_begin > chunk.first_position) {
      return InvalidArgument("a window that begins at {}, after the first token's position {}",
                             chunk.window_begin, chunk.first_position);
    }
    if (has_paged_layers && chunk.blocks.size() * uint64_t{kKvBlockTokens} < end) {
      return InvalidArgument("the block table holds {} blocks, too few for {} tokens", chunk.blocks.size(),
                             end);
    }
    for (const TokenId token : chunk.tokens) {
      if (token >= config.vocab_size) {
        return InvalidArgument("token id {} is outside the vocabulary of {}", token, config.vocab_size);
      }
    }
  }
  if (num_tokens > options.tokens_per_step_max) {
    return InvalidArgument("{} tokens in one step, at most {} fit", num_tokens, options.tokens_per_step_max);
  }
  return {};
}

void Model::Impl::Begin(Batch batch) {
  step.batch = batch;
  step.num_tokens = 0;
  for (uint32_t chunk = 0; chunk < batch.size(); ++chunk) {
    const uint32_t row_begin = step.num_tokens;
    for (size_t i = 0; i < batch[chunk].tokens.size(); ++i) {
      const auto position = static_cast<uint32_t>(batch[chunk].first_position + i);
      step.places[step.num_tokens++] = {.chunk = chunk,
                                        .position = position,
                                        .row_begin = row_begin,
                                        .window_begin = batch[chunk].window_begin};
    }
  }
  pool.ParallelFor(step.num_tokens, [&](uint32_t token, uint32_t) {
    for (RopeTable* rope : {&step.full_rope, &step.sliding_rope}) {
      const size_t row = size_t{token} * rope->inverse_frequencies.size();
      RopeAngles(step.places[token].position, rope->inverse_frequencies, rope->cosines.data() + row,
                 rope->sines.data() + row);
    }
    const TokenPlace& place = step.places[token];
    DequantizeRow(weights.embed_tokens, batch[place.chunk].tokens[token - place.row_begin],
                  step.x.row(token));
  });
}

void Model::Impl::Layer(const LayerWeights& layer, uint32_t layer_index, KvStorage& kv) {
  step.Norm(step.x, layer.input_layernorm, &step.normed);
  AttentionLayer(step, layer.attention, layer_index, kv);
  step.Norm(step.x, layer.post_attention_layernorm, &step.normed);
  if (layer.moe.experts.empty()) {
    DenseLayer(step, layer.mlp);
  } else {
    SparseLayer(step, layer.moe);
  }
}

std::span<const float> Model::Impl::Head(RowBuffer& normed) {
  wanted_rows.clear();
  uint32_t row = 0;
  for (const SequenceChunk& chunk : step.batch) {
    const auto count = static_cast<uint32_t>(chunk.tokens.size());
    const uint32_t wanted = chunk.logits == LogitsWanted::kAll    ? count
                            : chunk.logits == LogitsWanted::kLast ? 1
                                                                  : 0;
    row += count;
    for (uint32_t i = row - wanted; i < row; ++i) wanted_rows.push_back(normed.row(i));
  }
  const size_t size = wanted_rows.size() * config.vocab_size;
  if (step.logits.size() < size) step.logits.resize(size);
  if (wanted_rows.empty()) return {};
  step.MatMul(weights.lm_head, wanted_rows, step.logits.data(), config.vocab_size);
  return {step.logits.data(), size};
}

Result<Model> Model::Create(const Checkpoint& checkpoint, const ModelOptions& options) {
  const Kernels* const kernels =
      options.path == ComputePath::kExact ? &ReferenceKernels() : FindKernels(options.kernel_variant);
  if (kernels == nullptr) {
    return InvalidArgument("this machine has no kernel variant '{}'", options.kernel_variant);
  }
  if (options.tokens_per_step_max == 0) return InvalidArgument("tokens_per_step_max must be at least 1");
  MIMO_ASSIGN_OR_RETURN(ModelWeights weights, BindModelWeights(checkpoint));
  const auto fits = [&](PackedPart part) {
    return PackedWeights::BytesFor(weights, part) <= options.packed_bytes_max;
  };
  const bool panels_fit = fits(PackedPart::kPanels);
  const PackedPart part = fits(PackedPart::kAll) ? PackedPart::kAll : PackedPart::kPanels;
  if (kernels->reads_panels && !panels_fit) {
    LogWarning(
        "the weights are read as they are stored, which is slow: to rearrange them takes {:.1f} GB of memory",
        static_cast<double>(PackedWeights::BytesFor(weights, PackedPart::kPanels)) * 1e-9);
  }
  const bool is_packed = kernels->reads_panels && panels_fit && options.observer == nullptr;
  auto impl = std::make_unique<Impl>(checkpoint, std::move(weights), options);
  impl->is_packed = is_packed;
  if (is_packed) {
    MIMO_ASSIGN_OR_RETURN(impl->packed, PackedWeights::Pack(checkpoint, part, impl->pool, &impl->weights));
  }
  ForwardStep& step = impl->step;
  step.config = &impl->config;
  step.kernels = kernels;
  step.pool = &impl->pool;
  step.observer = options.observer;
  step.places.resize(options.tokens_per_step_max);
  AllocateStep(impl->config, impl->weights, options.tokens_per_step_max, &step);
  AllocateQuantizers(impl->config, options.tokens_per_step_max, &step);
  AllocateThreads(impl->config, options.tokens_per_step_max, impl->pool.num_threads(), &step);
  return Model(std::move(impl));
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

const ModelConfig& Model::config() const { return impl_->config; }
const ModelOptions& Model::options() const { return impl_->options; }
bool Model::is_packed() const { return impl_->is_packed; }
const char* Model::kernel_variant() const { return impl_->step.kernels->name; }

Result<std::span<const float>> Model::Forward(Batch batch, KvStorage& kv) {
  MIMO_RETURN_IF_ERROR(impl_->Check(batch));
  ForwardStep& step = impl_->step;
  impl_->Begin(batch);
  for (uint32_t i = 0; i < impl_->config.num_hidden_layers; ++i)
    impl_->Layer(impl_->weights.layers[i], i, kv);
  step.Norm(step.x, impl_->weights.norm, &step.hidden);
  return impl_->Head(step.hidden);
}

std::span<const float> Model::hidden_states() const {
  ForwardStep& step = impl_->step;
  return {step.hidden.row(0), size_t{step.num_tokens} * impl_->config.hidden_size};
}

Result<std::span<const float>> Model::ForwardMtp(uint32_t head, Batch batch, std::span<const float> hidden,
                                                 KvStorage& kv) {
  MIMO_RETURN_IF_ERROR(impl_->Check(batch));
  if (head >= impl_->weights.mtp_layers.size()) {
    return InvalidArgument("MTP head {} of a checkpoint with {}", head, impl_->weights.mtp_layers.size());
  }
  const MtpWeights& mtp = impl_->weights.mtp_layers[head];
  ForwardStep& step = impl_->step;
  const uint32_t hidden_size = impl_->config.hidden_size;
  impl_->Begin(batch);
  if (hidden.size() != size_t{step.num_tokens} * hidden_size) {
    return InvalidArgument("{} hidden values for {} tokens", hidden.size(), step.num_tokens);
  }
  const float epsilon = impl_->config.layernorm_epsilon;
  for (uint32_t token = 0; token < step.num_tokens; ++token) {
    float* const embedding_half = step.mtp_input.row(token) + (mtp.embedding_first ? 0 : hidden_size);
    float* const hidden_half = step.mtp_input.row(token) + (mtp.embedding_first ? hidden_size : 0);
    step.kernels->rms_norm(step.x.row(token), mtp.embedding_norm.data(), hidden_size, epsilon,
                           embedding_half);
    step.kernels->rms_norm(hidden.data() + size_t{token} * hidden_size, mtp.hidden_norm.data(), hidden_size,
                           epsilon, hidden_half);
  }
  step.MatMul(mtp.eh_proj, step.mtp_input, &step.x);
  impl_->Layer(mtp.layer, impl_->config.num_hidden_layers + head, kv);
  step.Norm(step.x, mtp.final_layernorm, &step.normed);
  return impl_->Head(step.normed);
}

}  // namespace mimo

#include "weights/synth_plan.h"

#include <fmt/core.h>

#include <cmath>
#include <utility>

#include "kernels/matrix_view.h"
#include "weights/synth_presets.h"

namespace mimo {
namespace {

constexpr const char* kMtpFileName = "model_mtp.safetensors";

struct SynthTensor {
  TensorLayout layout;
  SynthStream stream;
};

// Logits of magnitude 4 or so come out of N(0, 1 / fan-in) weights between norms near 1.
SynthDistribution DistributionOf(const TensorSpec& spec) {
  switch (spec.role) {
    case TensorRole::kEmbedTokens:
      return {0.0F, 1.0F};
    case TensorRole::kSinks:
      return {0.5F, 1.0F};
    case TensorRole::kRouterBias:
    case TensorRole::kQBias:
    case TensorRole::kKBias:
    case TensorRole::kVBias:
      return {0.0F, 0.1F};
    default:
      break;
  }
  if (spec.shape.size() == 1) return {1.0F, 0.1F};  // norms
  // Wider for the router, so that a few experts stand out.
  const float gain = spec.role == TensorRole::kRouter ? 1.5F : 1.0F;
  return {0.0F, gain / std::sqrt(static_cast<float>(spec.shape.back()))};
}

// The released files keep o_proj in bf16 although the format could store it as FP8.
bool IsStoredQuantized(const TensorSpec& spec) {
  return spec.quantized_forms != QuantizedForms::kNone && spec.role != TensorRole::kOProj;
}

StoredType SafetensorsTypeOf(const TensorSpec& spec, const SynthPlan& plan) {
  if (plan.type == SynthType::kF32 || spec.role == TensorRole::kRouterBias) return StoredType::kF32;
  if (spec.role == TensorRole::kRouter) return plan.router_is_bf16 ? StoredType::kBf16 : StoredType::kF32;
  if (plan.type == SynthType::kBf16 || !IsStoredQuantized(spec)) return StoredType::kBf16;
  if (plan.type == SynthType::kMxFp4 && spec.quantized_forms == QuantizedForms::kFp8OrMxFp4) {
    return StoredType::kU8;
  }
  return StoredType::kFp8E4M3;
}

StoredType GgufTypeOf(const TensorSpec& spec, const SynthPlan& plan) {
  // As llama.cpp's converter does: vectors and the router in float32.
  if (spec.shape.size() == 1 || spec.role == TensorRole::kRouter) return StoredType::kF32;
  if (plan.type == SynthType::kF32) return StoredType::kF32;
  if (plan.type == SynthType::kQ80) return StoredType::kQ80;
  return plan.type == SynthType::kF16 ? StoredType::kF16 : StoredType::kBf16;
}

// The tensor, and its scales where the type has some.
std::vector<SynthTensor> StoredTensors(const TensorSpec& spec, StoredType type, uint64_t seed) {
  std::vector<SynthTensor> tensors(1);
  const SynthDistribution distribution = DistributionOf(spec);
  tensors[0].layout = {spec.name, type, StoredShape(spec, type), 0};
  tensors[0].stream = {SynthKey(seed, spec.name), type, SynthElement::kValue, distribution};
  if (const std::string name = ScaleName(spec, type); !name.empty()) {
    const bool is_fp8 = type == StoredType::kFp8E4M3;
    const StoredType scale_type = is_fp8 ? StoredType::kF32 : StoredType::kU8;
    const SynthElement element = is_fp8 ? SynthElement::kFp8Scale : SynthElement::kMxFp4Scale;
    tensors.push_back({{name, scale_type, ScaleShape(spec, type), 0},
                       {SynthKey(seed, name), scale_type, element, distribution}});
  }
  return tensors;
}

Json QuantizationConfig(const SynthPlan& plan) {
  Json ignored = Json::array();
  for (uint32_t layer = 0; layer < plan.geometry.num_hidden_layers; ++layer) {
    ignored.push_back(fmt::format("model.layers.{}.self_attn.o_proj", layer));
  }
  ignored.push_back("model.decoder.self_attn.o_proj");
  Json quantization = {{"quant_method", "fp8"},
                       {"fmt", "e4m3"},
                       {"activation_scheme", "dynamic"},
                       {"weight_block_size", {128, 128}},
                       {"ignored_layers", std::move(ignored)}};
  if (plan.type == SynthType::kMxFp4) {
    quantization["store_dtype"] = "mxfp4";
    quantization["mxfp4_block_size"] = kMxFp4BlockSize;
  }
  return quantization;
}

Result<SynthType> ResolveType(SynthType type, CheckpointFormat format, bool experts_are_mxfp4) {
  if (format == CheckpointFormat::kGguf) {
    if (type == SynthType::kAsReleased) return SynthType::kBf16;
    if (type == SynthType::kFp8 || type == SynthType::kMxFp4) {
      return InvalidArgument("a .gguf file cannot have this type (--type): use bf16, f16, f32 or q8_0");
    }
    return type;
  }
  if (type == SynthType::kAsReleased) return experts_are_mxfp4 ? SynthType::kMxFp4 : SynthType::kFp8;
  if (type == SynthType::kF16 || type == SynthType::kQ80) {
    return InvalidArgument("no folder has this type (--type): use bf16, f32, fp8 or mxfp4");
  }
  return type;
}

Status CheckDivisions(const SynthPlan& plan, CheckpointFormat format) {
  const ModelConfig& geometry = plan.geometry;
  if (plan.type == SynthType::kMxFp4 && (geometry.hidden_size % kMxFp4BlockSize != 0 ||
                                         geometry.moe_intermediate_size % kMxFp4BlockSize != 0)) {
    return InvalidArgument(
        "hidden_size and moe_intermediate_size must be multiples of 32 for MXFP4 (--set): correct them");
  }
  if (format == CheckpointFormat::kGguf) {
    for (const TensorSpec& spec : TensorTable(geometry, format)) {
      if (GgufTypeOf(spec, plan) != StoredType::kQ80 || spec.shape.back() % kQ80BlockSize == 0) continue;
      return InvalidArgument(
          "tensor '{}' has rows of {} columns, q8_0 needs multiples of 32 (--set): correct it", spec.name,
          spec.shape.back());
    }
    return {};
  }
  for (const AttentionGeometry* kind : {&geometry.full_attention, &geometry.sliding_attention}) {
    if (kind->num_key_value_heads % geometry.qkv_chunks != 0 ||
        kind->num_attention_heads % geometry.qkv_chunks != 0) {
      return InvalidArgument(
          "head counts must be multiples of num_key_value_heads = {} (--set): correct them",
          geometry.qkv_chunks);
    }
  }
  return {};
}

bool IsMtp(const TensorSpec& spec) { return spec.mtp_index != kNoIndex; }

}  // namespace

Result<SynthPlan> MakeSynthPlan(const SynthOptions& options, CheckpointFormat format) {
  MIMO_ASSIGN_OR_RETURN(SynthConfig synth, MakeSynthConfig(options.like, options.overrides));
  SynthPlan plan;
  plan.router_is_bf16 = synth.router_is_bf16;
  MIMO_ASSIGN_OR_RETURN(plan.type, ResolveType(options.type, format, synth.experts_are_mxfp4));
  Json full_config = synth.config;
  full_config["num_nextn_predict_layers"] = synth.num_mtp_layers;
  MIMO_ASSIGN_OR_RETURN(plan.geometry, ParseModelConfig(DumpJson(full_config), {}));
  MIMO_RETURN_IF_ERROR(CheckDivisions(plan, format));
  plan.config = std::move(synth.config);
  plan.config["dtype"] = plan.type == SynthType::kF32 ? "float32" : "bfloat16";
  if (plan.type == SynthType::kFp8 || plan.type == SynthType::kMxFp4) {
    plan.config["quantization_config"] = QuantizationConfig(plan);
  }
  return plan;
}

void AddSafetensorsFiles(const SynthOptions& options, SynthPlan* plan) {
  std::vector<SynthFile> shards;
  SynthFile mtp_file;
  mtp_file.name = kMtpFileName;
  uint64_t shard_bytes = 0;
  for (const TensorSpec& spec : TensorTable(plan->geometry, CheckpointFormat::kSafetensors)) {
    plan->parameters += spec.num_elements();
    for (SynthTensor& tensor : StoredTensors(spec, SafetensorsTypeOf(spec, *plan), options.seed)) {
      const uint64_t num_bytes = tensor.layout.num_bytes();
      const bool is_full = shard_bytes > 0 && shard_bytes + num_bytes > options.shard_bytes_max;
      if (!IsMtp(spec) && (shards.empty() || is_full)) {
        shards.emplace_back();
        shard_bytes = 0;
      }
      SynthFile& file = IsMtp(spec) ? mtp_file : shards.back();
      if (!IsMtp(spec)) shard_bytes += num_bytes;
      file.tensors.push_back(std::move(tensor.layout));
      file.streams.push_back(tensor.stream);
    }
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    plan->files.push_back(std::move(shards[i]));
  }
  if (!mtp_file.tensors.empty()) plan->files.push_back(std::move(mtp_file));
  for (SynthFile& file : plan->files) file.header = SafetensorsHeader(file.tensors);
}

void AddGgufTensors(const SynthOptions& options, SynthPlan* plan, SynthFile* file) {
  for (const TensorSpec& spec : TensorTable(plan->geometry, CheckpointFormat::kGguf)) {
    plan->parameters += spec.num_elements();
    for (SynthTensor& tensor : StoredTensors(spec, GgufTypeOf(spec, *plan), options.seed)) {
      file->tensors.push_back(std::move(tensor.layout));
      file->streams.push_back(tensor.stream);
    }
  }
}

}  // namespace mimo

#include "apps/commands/inspect_report.h"

#include <fmt/core.h>

#include <algorithm>

namespace mimo {
namespace {

std::string Billions(uint64_t count) { return fmt::format("{:.3f} B", static_cast<double>(count) / 1e9); }

std::string Bytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.2f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.2f} MB", value / 1e6);
  if (value >= 1e3) return fmt::format("{:.2f} kB", value / 1e3);
  return fmt::format("{} B", bytes);
}

uint64_t NumSliding(const ModelConfig& config) {
  return static_cast<uint64_t>(std::count(config.is_sliding.begin(), config.is_sliding.end(), true));
}

Json AttentionJson(const AttentionGeometry& attention) {
  return {{"num_attention_heads", attention.num_attention_heads},
          {"num_key_value_heads", attention.num_key_value_heads},
          {"head_dim", attention.head_dim},
          {"v_head_dim", attention.v_head_dim},
          {"rotary_dim", attention.rotary_dim},
          {"rope_theta", attention.rope_theta},
          {"window", attention.window},
          {"sinks", attention.has_sinks}};
}

Json GeometryJson(const ModelConfig& config) {
  const uint64_t num_sliding = NumSliding(config);
  return {{"architecture", config.architecture},
          {"hidden_size", config.hidden_size},
          {"num_hidden_layers", config.num_hidden_layers},
          {"num_full_attention_layers", config.num_hidden_layers - num_sliding},
          {"num_sliding_attention_layers", num_sliding},
          {"num_nextn_predict_layers", config.num_nextn_predict_layers},
          {"vocab_size", config.vocab_size},
          {"max_position_embeddings", config.max_position_embeddings},
          {"intermediate_size", config.intermediate_size},
          {"moe_intermediate_size", config.moe_intermediate_size},
          {"n_routed_experts", config.n_routed_experts},
          {"num_experts_per_tok", config.num_experts_per_tok},
          {"fused_qkv", config.fused_qkv},
          {"layernorm_epsilon", config.layernorm_epsilon},
          {"attention_value_scale", config.attention_value_scale},
          {"full_attention", AttentionJson(config.full_attention)},
          {"sliding_attention", AttentionJson(config.sliding_attention)}};
}

std::string AttentionText(const char* name, uint64_t num_layers, const AttentionGeometry& attention) {
  if (num_layers == 0) return {};
  const std::string window = attention.window > 0 ? fmt::format(", window {}", attention.window) : "";
  return fmt::format("{:<22}{} layers, {} heads, {} KV heads, dimensions {} / {}, {} rotate{}{}\n", name,
                     num_layers, attention.num_attention_heads, attention.num_key_value_heads,
                     attention.head_dim, attention.v_head_dim, attention.rotary_dim, window,
                     attention.has_sinks ? ", sinks" : "");
}

std::string GeometryText(const ModelConfig& config) {
  const uint64_t num_sliding = NumSliding(config);
  std::string text = fmt::format("{:<22}{}\n", "architecture", config.architecture);
  text += fmt::format("{:<22}{} layers and {} MTP layers, hidden {}, vocabulary {}, context {}\n", "geometry",
                      config.num_hidden_layers, config.num_nextn_predict_layers, config.hidden_size,
                      config.vocab_size, config.max_position_embeddings);
  text += AttentionText("full attention", config.num_hidden_layers - num_sliding, config.full_attention);
  text += AttentionText("sliding attention", num_sliding, config.sliding_attention);
  if (config.n_routed_experts > 0) {
    text += fmt::format("{:<22}{}, {} per token, intermediate {}\n", "experts", config.n_routed_experts,
                        config.num_experts_per_tok, config.moe_intermediate_size);
  }
  return text;
}

std::string FitText(const InspectReport& report) {
  if (report.all_fits()) return "weights and this context";
  if (report.weights_fit())
    return fmt::format("weights and {} tokens of context", report.context_that_fits());
  return fmt::format("not the weights: {} are missing",
                     Bytes(report.weight_bytes() - report.memory.available_bytes));
}

}  // namespace

uint64_t InspectReport::context_that_fits() const {
  const uint64_t fixed = weight_bytes() + kv_bytes_per_sequence;
  if (fixed > memory.available_bytes) return 0;
  const uint64_t limit = checkpoint->config().max_position_embeddings;
  if (kv_bytes_per_token == 0) return limit;
  return std::min(limit, (memory.available_bytes - fixed) / kv_bytes_per_token);
}

Json ReportJson(const InspectReport& report) {
  const CheckpointSummary& summary = report.summary;
  Json types = Json::array();
  for (const TypeSummary& type : summary.types) {
    types.push_back({{"type", type.type_name}, {"tensors", type.tensors}, {"bytes", type.bytes}});
  }
  return {{"path", report.checkpoint->path()},
          {"format", report.checkpoint->is_gguf() ? "gguf" : "safetensors"},
          {"geometry", GeometryJson(report.checkpoint->config())},
          {"parameters", summary.parameters},
          {"parameters_active", summary.parameters_active},
          {"parameters_mtp", summary.parameters_mtp},
          {"tensor_types", types},
          {"trunk_bytes", summary.trunk_bytes},
          {"mtp_bytes", summary.mtp_bytes},
          {"other_bytes", summary.other_bytes},
          {"missing_tensors", summary.missing_tensors},
          {"decode_bytes_per_token", summary.decode_bytes_per_token},
          {"kv_bytes_per_token", report.kv_bytes_per_token},
          {"kv_bytes_per_sequence", report.kv_bytes_per_sequence},
          {"context", report.context},
          {"kv_bytes_at_context", report.kv_bytes()},
          {"memory_total_bytes", report.memory.total_bytes},
          {"memory_available_bytes", report.memory.available_bytes},
          {"weights_fit", report.weights_fit()},
          {"weights_and_context_fit", report.all_fits()},
          {"context_that_fits", report.context_that_fits()}};
}

std::string ReportText(const InspectReport& report) {
  const CheckpointSummary& summary = report.summary;
  std::string text = GeometryText(report.checkpoint->config());
  text += fmt::format("{:<22}{} in all, {} active, {} in MTP layers\n", "parameters",
                      Billions(summary.parameters), Billions(summary.parameters_active),
                      Billions(summary.parameters_mtp));
  for (const TypeSummary& type : summary.types) {
    text += fmt::format("{:<22}{} in {} tensors\n", type.type_name, Bytes(type.bytes), type.tensors);
  }
  if (summary.missing_tensors > 0)
    text += fmt::format("{:<22}{}\n", "missing tensors", summary.missing_tensors);
  text += fmt::format("{:<22}{} of weights\n", "read per token", Bytes(summary.decode_bytes_per_token));
  text += fmt::format("{:<22}{} per token, {} per sequence; {} at {} tokens\n", "KV cache",
                      Bytes(report.kv_bytes_per_token), Bytes(report.kv_bytes_per_sequence),
                      Bytes(report.kv_bytes()), report.context);
  text +=
      fmt::format("{:<22}{} available of {}: {}\n", "fits this machine", Bytes(report.memory.available_bytes),
                  Bytes(report.memory.total_bytes), FitText(report));
  return text;
}

}  // namespace mimo

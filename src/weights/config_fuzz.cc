// Any bytes as a config.json; what is accepted must give a table of bounded size.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/log.h"
#include "weights/model_config.h"
#include "weights/tensor_table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mimo::SetLogLevel(mimo::LogLevel::kError);
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = mimo::ParseModelConfig(text, {});
  if (!config) return 0;
  const mimo::AttentionGeometry& kind = config->full_attention;
  MIMO_CHECK(kind.num_attention_heads % kind.num_key_value_heads == 0);
  MIMO_CHECK(kind.rotary_dim % 2 == 0 && kind.rotary_dim <= kind.head_dim);
  MIMO_CHECK(config->is_sliding.size() == config->num_hidden_layers);
  MIMO_CHECK(config->is_sparse.size() == config->num_hidden_layers);
  if (uint64_t{config->num_hidden_layers} * config->n_routed_experts > 1024) return 0;  // keeps a run fast
  for (const mimo::TensorSpec& spec : mimo::TensorTable(*config, mimo::CheckpointFormat::kSafetensors)) {
    MIMO_CHECK(spec.num_elements() > 0);
    if (spec.quantized_forms != mimo::QuantizedForms::kNone) {
      static_cast<void>(mimo::ScaleShape(spec, mimo::StoredType::kFp8E4M3));
    }
  }
  return 0;
}

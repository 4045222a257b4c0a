"""Writes the tensors of RandomWeights as a Hugging Face folder or as llama.cpp's GGUF (architecture mimo2)."""
import json
import re

import numpy as np
import torch
from safetensors.torch import save_file

from geometry import official_config
from random_weights import mtp_names

NUM_SHARDS = 2


def write_checkpoint(geometry, weights, folder):
    folder.mkdir(parents=True, exist_ok=True)
    if geometry.container == "gguf":
        write_gguf(geometry, weights.values, folder / "model.gguf")
        return
    write_json(official_config(geometry), folder / "config.json")
    if geometry.container == "single":
        save_file(weights.disk, folder / "model.safetensors", metadata={"format": "pt"})
    else:
        _write_shards(geometry, weights.disk, folder)


def write_json(value, path):
    path.write_text(json.dumps(value, indent=1) + "\n")


def _shard_of(geometry, name):
    """File names of the released repositories: experts are spread over "ep" shards, MTP has its own file."""
    if ".mtp" in name:
        return "model_mtp.safetensors"
    expert = re.search(r"\.experts\.(\d+)\.", name)
    shard = int(expert[1]) % NUM_SHARDS if expert else 0
    if geometry.straddle and "weight_scale" in name:
        shard = (shard + 1) % NUM_SHARDS
    return f"model_pp0_ep{shard}_shard0.safetensors"


def _write_shards(geometry, disk, folder):
    weight_map = {name: _shard_of(geometry, name) for name in sorted(disk)}
    for file in sorted(set(weight_map.values())):
        tensors = {name: disk[name] for name in disk if weight_map[name] == file}
        save_file(tensors, folder / file, metadata={"format": "pt"})
    metadata = {"total_size": sum(t.numel() * t.element_size() for t in disk.values())}
    if not geometry.is_mimo7b:
        metadata["tp_size"] = geometry.ckpt_tp
    if geometry.weights == "mxfp4":
        metadata["save_format"] = "mxfp4"
    write_json({"metadata": metadata, "weight_map": weight_map}, folder / "model.safetensors.index.json")


# Names after the layer's prefix -> names after "blk.N." in llama.cpp.
_GGUF_LAYER_NAMES = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "pre_mlp_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.attention_sink_bias": "attn_sinks.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight",
    "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
    "eh_proj.weight": "nextn.eh_proj.weight",
    "enorm.weight": "nextn.enorm.weight",
    "hnorm.weight": "nextn.hnorm.weight",
    "final_layernorm.weight": "nextn.shared_head_norm.weight",
}
_GGUF_MODEL_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def _gguf_layer(values, prefix, block, fused):
    """name -> float32 tensor of one block; experts stacked, q, k and v joined flat where the layout is fused."""
    tensors = {}
    experts = {}
    for name, value in values.items():
        if not name.startswith(prefix):
            continue
        rest = name[len(prefix):]
        expert = re.fullmatch(r"mlp\.experts\.\d+\.(gate|up|down)_proj\.weight", rest)
        if expert:
            experts.setdefault(expert[1], []).append(value)
        else:
            tensors[f"blk.{block}.{_GGUF_LAYER_NAMES[rest]}"] = value
    for part, stack in experts.items():
        tensors[f"blk.{block}.ffn_{part}_exps.weight"] = torch.stack(stack)
    if fused:
        parts = [tensors.pop(f"blk.{block}.attn_{part}.weight") for part in "qkv"]
        tensors[f"blk.{block}.attn_qkv.weight"] = torch.cat(parts)
    return tensors


def gguf_tensors(geometry, values):
    """All tensors under llama.cpp's names, float32."""
    tensors = {ours: values[name] for name, ours in _GGUF_MODEL_NAMES.items()}
    fused = geometry.layout == "fused"
    for layer in range(geometry.layers):
        tensors |= _gguf_layer(values, f"model.layers.{layer}.", layer, fused)
    for head in range(geometry.mtp):
        tensors |= _gguf_layer(values, mtp_names(geometry, head)["prefix"], geometry.layers + head, fused)
    return tensors


def _gguf_metadata(g, writer, gguf):
    pattern = [int(c) for c in g.pattern] + [1] * g.mtp
    writer.add_block_count(g.layers + g.mtp)
    writer.add_context_length(262144)
    writer.add_embedding_length(g.hidden)
    writer.add_feed_forward_length(g.inter)
    writer.add_vocab_size(g.vocab)
    writer.add_head_count(g.heads)
    writer.add_head_count_kv([g.kv_heads_of(bool(sliding)) for sliding in pattern])
    writer.add_key_length(g.head_dim)
    writer.add_value_length(g.v_head_dim)
    writer.add_sliding_window(g.window)
    writer.add_array("mimo2.attention.sliding_window_pattern", pattern)
    writer.add_float32("mimo2.attention.value_scale", g.value_scale)
    writer.add_layer_norm_rms_eps(g.eps)
    writer.add_rope_dimension_count(g.rotary_dim)
    writer.add_rope_freq_base(g.rope_theta)
    writer.add_rope_freq_base_swa(g.swa_rope_theta)
    writer.add_expert_count(g.experts)
    writer.add_expert_used_count(g.topk)
    writer.add_expert_feed_forward_length(g.moe_inter)
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_norm(g.norm_topk)
    writer.add_nextn_predict_layers(g.mtp)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"t{i}" for i in range(g.vocab)])
    writer.add_token_types([1] * g.vocab)
    writer.add_token_merges([])
    writer.add_eos_token_id(g.vocab - 1)


def write_gguf(geometry, values, path):
    """Vectors and the router are float32 as in llama.cpp's files, matrices of the geometry's type."""
    import gguf
    kinds = gguf.GGMLQuantizationType
    matrix_type = {"f32": kinds.F32, "f16": kinds.F16, "bf16": kinds.BF16}[geometry.weights]
    writer = gguf.GGUFWriter(str(path), "mimo2")
    _gguf_metadata(geometry, writer, gguf)
    for name, value in gguf_tensors(geometry, values).items():
        array = value.numpy()
        keep = array.ndim == 1 or "ffn_gate_inp" in name or matrix_type == kinds.F32
        kind = kinds.F32 if keep else matrix_type
        data = array.astype(np.float32) if keep else gguf.quantize(array, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

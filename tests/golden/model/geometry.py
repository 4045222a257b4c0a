"""The hyper-parameters of one small checkpoint, and the config.json they make."""
import dataclasses
import math


@dataclasses.dataclass
class Geometry:
    """Field names are short forms of config.json's keys; official_config() gives the long ones."""

    family: str = "v2"  # "v2" (V2-Flash and later) or "mimo7b" (dense, QKV bias)
    seed: int = 0
    layers: int = 2
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 2  # full-attention layers
    swa_kv_heads: int = 0  # sliding layers; 0 = twice kv_heads (V2-Flash, V2.5); Pro uses the same count
    head_dim: int = 24
    v_head_dim: int = 16
    partial_rotary: float = 0.334
    experts: int = 4
    topk: int = 2
    moe_inter: int = 16
    inter: int = 32
    vocab: int = 96
    embed_std: float = 1.0  # small embeddings make the norms' epsilon count
    window: int = 4
    rope_theta: float = 5e6
    swa_rope_theta: float = 1e4
    value_scale: float = 0.707
    eps: float = 1e-5
    pattern: str = ""  # "0110": 0 = full attention, 1 = sliding; empty: first layer and every 6th are full
    norm_topk: bool = True
    routed_scale: float = 0.0  # 0 = null in config.json, that is 1
    weights: str = "bf16"  # f32, f16, bf16, fp8 (128x128 blocks), mxfp4 (experts; the rest fp8)
    router_bf16: bool = False  # V2.6; earlier checkpoints store the router in f32
    layout: str = "split"  # split q/k/v or fused qkv
    ckpt_tp: int = 0  # row chunks of the attention projections; 0 = kv_heads
    plain_scales: bool = False  # split layout: one scale grid over the whole tensor, not one per row chunk
    mtp: int = 0
    mtp_in_config: bool = True  # released configs before V2.6 omit num_nextn_predict_layers
    container: str = "sharded"  # sharded, single (one safetensors file, no index), gguf
    straddle: bool = False  # scales lie in another shard than their weights, as the released files do
    multimodal: bool = False  # adds vision and audio tensors, which a text model must skip

    def __post_init__(self):
        self.swa_kv_heads = self.swa_kv_heads or (self.kv_heads if self.is_mimo7b else 2 * self.kv_heads)
        self.ckpt_tp = self.ckpt_tp or self.kv_heads
        if not self.pattern:
            self.pattern = "".join("0" if i == 0 or (i + 1) % 6 == 0 else "1" for i in range(self.layers))
        if self.is_mimo7b:
            self.pattern = "0" * self.layers
            self.partial_rotary, self.v_head_dim, self.value_scale = 1.0, self.head_dim, 1.0
        self.check()

    def check(self):
        assert len(self.pattern) == self.layers
        assert self.heads % self.kv_heads == 0 and self.heads % self.swa_kv_heads == 0
        assert self.rotary_dim % 2 == 0 and self.rotary_dim > 0, f"rotary dimensions {self.rotary_dim}"
        if self.chunked_attention:
            for count in (self.heads, self.kv_heads, self.swa_kv_heads):
                assert count % self.ckpt_tp == 0, "head counts must divide by ckpt_tp"
        if self.weights == "mxfp4":
            assert self.hidden % 32 == 0 and self.moe_inter % 32 == 0

    @property
    def is_mimo7b(self):
        return self.family == "mimo7b"

    @property
    def rotary_dim(self):
        return int(self.head_dim * self.partial_rotary)

    @property
    def is_fp8(self):
        return self.weights in ("fp8", "mxfp4")

    @property
    def chunked_attention(self):
        return self.layout == "fused" or (self.is_fp8 and not self.plain_scales)

    def scale_chunks(self, rows):
        """Row chunks of the scale grid of a split FP8 projection.

        The number of scale rows is all that tells a reader which grid it is, so only where it differs from that of
        the plain grid can a checkpoint be chunked.
        """
        chunked = self.ckpt_tp * math.ceil(rows / self.ckpt_tp / 128)
        return 1 if self.plain_scales or chunked == math.ceil(rows / 128) else self.ckpt_tp

    @property
    def mtp_is_sliding(self):
        return not self.is_mimo7b

    def is_sliding(self, layer):
        return self.pattern[layer] == "1"

    def is_sparse(self, layer):
        return not self.is_mimo7b and layer > 0

    def kv_heads_of(self, sliding):
        return self.swa_kv_heads if sliding else self.kv_heads


def _mimo7b_config(g):
    config = {
        "architectures": ["MiMoForCausalLM"], "model_type": "mimo", "hidden_size": g.hidden,
        "intermediate_size": g.inter, "num_hidden_layers": g.layers, "num_attention_heads": g.heads,
        "num_key_value_heads": g.kv_heads, "head_dim": g.head_dim, "attention_bias": True, "rms_norm_eps": g.eps,
        "rope_theta": g.rope_theta, "max_position_embeddings": 32768, "vocab_size": g.vocab,
        "bos_token_id": 0, "eos_token_id": g.vocab - 1, "pad_token_id": 0, "hidden_act": "silu",
        "tie_word_embeddings": False, "num_nextn_predict_layers": g.mtp,
    }
    if not g.mtp_in_config:
        del config["num_nextn_predict_layers"]
    return config


def _quantization_config(g):
    config = {
        "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
        # The released list also names a layer that does not exist.
        "ignored_layers": [f"model.layers.{i}.self_attn.o_proj" for i in range(g.layers)]
        + ["model.decoder.self_attn.o_proj"],
        "store_dtype": g.weights,
    }
    if g.weights == "mxfp4":
        config["mxfp4_block_size"] = 32
    return config


def official_config(g):
    """config.json under the published keys."""
    if g.is_mimo7b:
        return _mimo7b_config(g)
    fused = g.layout == "fused"
    config = {
        "architectures": ["MiMoV2ForCausalLM" if fused else "MiMoV2FlashForCausalLM"],
        "model_type": "mimo_v2" if fused else "mimo_v2_flash",
        "hidden_act": "silu", "hidden_size": g.hidden, "intermediate_size": g.inter,
        "num_hidden_layers": g.layers, "vocab_size": g.vocab, "max_position_embeddings": 262144,
        "num_attention_heads": g.heads, "num_key_value_heads": g.kv_heads,
        "head_dim": g.head_dim, "v_head_dim": g.v_head_dim,
        "swa_num_attention_heads": g.heads, "swa_num_key_value_heads": g.swa_kv_heads,
        "swa_head_dim": g.head_dim, "swa_v_head_dim": g.v_head_dim,
        "hybrid_layer_pattern": [int(c) for c in g.pattern], "hybrid_block_size": None,
        "sliding_window": g.window, "sliding_window_size": g.window, "attention_chunk_size": g.window,
        "add_swa_attention_sink_bias": True, "add_full_attention_sink_bias": False,
        "attention_bias": False, "attention_dropout": 0.0, "attention_value_scale": g.value_scale,
        "partial_rotary_factor": g.partial_rotary, "rope_theta": g.rope_theta, "swa_rope_theta": g.swa_rope_theta,
        "rope_scaling": {"rope_type": "default", "type": "default"},
        "layernorm_epsilon": g.eps, "tie_word_embeddings": False, "initializer_range": 0.02, "use_cache": True,
        "moe_layer_freq": [int(g.is_sparse(i)) for i in range(g.layers)], "moe_intermediate_size": g.moe_inter,
        "n_routed_experts": g.experts, "n_shared_experts": None, "num_experts_per_tok": g.topk,
        "n_group": 1, "topk_group": 1, "norm_topk_prob": g.norm_topk,
        "routed_scaling_factor": g.routed_scale or None, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
        "eos_token_id": g.vocab - 1, "pad_token_id": 0, "dtype": "float32" if g.weights == "f32" else "bfloat16",
    }
    if g.mtp_in_config:
        config["num_nextn_predict_layers"] = g.mtp
    if fused:
        config["attention_projection_layout"] = "fused_qkv"
    if g.is_fp8:
        config["quantization_config"] = _quantization_config(g)
    if g.multimodal:
        config["vision_config"] = {"depth": 1, "hidden_size": 32, "num_heads": 2, "patch_size": 4}
        config["audio_config"] = {"audio_channels": 2, "input_local_layers": 1, "input_local_dim": 32}
    return config

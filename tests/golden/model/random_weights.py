"""Random weights of one geometry, under the names of a released safetensors checkpoint."""
import torch

from quantizers import fp8_quantize, mxfp4_quantize

STORED_TYPE = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "fp8": torch.bfloat16,
               "mxfp4": torch.bfloat16}


class RandomWeights:
    """Draws all tensors at construction.

    disk   official name -> tensor as stored
    values plain name -> the float32 values that the stored tensors represent; q, k and v always apart
    """

    def __init__(self, geometry):
        self.geometry = geometry
        self.generator = torch.Generator().manual_seed(geometry.seed)
        self.type = STORED_TYPE[geometry.weights]
        self.disk = {}
        self.values = {}
        self._model()

    def _normal(self, *shape, std=1.0, mean=0.0):
        return torch.randn(*shape, generator=self.generator) * std + mean

    def _matrix(self, rows, cols, gain=1.0):
        return self._normal(rows, cols, std=gain * cols ** -0.5).to(self.type)

    def _store(self, name, tensor, stored_type=None):
        stored = tensor.to(stored_type or self.type).contiguous()
        self.disk[name] = stored
        self.values[name] = stored.float()

    def _store_fp8(self, name, weight, chunks=1):
        codes, scale, value = fp8_quantize(weight, chunks)
        self.disk[name + ".weight"], self.disk[name + ".weight_scale_inv"] = codes, scale
        return value

    def _linear(self, name, rows, cols):
        """A matrix that FP8 checkpoints quantise."""
        weight = self._matrix(rows, cols)
        if self.geometry.is_fp8:
            self.values[name + ".weight"] = self._store_fp8(name, weight)
        else:
            self._store(name + ".weight", weight)

    def _norm(self, name):
        self._store(name + ".weight", self._normal(self.geometry.hidden, std=0.1, mean=1.0))

    def _fused_qkv(self, prefix, q, k, v):
        """Chunk r holds the q, then the k, then the v heads of rank r; FP8 blocks straddle the seams."""
        g, tp = self.geometry, self.geometry.ckpt_tp
        ranks = zip(q.chunk(tp), k.chunk(tp), v.chunk(tp))
        fused = torch.cat([torch.cat(rank) for rank in ranks])
        name = prefix + "qkv_proj"
        if g.is_fp8:
            value = self._store_fp8(name, fused, tp)
        else:
            self.disk[name + ".weight"] = fused.contiguous()
            value = fused.float()
        chunks = value.view(tp, -1, g.hidden)
        sizes = [t.shape[0] // tp for t in (q, k, v)]
        for part, rows in zip("qkv", chunks.split(sizes, dim=1)):
            self.values[f"{prefix}{part}_proj.weight"] = rows.reshape(-1, g.hidden).contiguous()

    def _split_qkv(self, prefix, q, k, v):
        g = self.geometry
        for part, weight in zip("qkv", (q, k, v)):
            name = f"{prefix}{part}_proj"
            if g.is_fp8:
                self.values[name + ".weight"] = self._store_fp8(name, weight, g.scale_chunks(len(weight)))
            else:
                self._store(name + ".weight", weight)
            if g.is_mimo7b:
                self._store(name + ".bias", self._normal(weight.shape[0], std=0.3))

    def _attention(self, prefix, sliding):
        g = self.geometry
        kv_heads = g.kv_heads_of(sliding)
        q = self._matrix(g.heads * g.head_dim, g.hidden)
        k = self._matrix(kv_heads * g.head_dim, g.hidden)
        v = self._matrix(kv_heads * g.v_head_dim, g.hidden)
        (self._fused_qkv if g.layout == "fused" else self._split_qkv)(prefix, q, k, v)
        self._store(prefix + "o_proj.weight", self._matrix(g.hidden, g.heads * g.v_head_dim))  # never FP8
        if sliding:
            self._store(prefix + "attention_sink_bias", self._normal(g.heads, mean=0.5))

    def _mlp(self, prefix, inter):
        hidden = self.geometry.hidden
        self._linear(prefix + "gate_proj", inter, hidden)
        self._linear(prefix + "up_proj", inter, hidden)
        self._linear(prefix + "down_proj", hidden, inter)

    def _mxfp4_expert(self, prefix):
        g = self.geometry
        for part, rows, cols in (("gate", g.moe_inter, g.hidden), ("up", g.moe_inter, g.hidden),
                                 ("down", g.hidden, g.moe_inter)):
            name = f"{prefix}{part}_proj.weight"
            packed, scale, value = mxfp4_quantize(self._matrix(rows, cols))
            self.disk[name], self.disk[name + "_scale"], self.values[name] = packed, scale, value

    def _experts(self, prefix):
        g = self.geometry
        router_type = torch.bfloat16 if g.router_bf16 else torch.float32
        self._store(prefix + "gate.weight", self._normal(g.experts, g.hidden, std=1.5 * g.hidden ** -0.5), router_type)
        self._store(prefix + "gate.e_score_correction_bias", self._normal(g.experts, std=0.1), torch.float32)
        for expert in range(g.experts):
            if g.weights == "mxfp4":
                self._mxfp4_expert(f"{prefix}experts.{expert}.")
            else:
                self._mlp(f"{prefix}experts.{expert}.", g.moe_inter)

    def _model(self):
        g = self.geometry
        self._store("model.embed_tokens.weight", self._normal(g.vocab, g.hidden, std=g.embed_std))
        for layer in range(g.layers):
            prefix = f"model.layers.{layer}."
            self._norm(prefix + "input_layernorm")
            self._norm(prefix + "post_attention_layernorm")
            self._attention(prefix + "self_attn.", g.is_sliding(layer))
            if g.is_sparse(layer):
                self._experts(prefix + "mlp.")
            else:
                self._mlp(prefix + "mlp.", g.inter)
        self._norm("model.norm")
        self._store("lm_head.weight", self._matrix(g.vocab, g.hidden))
        for head in range(g.mtp):
            self._mtp_layer(head)
        if g.multimodal:
            self._multimodal()

    def _mtp_layer(self, head):
        g = self.geometry
        names = mtp_names(g, head)
        for part in ("embedding_norm", "hidden_norm", "input_norm", "mlp_norm", "final_norm"):
            self._norm(names[part])
        self._store(names["projection"] + ".weight", self._matrix(g.hidden, 2 * g.hidden))  # never FP8
        self._attention(names["prefix"] + "self_attn.", g.mtp_is_sliding)
        self._mlp(names["prefix"] + "mlp.", g.inter)

    def _multimodal(self):
        """A few tensors with the names of the vision and audio towers; not in `values`."""
        shapes = {
            "visual.patch_embed.proj.weight": (32, 3, 2, 4, 4),
            "visual.blocks.0.norm1.weight": (32,),
            "visual.blocks.0.attn.qkv.weight": (96, 32),
            "visual.blocks.0.attn.qkv.bias": (96,),
            "visual.blocks.0.attn.sinks": (2,),
            "visual.blocks.0.mlp.gate_proj.weight": (48, 32),
            "visual.merger.ln_q.weight": (32,),
            "speech_embeddings.0.weight": (20, 32),
            "speech_embeddings.1.weight": (20, 32),
            "audio_encoder.input_local_transformer.layers.0.self_attn.q_proj.weight": (32, 32),
            "audio_encoder.input_local_transformer.layers.0.self_attn.q_proj.bias": (32,),
            "audio_encoder.input_local_transformer.norm.weight": (32,),
            "audio_encoder.projection.mlp.0.weight": (64, 32),
        }
        for name, shape in shapes.items():
            self.disk[name] = self._normal(*shape).to(torch.bfloat16)


def mtp_names(g, head):
    """Names inside one MTP layer: V2's, or MiMo-7B's own."""
    if g.is_mimo7b:
        prefix = f"model.mtp_layers.{head}."
        parts = {"embedding_norm": "token_layernorm", "hidden_norm": "hidden_layernorm", "projection": "input_proj",
                 "input_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
    else:
        prefix = f"model.mtp.layers.{head}."
        parts = {"embedding_norm": "enorm", "hidden_norm": "hnorm", "projection": "eh_proj",
                 "input_norm": "input_layernorm", "mlp_norm": "pre_mlp_layernorm"}
    parts["final_norm"] = "final_layernorm"
    return {"prefix": prefix} | {part: prefix + name for part, name in parts.items()}

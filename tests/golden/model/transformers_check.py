"""Runs the same weights through transformers' own classes, as a witness for reference.py.

V2 trunks and MTP decoder layers: MiMoV2FlashForCausalLM. MiMo-7B: Qwen2ForCausalLM. An MTP layer is a model
of one layer that starts from the joined embeddings, so only the joining itself has no witness.
"""
import dataclasses

import torch

from random_weights import mtp_names


def can_express(geometry):
    """transformers fixes the KV heads of sliding layers at twice those of full layers; fewer can be repeated."""
    g = geometry
    return g.is_mimo7b or (2 * g.kv_heads % g.swa_kv_heads == 0 and g.heads % (2 * g.kv_heads) == 0)


def _v2_config(g, keys):
    from transformers import MiMoV2FlashConfig
    thetas = {"full_attention": g.rope_theta, "sliding_attention": g.swa_rope_theta}
    return MiMoV2FlashConfig(
        vocab_size=g.vocab, hidden_size=g.hidden, intermediate_size=g.inter, num_hidden_layers=g.layers,
        num_attention_heads=g.heads, num_key_value_heads=g.kv_heads, head_dim=g.head_dim, v_head_dim=g.v_head_dim,
        moe_intermediate_size=g.moe_inter, n_routed_experts=g.experts, num_experts_per_tok=g.topk,
        norm_topk_prob=g.norm_topk, routed_scaling_factor=g.routed_scale or None,
        rms_norm_eps=g.eps, attention_value_scale=g.value_scale, sliding_window=keys,
        layer_types=["sliding_attention" if c == "1" else "full_attention" for c in g.pattern],
        mlp_layer_types=["sparse" if g.is_sparse(i) else "dense" for i in range(g.layers)],
        rope_parameters={kind: {"rope_type": "default", "rope_theta": theta,
                                "partial_rotary_factor": g.partial_rotary} for kind, theta in thetas.items()},
        bos_token_id=None, eos_token_id=g.vocab - 1, pad_token_id=None, attn_implementation="eager")


def _mimo7b_config(g):
    from transformers import Qwen2Config
    return Qwen2Config(
        vocab_size=g.vocab, hidden_size=g.hidden, intermediate_size=g.inter, num_hidden_layers=g.layers,
        num_attention_heads=g.heads, num_key_value_heads=g.kv_heads, head_dim=g.head_dim, rms_norm_eps=g.eps,
        rope_parameters={"rope_type": "default", "rope_theta": g.rope_theta}, tie_word_embeddings=False,
        use_sliding_window=False, bos_token_id=None, eos_token_id=g.vocab - 1, pad_token_id=None,
        attn_implementation="eager")


def _repeat_kv_heads(g, name, value):
    """Sliding layers with fewer KV heads than transformers expects: each head stands in for several."""
    is_kv = name.endswith(("k_proj.weight", "v_proj.weight"))
    if g.is_mimo7b or not is_kv or not g.is_sliding(int(name.split(".")[2])):
        return value
    heads = value.view(g.swa_kv_heads, -1, g.hidden)
    return heads.repeat_interleave(2 * g.kv_heads // g.swa_kv_heads, 0).reshape(-1, g.hidden)


def _state_dict(g, values):
    state = {}
    for name, value in values.items():
        if ".mtp" not in name and ".experts." not in name:
            state[name.replace("attention_sink_bias", "sinks")] = _repeat_kv_heads(g, name, value)
    for layer in filter(g.is_sparse, range(g.layers)):
        prefix = f"model.layers.{layer}.mlp.experts."
        matrices = {part: torch.stack([values[f"{prefix}{e}.{part}_proj.weight"] for e in range(g.experts)])
                    for part in ("gate", "up", "down")}
        state[prefix + "gate_up_proj"] = torch.cat([matrices["gate"], matrices["up"]], 1)
        state[prefix + "down_proj"] = matrices["down"]
    return state


def _build(g, values, keys):
    from transformers import MiMoV2FlashForCausalLM, Qwen2ForCausalLM
    if g.is_mimo7b:
        model = Qwen2ForCausalLM(_mimo7b_config(g))
    else:
        model = MiMoV2FlashForCausalLM(_v2_config(g, keys))
    model.float().eval().load_state_dict(_state_dict(g, values), strict=True)
    return model


def trunk_logits(g, values, keys, ids):
    return _build(g, values, keys)(input_ids=ids[None], use_cache=False).logits[0]


def mtp_logits(g, values, keys, head, joined):
    """joined [tokens, hidden]: Reference.mtp_input, as float32."""
    names = mtp_names(g, head)
    layer = {"embed_tokens.weight": values["model.embed_tokens.weight"],
             "norm.weight": values[names["final_norm"] + ".weight"]}
    rename = {names["input_norm"]: names["prefix"] + "input_layernorm",
              names["mlp_norm"]: names["prefix"] + "post_attention_layernorm"}
    for name, value in values.items():
        owner, _, leaf = name.rpartition(".")
        owner = rename.get(owner, owner)
        if name.startswith(names["prefix"]) and ("self_attn" in name or ".mlp." in name or owner in rename.values()):
            layer["layers.0." + owner.removeprefix(names["prefix"]) + "." + leaf] = value
    state = {"model." + name: value for name, value in layer.items()} | {"lm_head.weight": values["lm_head.weight"]}
    one_layer = dataclasses.replace(g, layers=1, pattern="1" if g.mtp_is_sliding else "0")
    return _build(one_layer, state, keys)(inputs_embeds=joined[None], use_cache=False).logits[0]


def reloaded_logits(g, folder, keys, ids):
    """Reads the files through transformers' own loader; only for unquantised, split V2 folders."""
    from transformers import MiMoV2FlashForCausalLM
    from transformers.utils.logging import disable_progress_bar
    disable_progress_bar()
    model, info = MiMoV2FlashForCausalLM.from_pretrained(
        folder, config=_v2_config(g, keys), dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    return model.eval()(input_ids=ids[None], use_cache=False).logits[0]

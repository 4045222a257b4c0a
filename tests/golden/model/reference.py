"""The forward pass of the MiMo family, written for reading; float64 unless told otherwise.

V2: technical report arXiv 2601.02780 (hybrid attention, learnable sinks, sigmoid router, MTP).
MiMo-7B: Qwen2's decoder with biases on q, k and v, and one MTP layer.
"""
import math

import torch

from random_weights import mtp_names


class Reference:
    """`keys`: how many keys a sliding layer sees, the query's own included."""

    def __init__(self, geometry, values, keys, dtype=torch.float64):
        self.geometry = geometry
        self.weights = {name: value.to(dtype) for name, value in values.items()}
        self.keys = keys
        self.dtype = dtype

    def _rms_norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.geometry.eps) * self.weights[name + ".weight"]

    def _linear(self, x, name):
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if name + ".bias" in self.weights else y

    def _rope(self, x, positions, theta):
        """Rotates the pairs (j, j + r/2) of the first r dimensions; x [tokens, heads, head_dim]."""
        r = self.geometry.rotary_dim
        frequency = theta ** (-torch.arange(0, r, 2, dtype=self.dtype) / r)
        angle = positions[:, None].to(self.dtype) * frequency
        cos, sin = angle.cos()[:, None], angle.sin()[:, None]
        a, b, rest = x[..., :r // 2], x[..., r // 2:r], x[..., r:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], -1)

    def _attention(self, x, prefix, sliding):
        g, tokens = self.geometry, x.shape[0]
        kv_heads = g.kv_heads_of(sliding)
        positions = torch.arange(tokens)
        theta = g.swa_rope_theta if sliding else g.rope_theta
        q = self._rope(self._linear(x, prefix + "q_proj").view(tokens, g.heads, g.head_dim), positions, theta)
        k = self._rope(self._linear(x, prefix + "k_proj").view(tokens, kv_heads, g.head_dim), positions, theta)
        v = self._linear(x, prefix + "v_proj").view(tokens, kv_heads, g.v_head_dim) * g.value_scale
        repeat = g.heads // kv_heads  # query head h reads KV head h // repeat
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        scores = torch.einsum("ihd,jhd->hij", q, k) * g.head_dim ** -0.5
        i, j = positions[:, None], positions[None, :]
        visible = (j <= i) & (j > i - self.keys) if sliding else j <= i
        scores = scores.masked_fill(~visible, -math.inf)
        if sliding:  # the sink is one more logit in the denominator; it has no value row
            sink = self.weights[prefix + "attention_sink_bias"][:, None, None].expand(-1, tokens, 1)
            probabilities = torch.softmax(torch.cat([scores, sink], -1), -1)[..., :-1]
        else:
            probabilities = torch.softmax(scores, -1)
        out = torch.einsum("hij,jhd->ihd", probabilities, v).reshape(tokens, -1)
        return self._linear(out, prefix + "o_proj")

    def _mlp(self, x, prefix):
        gate = self._linear(x, prefix + "gate_proj")
        return self._linear(gate * torch.sigmoid(gate) * self._linear(x, prefix + "up_proj"), prefix + "down_proj")

    def _experts(self, x, prefix):
        """Returns the output and, per token, how far the last chosen expert leads the first one left out."""
        g = self.geometry
        score = torch.sigmoid(self._linear(x, prefix + "gate"))
        choice = score + self.weights[prefix + "gate.e_score_correction_bias"]
        ranked, order = choice.sort(-1, descending=True)
        margin = ranked[:, g.topk - 1] - ranked[:, g.topk] if g.experts > g.topk else torch.full_like(x[:, 0], math.inf)
        chosen = order[:, :g.topk]
        weight = score.gather(1, chosen)
        if g.norm_topk:
            weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
        weight = weight * (g.routed_scale or 1.0)
        out = torch.zeros_like(x)
        for expert in range(g.experts):
            rows, slots = (chosen == expert).nonzero(as_tuple=True)
            if len(rows):
                out[rows] += weight[rows, slots, None] * self._mlp(x[rows], f"{prefix}experts.{expert}.")
        return out, margin

    def trunk(self, ids):
        """ids [tokens] -> (hidden after the last norm, logits, smallest router margin per token)."""
        g = self.geometry
        x = self.weights["model.embed_tokens.weight"][ids]
        margins = torch.full((len(ids),), math.inf, dtype=self.dtype)
        for layer in range(g.layers):
            prefix = f"model.layers.{layer}."
            x = x + self._attention(self._rms_norm(x, prefix + "input_layernorm"), prefix + "self_attn.",
                                    g.is_sliding(layer))
            h = self._rms_norm(x, prefix + "post_attention_layernorm")
            if g.is_sparse(layer):
                y, margin = self._experts(h, prefix + "mlp.")
                margins = torch.minimum(margins, margin)
            else:
                y = self._mlp(h, prefix + "mlp.")
            x = x + y
        hidden = self._rms_norm(x, "model.norm")
        return hidden, self._linear(hidden, "lm_head"), margins

    def mtp_input(self, head, hidden, ids):
        """Position i of head k joins the trunk's hidden state i and the embedding of token i + 1 + k.

        V2 puts the embedding half first, MiMo-7B the hidden half. [tokens - 1 - head, hidden], maybe no rows.
        """
        names = mtp_names(self.geometry, head)
        rows = max(0, len(ids) - 1 - head)
        embedding = self._rms_norm(self.weights["model.embed_tokens.weight"][ids[1 + head:]], names["embedding_norm"])
        state = self._rms_norm(hidden[:rows], names["hidden_norm"])
        halves = [state, embedding] if self.geometry.is_mimo7b else [embedding, state]
        return self._linear(torch.cat(halves, -1), names["projection"])

    def mtp(self, head, hidden, ids):
        """Logits of one MTP head; row i predicts token i + 2 + head."""
        names = mtp_names(self.geometry, head)
        x = self.mtp_input(head, hidden, ids)
        x = x + self._attention(self._rms_norm(x, names["input_norm"]), names["prefix"] + "self_attn.",
                                self.geometry.mtp_is_sliding)
        x = x + self._mlp(self._rms_norm(x, names["mlp_norm"]), names["prefix"] + "mlp.")
        return self._linear(self._rms_norm(x, names["final_norm"]), "lm_head")

"""Reads a checkpoint back from disk with code that shares nothing with the writer's quantisers."""
import json
import math

import torch
from safetensors.torch import load_file

E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]
E2M1_TABLE = torch.tensor(E2M1 + [-x for x in E2M1])


def reread(geometry, folder):
    """plain name -> float32 values, q, k and v apart."""
    if geometry.container == "gguf":
        return _reread_gguf(folder / "model.gguf")
    raw = _load(folder)
    values = {}
    for name, tensor in raw.items():
        if "weight_scale" in name or name.startswith(("visual.", "audio_encoder.", "speech_embeddings.")):
            continue
        if name + "_scale_inv" in raw:
            tensor = _fp8(geometry, name, tensor, raw[name + "_scale_inv"])
        elif name + "_scale" in raw:
            tensor = _mxfp4(tensor, raw[name + "_scale"])
        values |= _split(geometry, name, tensor.float())
    return values


def max_difference(geometry, folder, values):
    """Largest difference between what is on disk and `values`; the names must be the same."""
    if geometry.container == "gguf":
        from checkpoint_files import gguf_tensors
        values = gguf_tensors(geometry, values)
    found = reread(geometry, folder)
    assert found.keys() == values.keys(), sorted(found.keys() ^ values.keys())
    return max((found[name] - values[name]).abs().max().item() for name in found)


def _load(folder):
    index = folder / "model.safetensors.index.json"
    files = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else {"model.safetensors"}
    raw = {}
    for file in files:
        raw |= load_file(folder / file)
    return raw


def _fp8(geometry, name, codes, scale):
    rows, cols = codes.shape
    tp = geometry.ckpt_tp
    split_chunked = (name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))
                     and scale.shape[0] != math.ceil(rows / 128))
    if not ("qkv_proj" in name or split_chunked):
        tp = 1
    assert scale.shape[0] == tp * math.ceil(rows / tp / 128), name
    per_chunk, scales_per_chunk = rows // tp, scale.shape[0] // tp
    row = torch.arange(rows)
    scale_row = (row // per_chunk) * scales_per_chunk + (row % per_chunk) // 128
    return codes.float() * scale[scale_row][:, torch.arange(cols) // 128]


def _mxfp4(packed, scale):
    codes = torch.stack([packed & 15, packed >> 4], -1).view(packed.shape[0], -1).long()
    return E2M1_TABLE[codes] * torch.exp2(scale.float() - 127).repeat_interleave(32, 1)


def _split(geometry, name, value):
    g = geometry
    if not name.endswith("qkv_proj.weight"):
        return {name: value}
    sliding = ".mtp." in name or g.is_sliding(int(name.split(".")[2]))
    chunks = value.view(g.ckpt_tp, -1, g.hidden)
    q_rows = g.heads // g.ckpt_tp * g.head_dim
    k_rows = g.kv_heads_of(sliding) // g.ckpt_tp * g.head_dim
    parts = {"q": chunks[:, :q_rows], "k": chunks[:, q_rows:q_rows + k_rows], "v": chunks[:, q_rows + k_rows:]}
    return {name.replace("qkv_proj", part + "_proj"): rows.reshape(-1, g.hidden) for part, rows in parts.items()}


def _reread_gguf(path):
    import gguf
    reader = gguf.GGUFReader(str(path))
    return {t.name: torch.from_numpy(gguf.dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}

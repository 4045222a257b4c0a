#!/usr/bin/env python3
"""Writes a small random checkpoint of the MiMo family, laid out as the released ones, and reference outputs.

Under --out:
  config.json, *.safetensors (and their index), or model.gguf
  ref/tokens.json     token ids, window, smallest router margin, differences from transformers, the geometry
  ref/logits.npy      [tokens, vocab] float32
  ref/mtp.npy         [mtp layers, tokens, vocab] float32; row i of head k predicts token i + 2 + k and is zero
                      where the token i + 1 + k, which it needs, lies past the end
  ref/logits_wide.npy, ref/mtp_wide.npy   the same with one more visible key in sliding layers (--wide)

The reference dequantises weights exactly and quantises no activations. Quantised geometries are read back from
disk by a second reader before anything is trusted.

Needs torch, numpy, safetensors; gguf for --container gguf; transformers >= 5.24 for --check.
"""
import argparse
import dataclasses
import math
import pathlib

import numpy as np
import torch

import transformers_check
from checkpoint_files import write_checkpoint, write_json
from geometry import Geometry
from random_weights import RandomWeights
from reference import Reference
from reread import max_difference


def choose_tokens(references, vocab, count, generator, margin_min):
    """Random ids. With margin_min > 0 an id is redrawn until every router decision of its token is that clear.

    A decision between two almost equal experts may fall either way under another order of summation; such a
    token tests nothing but luck. Attention is causal, so earlier tokens stay clear.
    """
    ids = torch.randint(0, vocab, (count,), generator=generator)
    for position in range(count if margin_min > 0 else 0):
        best, best_margin = ids[position].clone(), -1.0
        for _ in range(200):
            margin = min(r.trunk(ids[:position + 1])[2][-1].item() for r in references)
            if margin > best_margin:
                best, best_margin = ids[position].clone(), margin
            if best_margin >= margin_min:
                break
            ids[position] = torch.randint(0, vocab, (1,), generator=generator)[0]
        ids[position] = best
    return ids


def reference_outputs(reference, ids):
    """(logits, MTP logits padded with zero rows, smallest router margin)."""
    g = reference.geometry
    hidden, logits, margins = reference.trunk(ids)
    mtp = torch.zeros(g.mtp, len(ids), g.vocab, dtype=reference.dtype)
    for head in range(g.mtp):
        rows = len(ids) - 1 - head
        if rows > 0:
            mtp[head, :rows] = reference.mtp(head, hidden, ids)
    return hidden, logits, mtp, margins.min().item()


def differences_from_transformers(geometry, values, keys, ids, outputs):
    """Largest absolute differences of the trunk's and the MTP heads' logits from transformers' float32."""
    hidden, logits, mtp, _ = outputs
    report = {"trunk": (transformers_check.trunk_logits(geometry, values, keys, ids) - logits).abs().max().item()}
    reference = Reference(geometry, values, keys)
    for head in range(min(geometry.mtp, len(ids) - 1)):
        rows = len(ids) - 1 - head
        joined = reference.mtp_input(head, hidden, ids).float()
        theirs = transformers_check.mtp_logits(geometry, values, keys, head, joined)
        report[f"mtp{head}"] = (theirs - mtp[head, :rows]).abs().max().item()
    return report


def save_array(path, tensor):
    np.save(path, np.ascontiguousarray(tensor.float().numpy()))


def make_checkpoint(geometry, out, num_tokens, wide=False, check=False, margin_min=0.0):
    """Writes everything named above and returns what tokens.json holds."""
    out = pathlib.Path(out)
    (out / "ref").mkdir(parents=True, exist_ok=True)
    weights = RandomWeights(geometry)
    write_checkpoint(geometry, weights, out)
    difference = max_difference(geometry, out, weights.values)
    assert difference == 0, f"{out}: the files differ from what was drawn by {difference}"

    conventions = [("", geometry.window)] + ([("_wide", geometry.window + 1)] if wide else [])
    references = [Reference(geometry, weights.values, keys) for _, keys in conventions]
    ids = choose_tokens(references, geometry.vocab, num_tokens, weights.generator, margin_min)
    report = {"tokens": ids.tolist(), "window": geometry.window, "mtp_layers": geometry.mtp}
    for (suffix, keys), reference in zip(conventions, references):
        outputs = reference_outputs(reference, ids)
        _, logits, mtp, margin = outputs
        save_array(out / "ref" / f"logits{suffix}.npy", logits)
        if geometry.mtp:
            save_array(out / "ref" / f"mtp{suffix}.npy", mtp)
        entry = {"visible_keys": keys, "max_abs_logit": logits.abs().max().item()}
        if not math.isinf(margin):
            entry["router_margin_min"] = margin
        if check and transformers_check.can_express(geometry):
            entry["transformers_max_abs_diff"] = differences_from_transformers(
                geometry, weights.values, keys, ids, outputs)
        report["reference" + suffix] = entry
    if check and reloadable(geometry):
        theirs = transformers_check.reloaded_logits(geometry, out, geometry.window, ids)
        ours = torch.from_numpy(np.load(out / "ref" / "logits.npy"))
        report["reference"]["transformers_reload_max_abs_diff"] = (theirs - ours).abs().max().item()
    report["geometry"] = dataclasses.asdict(geometry)
    write_json(report, out / "ref" / "tokens.json")
    return report


def reloadable(g):
    plain = g.weights in ("f32", "bf16") and g.layout == "split" and g.container != "gguf"
    return plain and not g.is_mimo7b and g.swa_kv_heads == 2 * g.kv_heads


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--num-tokens", type=int, default=24)
    parser.add_argument("--wide", action="store_true", help="also write the reference for window + 1 visible keys")
    parser.add_argument("--check", action="store_true", help="compare with transformers where it can express this")
    parser.add_argument("--margin-min", type=float, default=0.0, help="redraw tokens whose routing is less clear")
    for field in dataclasses.fields(Geometry):
        flag = "--" + field.name.replace("_", "-")
        if field.type in (bool, "bool"):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            parser.add_argument(flag, type=type(field.default), default=field.default)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_grad_enabled(False)
    geometry = Geometry(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Geometry)})
    report = make_checkpoint(geometry, arguments.out, arguments.num_tokens, arguments.wide, arguments.check,
                             arguments.margin_min)
    print({key: value for key, value in report.items() if key.startswith("reference")})


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares `mimo logits` with the reference implementation on checkpoints of random geometry.

  random_geometries.py [--count N] [--seed S] [--program build/mimo] [--only I] [--keep]

Prints one line per geometry and a summary. A geometry depends on the seed and its number alone, so `--seed S
--only I` replays one; `--keep` leaves its files and prints where. Exit code 1 if the exact path is off by more than
1e-4 of the largest logit, or a command fails. Needs the packages of tests/golden/model, so it is run by hand.
"""
import argparse
import dataclasses
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden" / "model"))
from geometry import Geometry  # noqa: E402
from make_checkpoint import make_checkpoint  # noqa: E402

EXACT_BOUND = 1e-4
# What bfloat16 keys and values may cost (parity_test.cc), as long as they do not change an expert: tokens whose
# routing is closer than their rounding get another expert, and another result.
FAST_BOUND = 2e-2
TOP_MARGIN = 1e-2  # of the largest logit; closer rows may rank otherwise under rounding
# A routing decision closer than this may fall either way in float32, and the logits then differ for good.
ROUTER_TIE = 1e-5


def random_geometry(draw):
    """Any geometry that the released layouts can express, small enough to run in a second."""
    weights = draw.choice(["f32", "bf16", "fp8", "mxfp4"])
    container = draw.choice(["sharded", "single", "gguf"]) if weights in ("f32", "bf16") else draw.choice(
        ["sharded", "single"])
    kv_heads = draw.choice([1, 2, 3, 4])
    swa_kv_heads = kv_heads * draw.choice([1, 2])
    layers = draw.randint(1, 5)
    head_dim = 2 * draw.randint(8, 96)
    rotary_dim = 2 * draw.randint(1, head_dim // 2)
    experts = draw.randint(2, 32)
    geometry = dict(
        seed=draw.randrange(2**31), layers=layers, hidden=32 * draw.randint(1, 8), kv_heads=kv_heads,
        swa_kv_heads=swa_kv_heads, heads=swa_kv_heads * draw.randint(1, 4), head_dim=head_dim,
        v_head_dim=draw.randint(16, 128), partial_rotary=min(1.0, (rotary_dim + 0.5) / head_dim), experts=experts,
        topk=draw.randint(1, min(experts, 8)), moe_inter=32 * draw.randint(1, 5), inter=draw.randint(8, 300),
        vocab=draw.randint(64, 500), window=draw.randint(2, 64), rope_theta=draw.choice([5e6, 1e7, 640000.0]),
        value_scale=draw.choice([0.707, 0.612]), eps=draw.choice([1e-5, 1e-6]),
        embed_std=draw.choice([0.02, 1.0]),
        pattern="".join(draw.choice("01") for _ in range(layers)), weights=weights,
        router_bf16=draw.random() < 0.5 and container != "gguf", layout=draw.choice(["split", "fused"]),
        plain_scales=draw.random() < 0.3, mtp=draw.randint(0, 3), container=container,
        straddle=draw.random() < 0.5, multimodal=draw.random() < 0.2 and container != "gguf")
    return Geometry(**geometry)


def run_logits(program, model, folder, exact, chunk, mtp):
    """(logits, MTP logits or None) as the program computes them."""
    out, mtp_out = folder / "logits.npy", folder / "mtp.npy"
    tokens = folder / "tokens.json"
    command = [program, "logits", "--model", str(model), "--tokens", str(tokens), "--out", str(out)]
    command += ["--exact"] if exact else []
    command += ["--chunk", str(chunk)] if chunk else []
    command += ["--mtp-out", str(mtp_out)] if mtp else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return np.load(out), np.load(mtp_out) if mtp else None


def relative_error(found, expected):
    if found.shape != expected.shape:
        raise RuntimeError(f"logits of shape {found.shape}, expected {expected.shape}")
    worst = np.abs(found.astype(np.float64) - expected).max()
    return float(worst / np.abs(expected).max()) if np.abs(expected).max() > 0 else float(worst)


def top_agreement(found, expected):
    """(rows that agree, rows whose best token is clear)."""
    ranked = np.sort(expected, -1)
    clear = ranked[:, -1] - ranked[:, -2] > TOP_MARGIN * np.abs(expected).max()
    agree = found.argmax(-1) == expected.argmax(-1)
    return int((clear & agree).sum()), int(clear.sum())


@dataclasses.dataclass
class Outcome:
    exact: float
    fast: float
    fast_rows: np.ndarray  # the same of each row of the trunk
    agree: int
    clear: int
    margin: float


def compare(program, geometry, num_tokens, chunk, folder):
    checkpoint = folder / "checkpoint"
    report = make_checkpoint(geometry, checkpoint, num_tokens)
    (folder / "tokens.json").write_text(json.dumps(report["tokens"]))
    model = checkpoint / "model.gguf" if geometry.container == "gguf" else checkpoint
    expected = np.load(checkpoint / "ref" / "logits.npy")
    expected_mtp = np.load(checkpoint / "ref" / "mtp.npy") if geometry.mtp else None
    errors = []
    for exact in (True, False):
        logits, mtp = run_logits(program, model, folder, exact, chunk, geometry.mtp > 0)
        error = relative_error(logits, expected)
        if geometry.mtp:
            error = max([error] + [relative_error(mtp[k], expected_mtp[k]) for k in range(geometry.mtp)])
        errors.append(error)
    fast_rows = np.abs(logits - expected).max(-1) / np.abs(expected).max()
    agree, clear = top_agreement(logits, expected)
    return Outcome(errors[0], errors[1], fast_rows, agree, clear, report["reference"].get("router_margin_min", 1.0))


def describe(g, num_tokens, chunk):
    return (f"{g.weights:5} {g.layout:5} {g.container:7} pattern {g.pattern:5} hidden {g.hidden:3} heads {g.heads:2}/"
            f"{g.kv_heads}/{g.swa_kv_heads} dims {g.head_dim:3}/{g.v_head_dim:3}/{g.rotary_dim:3} experts "
            f"{g.topk}/{g.experts:2} window {g.window:2} mtp {g.mtp} tokens {num_tokens:3} chunk {chunk}")


def run_one(arguments, seed, index):
    """Prints the line of one geometry; None after a failure."""
    draw = random.Random(f"{seed}/{index}")
    geometry = random_geometry(draw)
    num_tokens, chunk = draw.randint(1, 200), draw.choice([0, draw.randint(1, 70)])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mimo_geometry_"))
    try:
        outcome = compare(arguments.program, geometry, num_tokens, chunk, folder)
    except (RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"{index:3} {describe(geometry, num_tokens, chunk)}: FAILED {error}", flush=True)
        return None
    finally:
        if arguments.keep:
            print(f"kept {folder}")
        else:
            subprocess.run(["rm", "-rf", str(folder)], check=True)
    tie = "  (routing tie)" if outcome.margin < ROUTER_TIE else ""
    print(f"{index:3} {describe(geometry, num_tokens, chunk)}: exact {outcome.exact:.1e} fast {outcome.fast:.1e} "
          f"top-1 {outcome.agree}/{outcome.clear} router margin {outcome.margin:.0e}{tie}", flush=True)
    return outcome


def summarize(outcomes, failures, seed):
    counted = [o for o in outcomes if o.margin >= ROUTER_TIE]
    exact = max((o.exact for o in counted), default=0.0)
    rows = np.concatenate([o.fast_rows for o in counted] or [np.zeros(1)])
    agree, clear = sum(o.agree for o in counted), sum(o.clear for o in counted)
    share = 100 * agree / clear if clear else 100.0
    print(f"seed {seed}: {len(outcomes)} geometries, {failures} failed, {len(outcomes) - len(counted)} with a routing "
          f"tie left out; exact: max {exact:.1e}; fast, {len(rows)} rows: median {np.median(rows):.1e}, above "
          f"{FAST_BOUND:.0e}: {100 * np.mean(rows > FAST_BOUND):.2f} %, max {rows.max():.1e}, top-1 {share:.2f} % of "
          f"{clear} clear rows")
    return failures == 0 and exact <= EXACT_BOUND


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="default: a fresh one")
    parser.add_argument("--program", default="build/mimo")
    parser.add_argument("--only", type=int, default=None, help="run this geometry alone")
    parser.add_argument("--keep", action="store_true", help="keep the files")
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    indices = range(arguments.count) if arguments.only is None else [arguments.only]
    results = [run_one(arguments, seed, index) for index in indices]
    outcomes = [outcome for outcome in results if outcome is not None]
    sys.exit(0 if summarize(outcomes, len(results) - len(outcomes), seed) else 1)


if __name__ == "__main__":
    main()

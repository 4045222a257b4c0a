#!/usr/bin/env python3
"""Makes the committed fixtures under fixtures/. Running it again gives the same bytes.

  make_fixtures.py [NAME...]     all, or the named ones
"""
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file

from geometry import Geometry
from make_checkpoint import make_checkpoint

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"
# Router decisions at least this clear: far above what bf16 keys and values move a score by.
MARGIN_MIN = 0.02
TOKENS = 24

# name -> (number of tokens, geometry). Each name says what the fixture is for.
SET = {
    "flash_bf16": (TOKENS, Geometry(seed=1, pattern="011", layers=3, mtp=1, embed_std=0.02,
                                     mtp_in_config=False)),
    "flash_f32_single_file": (19, Geometry(seed=2, weights="f32", container="single", head_dim=20, window=5)),
    "flash_fp8_chunked_k_scales": (23, Geometry(seed=3, weights="fp8", head_dim=144, v_head_dim=32, window=7)),
    "flash_fp8_plain_scales": (TOKENS, Geometry(seed=4, weights="fp8", plain_scales=True, head_dim=72, v_head_dim=48,
                                                moe_inter=136, experts=3, topk=2)),
    "v25_fp8_fused": (TOKENS, Geometry(seed=5, weights="fp8", layout="fused", heads=12, v_head_dim=8, window=6,
                                       straddle=True, mtp=3, mtp_in_config=False, vocab=64)),
    "v25_bf16_fused_multimodal": (17, Geometry(seed=6, layout="fused", multimodal=True, mtp=1, window=8)),
    "v25_fp8_fused_two_column_blocks": (15, Geometry(seed=7, weights="fp8", layout="fused", hidden=160, head_dim=48,
                                                     v_head_dim=24, experts=2, topk=1, moe_inter=136, vocab=64)),
    "v26_mxfp4": (TOKENS, Geometry(seed=8, weights="mxfp4", layout="fused", router_bf16=True, eps=1e-6, heads=12,
                                   v_head_dim=8, straddle=True, layers=3, mtp=1, embed_std=0.02, moe_inter=32,
                                   rope_theta=1e7)),
    "v26_mxfp4_single_file": (13, Geometry(seed=9, weights="mxfp4", layout="fused", router_bf16=True, eps=1e-6,
                                           container="single", hidden=96, moe_inter=64, heads=8)),
    "pro_fp8_equal_kv_heads": (TOKENS, Geometry(seed=10, weights="fp8", layout="fused", heads=8, swa_kv_heads=2,
                                                pattern="01001", layers=5, value_scale=0.612, v_head_dim=12,
                                                window=5, rope_theta=1e7)),
    "pro_mxfp4_equal_kv_heads": (21, Geometry(seed=11, weights="mxfp4", layout="fused", heads=8, swa_kv_heads=2,
                                              pattern="0110", layers=4, value_scale=0.612, router_bf16=True,
                                              moe_inter=32, eps=1e-6, rope_theta=1e7)),
    "prompt_of_one_token": (1, Geometry(seed=12, mtp=1)),
    "prompt_of_two_tokens": (2, Geometry(seed=13, mtp=2, vocab=64, experts=3, head_dim=18, layout="fused", window=2)),
    "all_layers_full": (11, Geometry(seed=14, pattern="00")),
    "all_layers_sliding": (23, Geometry(seed=15, pattern="11", window=4)),
    "window_of_one": (9, Geometry(seed=16, pattern="01", mtp=1, window=1)),
    "router_options": (TOKENS, Geometry(seed=17, norm_topk=False, routed_scale=2.5, experts=5, topk=3, heads=8,
                                        kv_heads=1)),
    "released_head_sizes": (13, Geometry(seed=18, head_dim=192, v_head_dim=128, heads=2, kv_heads=1, window=8,
                                         experts=3, vocab=64)),
    "gguf_f32": (TOKENS, Geometry(seed=19, weights="f32", container="gguf", head_dim=20, moe_inter=8)),
    "gguf_f16_mtp": (19, Geometry(seed=20, weights="f16", container="gguf", mtp=2, experts=3, vocab=64, window=5)),
    "gguf_bf16_fused": (23, Geometry(seed=21, container="gguf", layout="fused", mtp=1, heads=8, swa_kv_heads=2,
                                     value_scale=0.612, eps=1e-6, embed_std=0.02)),
    "mimo7b_bf16": (TOKENS, Geometry(family="mimo7b", seed=22, head_dim=16, rope_theta=640000.0, mtp=1,
                                     embed_std=0.02)),
    "mimo7b_f32_single_file": (15, Geometry(family="mimo7b", seed=23, weights="f32", container="single", heads=3,
                                            kv_heads=1, head_dim=20, rope_theta=640000.0, mtp_in_config=False)),
}


def make_fixture(name):
    num_tokens, geometry = SET[name]
    out = FIXTURES / name
    shutil.rmtree(out, ignore_errors=True)
    has_window = "1" in geometry.pattern or (geometry.mtp > 0 and geometry.mtp_is_sliding)
    report = make_checkpoint(geometry, out, num_tokens, wide=has_window, check=True, margin_min=MARGIN_MIN)
    if geometry.multimodal:  # a file of another model in a sub-folder, as released: it must not be read
        (out / "audio_tokenizer").mkdir()
        save_file({"encoder.conv1.weight": torch.zeros(4, 2, 3)}, out / "audio_tokenizer" / "model.safetensors")
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    entry = report["reference"]
    print(f"{name:31} {size / 1024:6.0f} KB  tokens {num_tokens:2}  max logit {entry['max_abs_logit']:6.2f}"
          f"  router margin {entry.get('router_margin_min', float('inf')):.3f}"
          f"  transformers {max(entry.get('transformers_max_abs_diff', {'none': float('nan')}).values()):.1e}",
          flush=True)
    return size


def main():
    torch.set_num_threads(1)  # one order of summation, hence the same bytes
    torch.set_grad_enabled(False)
    total = sum(make_fixture(name) for name in sys.argv[1:] or SET)
    print(f"{total / 1024:.0f} KB")


if __name__ == "__main__":
    main()

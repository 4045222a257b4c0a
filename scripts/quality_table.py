#!/usr/bin/env python3
"""What each weight type costs: the table of docs/performance.md.

    scripts/quality_table.py MODEL TEXT [--types q8_0 q4_k ...]

Writes MODEL (in f32 or bf16) with each type into a temporary folder, lets `mimo perplexity` compare it with MODEL over
TEXT, and prints a Markdown row per type: bits per weight of the whole file, perplexity, mean and 99th percentile of the KL
divergence, share of the predictions whose most likely token stays the same.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

TYPES = ["bf16", "f16", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0", "iq4_nl", "iq4_xs", "mxfp4",
         "q3_k", "q2_k"]


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.stderr.strip()}")
    return result


def perplexity(options, model, extra=()):
    command = [options.mimo, "perplexity", "--model", model, "--reference", options.model, "--file", options.text,
               "--context", str(options.context), "--threads", str(options.threads), "--json", *extra]
    if options.special:
        command.append("--special")
    return json.loads(run(command).stdout)


def row(name, bits, result):
    kl = f"{result['kl_mean']:.5f} ± {result['kl_standard_error']:.5f}"
    return (f"| {name} | {bits} | {result['perplexity']:.4f} | {kl} | {result['kl_99']:.4f} "
            f"| {100 * result['same_top']:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or .gguf file in f32 or bf16: the reference")
    parser.add_argument("text", help="text file")
    parser.add_argument("--types", nargs="+", default=TYPES)
    parser.add_argument("--kv-types", nargs="*", default=["bf16", "q8_0", "q4_0"], help="of MODEL's keys and values")
    parser.add_argument("--mimo", default="build/mimo")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--special", action="store_true", help="control tokens spelled in the text become their ids")
    options = parser.parse_args()

    print("| type | bits per weight | perplexity | KL divergence | 99 % of it below | same token % |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        for name in options.types:
            log = run([options.mimo, "quantize", options.model, path, "--type", name]).stderr
            bits = re.search(r"([0-9.]+) bits per weight", log).group(1)
            note = " (some tensors in another type)" if "instead of" in log else ""
            print(row(name + note, bits, perplexity(options, path)), flush=True)
    for kv_type in options.kv_types:
        result = perplexity(options, options.model, ["--kv-type", kv_type])
        print(row(f"the reference, keys and values in {kv_type}", "", result), flush=True)


if __name__ == "__main__":
    main()

"""Writes assets/qwen2_vocabulary.zst (assets/README.md has its format). Needs the zstd program.

    python make_vocabulary.py GGUF ../../../assets/qwen2_vocabulary.zst
"""

import subprocess
import sys

from reference_tokenizer import FIRST_ADDED, read_gguf


def byte_symbols():
    return sorted([*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144)])


def main():
    pairs = read_gguf(sys.argv[1])
    tokens = pairs["tokenizer.ggml.tokens"][:FIRST_ADDED]
    merges = [merge.split(" ") for merge in pairs["tokenizer.ggml.merges"]]
    assert tokens[:256] == [chr(c) for c in byte_symbols()]
    assert tokens[256:] == [left + right for left, right in merges]
    ids = {token: i for i, token in enumerate(tokens)}
    planes = b"".join(bytes(ids[merge[side]] >> shift & 255 for merge in merges)
                      for side in (0, 1) for shift in (0, 8, 16))
    subprocess.run(["zstd", "--ultra", "-22", "-q", "-f", "-o", sys.argv[2]], input=planes, check=True)


if __name__ == "__main__":
    main()

"""Random blocks of every type with the numbers that the PyPI package `gguf` reads from them.

    pip install 'gguf>=0.19' numpy
    python make_blocks.py

writes NAME.blocks (the bytes) and NAME.f32 (little-endian float32) for each type. Codes and quantised scales are any
bits; the float16 scales are finite and of both signs, some of them subnormal. gguf.quants.dequantize answers for all
types, nvfp4 and mxfp4 included.
"""

import pathlib

import numpy as np
from gguf import GGMLQuantizationType, constants, quants

SEED = 5
# Offsets of float16 fields in a block.
HALVES = {
    "q8_0": [0], "q4_0": [0], "q4_1": [0, 2], "q5_0": [0], "q5_1": [0, 2],
    "q2_k": [80, 82], "q3_k": [108], "q4_k": [0, 2], "q5_k": [0, 2], "q6_k": [208],
    "iq4_nl": [0], "iq4_xs": [0], "iq3_s": [0], "iq3_xxs": [0], "iq2_s": [0], "iq2_xs": [0], "iq2_xxs": [0],
    "iq1_s": [0], "iq1_m": [], "mxfp4": [], "nvfp4": [], "f16": [0], "bf16": [],
}


def random_halves(rng, count):
    halves = rng.normal(0, 0.01, count).astype(np.float16)
    halves[rng.random(count) < 0.15] = np.float16(2.0 ** -20)
    return halves


def random_blocks(rng, name, count, num_bytes):
    blocks = rng.integers(0, 256, (count, num_bytes), dtype=np.uint8)
    for offset in HALVES[name]:
        blocks[:, offset:offset + 2] = random_halves(rng, count).view(np.uint8).reshape(count, 2)
    if name == "iq1_m":  # the scale stands in the upper halves of the last eight bytes' odd ones
        scales = random_halves(rng, count).view(np.uint16)
        for i in range(4):
            nibble = (scales >> (4 * i) & 15).astype(np.uint8)
            blocks[:, 49 + 2 * i] = blocks[:, 49 + 2 * i] & 15 | nibble << 4
    if name == "mxfp4":  # without those whose products leave float32
        blocks[:, 0] = rng.integers(0, 251, count)
        blocks[:3, 0] = [0, 1, 2]
    if name == "nvfp4":  # without the sign bit, which means nothing
        blocks[:, :4] &= 0x7F
        blocks[0, :4] = [0, 1, 0x7E, 0x7F]
    if name == "bf16":
        blocks[:] = rng.normal(0, 0.01, count).astype("<f4").view(np.uint16)[1::2].copy().view(np.uint8).reshape(count, 2)
    return blocks


def main():
    folder = pathlib.Path(__file__).parent
    rng = np.random.default_rng(SEED)
    for name in HALVES:
        qtype = GGMLQuantizationType[name.upper()]
        columns, num_bytes = constants.GGML_QUANT_SIZES[qtype]
        count = {1: 64, 32: 12, 64: 6, 256: 3}[columns]
        blocks = random_blocks(rng, name, count, num_bytes)
        numbers = np.asarray(quants.dequantize(blocks.reshape(1, -1), qtype), dtype="<f4").reshape(-1)
        assert numbers.size == count * columns and np.isfinite(numbers).all(), name
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.f32").write_bytes(numbers.tobytes())


if __name__ == "__main__":
    main()

"""The two quantised forms of released checkpoints: FP8 in 128x128 blocks, and MXFP4."""
import math

import torch

FP8 = torch.float8_e4m3fn
FP8_MAX = 448.0
FP8_BLOCK = 128
FP4_BLOCK = 32
FP4_LEVELS = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def _fp8_one_grid(weight):
    rows, cols = weight.shape
    row_blocks, col_blocks = math.ceil(rows / FP8_BLOCK), math.ceil(cols / FP8_BLOCK)
    padded = torch.zeros(row_blocks * FP8_BLOCK, col_blocks * FP8_BLOCK)
    padded[:rows, :cols] = weight
    blocks = padded.view(row_blocks, FP8_BLOCK, col_blocks, FP8_BLOCK)
    scale = blocks.abs().amax(dim=(1, 3)).clamp_min(1e-12) / FP8_MAX
    spread = scale[:, None, :, None]
    codes = (blocks / spread).clamp(-FP8_MAX, FP8_MAX).to(FP8)
    value = (codes.float() * spread).reshape(padded.shape)[:rows, :cols]
    return codes.view(torch.uint8).reshape(padded.shape)[:rows, :cols], scale, value


def fp8_quantize(weight, chunks=1):
    """weight [rows, cols] -> (e4m3 codes [rows, cols], f32 scales, the float32 values represented).

    The block grid restarts at each of `chunks` equal row chunks, so that there are
    chunks * ceil(rows / chunks / 128) rows of scales.
    """
    parts = [_fp8_one_grid(part) for part in weight.float().chunk(chunks)]
    codes, scale, value = (torch.cat(column).contiguous() for column in zip(*parts))
    return codes.view(FP8), scale, value


def mxfp4_quantize(weight):
    """weight [rows, cols] -> (packed E2M1 [rows, cols / 2], E8M0 [rows, cols / 32], the values represented)."""
    rows, cols = weight.shape
    groups = weight.float().view(rows, cols // FP4_BLOCK, FP4_BLOCK)
    largest = groups.abs().amax(-1).clamp_min(1e-30)
    exponent = (torch.floor(torch.log2(largest)) - 2).clamp(-127, 127)  # 2 = largest exponent of E2M1
    factor = torch.exp2(exponent)[..., None]
    scaled = groups / factor
    index = (scaled.abs()[..., None] - FP4_LEVELS).abs().argmin(-1)
    codes = (index + 8 * (scaled < 0)).to(torch.uint8).view(rows, cols)
    packed = codes[:, 0::2] | (codes[:, 1::2] << 4)  # the even column lies in the low nibble
    value = FP4_LEVELS[index] * torch.where(scaled < 0, -1.0, 1.0) * factor
    return packed.contiguous(), (exponent + 127).to(torch.uint8).contiguous(), value.view(rows, cols).contiguous()

"""Attention over packed rows gives what a mask over the whole row gives, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from egm_core.train.learning.packed_attention import attend, layout

PREFIX = 7


def packed(*rows: list[int]) -> np.ndarray:
    """Segments of rows that hold queries of these lengths."""
    length = PREFIX + max(map(sum, rows)) + 2
    segments = np.full((len(rows), length), -1, np.int64)
    for row, sizes in zip(segments, rows, strict=True):
        numbers = np.repeat(np.arange(1, len(sizes) + 1), sizes)
        row[:PREFIX], row[PREFIX : PREFIX + len(numbers)] = 0, numbers
    return segments


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize(
    "segments", [packed([5, 1, 9, 2, 2], [3, 3], [20]), packed([4]), packed([2, 3], [])], ids=["many", "one", "none"]
)
def test_gives_what_the_mask_of_the_whole_row_gives(segments: np.ndarray, kv_heads: int) -> None:
    torch.manual_seed(0)
    rows, length = segments.shape
    shapes = ((rows, 4, length, 8), (rows, kv_heads, length, 8), (rows, kv_heads, length, 8))
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    known = torch.from_numpy(segments)
    same = (known[:, None, :] == 0) | (known[:, :, None] == known[:, None, :])
    mask = torch.ones(length, length, dtype=torch.bool).tril() & same
    whole = F.scaled_dot_product_attention(*given, attn_mask=mask[:, None], scale=0.3, enable_gqa=True).transpose(1, 2)
    ours = attend(*given, layout(segments), 0.3)
    real = known >= 0
    torch.testing.assert_close(ours[real], whole[real])
    weight = torch.randn_like(whole[real])
    gradients = [torch.autograd.grad((out[real] * weight).sum(), given) for out in (ours, whole)]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_attends_in_float32_where_the_products_around_it_are_in_bfloat16() -> None:
    torch.manual_seed(0)
    segments = packed([5, 1, 9], [3, 3])
    given = [torch.randn(2, 4, segments.shape[1], 8, requires_grad=True) for _ in range(3)]
    plain = attend(*given, layout(segments), 0.3)
    with torch.autocast("cpu", torch.bfloat16):
        ours = attend(*given, layout(segments), 0.3)
    gradients = [torch.autograd.grad(out.sum(), given) for out in (ours, plain)]
    for mine, theirs in ((ours, plain), *zip(*gradients, strict=True)):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)

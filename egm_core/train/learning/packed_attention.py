"""Attention over packed rows: a query looks at the picture before it and at itself, and the rest isn't worked out.

A mask over the whole row would give the same, at four times the cost: most of it is masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

GROUPS = 4


@dataclass(frozen=True)
class Group:
    """Queries of about one length: where their tokens (n, S) and their pictures' (n, P) lie in the flat batch."""

    own: torch.Tensor
    picture: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class Layout:
    """How a packed batch (B, L) falls into pictures of `prefix` tokens and groups of queries.

    `back` (B * L) says where each token's result lies among those of the pictures and of the groups, one after another.
    """

    prefix: int
    groups: tuple[Group, ...]
    back: torch.Tensor


def exact_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **options: Any) -> torch.Tensor:
    """Attend as torch does, but on a CPU in float32 where autocast would have it in bfloat16.

    There the kernel's backward pass takes four times as long in bfloat16, which eats what the products win.
    """
    if query.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(query, key, value, **options)
    with torch.autocast("cpu", enabled=False):
        exact = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), **options)
    return exact.to(value.dtype)


def layout(segments: NDArray[np.int64], device: torch.device | str = "cpu") -> Layout:
    """Read a batch's layout off its segments: 0 the picture, then each query's number, then -1 for padding."""
    rows, length = segments.shape
    prefix = int((segments[0] == 0).sum())
    back = np.zeros((rows, length), np.int64)
    back[:, :prefix] = np.arange(rows * prefix).reshape(rows, prefix)
    ends = [(row, np.flatnonzero(np.diff(segments[row, prefix - 1 :], append=-1))) for row in range(rows)]
    queries = sorted(
        (int(stop - start), row, int(start))
        for row, end in ends
        for start, stop in zip(end + prefix, end[1:] + prefix, strict=False)
    )
    taken = rows * prefix
    groups = []
    for part in np.array_split(np.arange(len(queries)), min(GROUPS, max(1, len(queries)))):
        if not len(part):
            continue
        size, row, start = (np.array(column) for column in zip(*(queries[i] for i in part), strict=True))
        longest = int(size.max())
        step = np.arange(longest)
        own = row[:, None] * length + start[:, None] + np.minimum(step, size[:, None] - 1)
        real = step < size[:, None]
        back.reshape(-1)[own[real]] = (taken + np.arange(own.size).reshape(own.shape))[real]
        taken += own.size
        mask = np.concatenate([np.ones((longest, prefix), bool), np.tri(longest, dtype=bool)], 1)
        picture = row[:, None] * length + np.arange(prefix)
        groups.append(Group(*(torch.from_numpy(a).to(device) for a in (own, picture, mask))))
    return Layout(prefix, tuple(groups), torch.from_numpy(back.reshape(-1)).to(device))


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, where: Layout, scaling: float) -> torch.Tensor:
    """Attend within a packed batch: (B, heads, L, width) each, gives (B, L, heads, width)."""
    rows, heads, length, width = query.shape
    grouped = key.shape[1] != heads
    first = exact_attention(
        query[:, :, : where.prefix], key[:, :, : where.prefix], value[:, :, : where.prefix],
        is_causal=True, scale=scaling, enable_gqa=grouped,
    )  # fmt: skip
    results = [first.transpose(1, 2).reshape(-1, heads * width)]
    flat = [x.transpose(1, 2).reshape(rows * length, -1) for x in (query, key, value)]

    def taken(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return x.index_select(0, places.flatten()).view(*places.shape, -1, width).transpose(1, 2)

    for group in where.groups:
        seen = torch.cat([group.picture, group.own], 1)
        q, k, v = taken(flat[0], group.own), taken(flat[1], seen), taken(flat[2], seen)
        out = exact_attention(q, k, v, attn_mask=group.mask, scale=scaling, enable_gqa=grouped)
        results.append(out.transpose(1, 2).reshape(-1, heads * width))
    return torch.cat(results).index_select(0, where.back).view(rows, length, heads, width)

"""How many bytes a second the memory gives: measured in the same run as what is held against it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

# The smallest buffer whose reading takes longer than starting to read it, and the largest that is worth its time.
LEAST, MOST = 1 << 23, 1 << 30
MOST_GPU = 1 << 32
TRIES = 25


def milliseconds(action: Callable[[], object], device: torch.device) -> float:
    """Time one call, to the end of what it has set going."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begun)


def bandwidth(device: torch.device, wanted: int, threads: int = 0) -> float:
    """Measure bytes a second on a buffer of `wanted` bytes: the better of a copy (both ways) and of a sum (one way).

    The buffer is as large as what a token reads. So a model that fits a cache is held against that cache, and a large
    one against the main memory. On a processor all cores read, or `threads` of them.
    """
    size = min(max(wanted, LEAST), MOST if device.type == "cpu" else MOST_GPU) // 4
    before = torch.get_num_threads()
    try:
        if device.type == "cpu":
            torch.set_num_threads(threads or _cores())
        data = torch.ones(size, dtype=torch.float32, device=device)
        other = torch.empty_like(data)
        best = 0.0
        ways: tuple[tuple[Callable[[], object], int], ...] = ((lambda: other.copy_(data), 2), (lambda: data.sum(), 1))
        for action, passes in ways:
            taken = [milliseconds(action, device) for _ in range(TRIES)]
            best = max(best, passes * size * 4 / min(taken[2:]) * 1000)
        return best
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    return len(os.sched_getaffinity(0))

"""How many bytes a second the memory gives: measured in the same run as what is held against it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

# The smallest buffer whose reading takes longer than starting to read it, and the largest that is worth its time.
LEAST, MOST = 1 << 23, 1 << 30
MOST_GPU = 1 << 32
# Each way of reading is tried so often and so long at least: a busy machine lets only some passes have all the memory.
PASSES, SECONDS = 10, 0.5
UNLIKE = 2.0


@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second: of the best pass, which bounds an answer, and of the median one, which tells of disturbance."""

    best: float
    median: float

    @property
    def doubt(self) -> str:
        """Say that the passes disagree, so that the best may be too low as well; empty where they agree."""
        if self.best <= UNLIKE * self.median:
            return ""
        return (
            f"the memory's bandwidth is in doubt: the best pass gave {self.best / 1e9:.1f} GB/s, half of them less than"
            f" {self.median / 1e9:.1f}; end other programs and measure again"
        )


def milliseconds(action: Callable[[], object], device: torch.device) -> float:
    """Time one call, to the end of what it has set going."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    begun = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - begun)


def bandwidth(device: torch.device, wanted: int, threads: int = 0) -> Bandwidth:
    """Measure bytes a second on a buffer of `wanted` bytes: the better of a copy (both ways) and of a sum (one way).

    The buffer is as large as what a token reads. So a model that fits a cache is held against that cache, and a large
    one against the main memory. On a processor all cores read (or `threads` of them), and one alone: where others are
    busy, cores that wait for each other read less.
    """
    size = min(max(wanted, LEAST), MOST if device.type == "cpu" else MOST_GPU) // 4
    before = torch.get_num_threads()
    try:
        data = torch.ones(size, dtype=torch.float32, device=device)
        other = torch.empty_like(data)
        ways: tuple[tuple[Callable[[], object], int], ...] = ((lambda: other.copy_(data), 2), (lambda: data.sum(), 1))
        found = []
        for cores in sorted({1, threads or _cores()}) if device.type == "cpu" else (0,):
            if cores:
                torch.set_num_threads(cores)
            for action, passes in ways:
                found.append(_speed(passes * size * 4, _repeated(action, device)))
        return max(found, key=lambda speed: speed.best)
    finally:
        torch.set_num_threads(before)


def _repeated(action: Callable[[], object], device: torch.device) -> list[float]:
    """Time a call again and again, in milliseconds; the first two, which make what the others use, are left out."""
    for _ in range(2):
        milliseconds(action, device)
    taken: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(taken) < PASSES or time.perf_counter() < until:
        taken.append(milliseconds(action, device))
    return taken


def _speed(moved: int, taken: Sequence[float]) -> Bandwidth:
    return Bandwidth(1000 * moved / min(taken), 1000 * moved / median(taken))


def _cores() -> int:
    return len(os.sched_getaffinity(0))

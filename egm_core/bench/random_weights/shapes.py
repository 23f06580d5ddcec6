"""Random weights of the true shapes, measured in this process: eager, with a static cache, and as a CUDA graph."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from tqdm import tqdm

from egm_core.bench import energy
from egm_core.bench.bandwidth import bandwidth, milliseconds
from egm_core.bench.cells import Bench, Cell
from egm_core.bench.floor import Weights, floor, weights
from egm_core.bench.random_weights.decoder import WARM, Decoder, config_of, grid_of
from egm_core.bench.spread import spread
from egm_core.bench.timing import Timed

CAMERA = (640, 480)
TINY = (128, 128)
PREFILLS = 5
WAYS = ("eager", "static cache", "CUDA graph")
_log = logging.getLogger("egm.bench")
Size = tuple[int, int]


def run(
    shapes: Sequence[str], at_once: Sequence[int], sizes: Sequence[Size], tokens: int, bench: Bench,
    keep: Callable[[Bench], None],
) -> None:  # fmt: skip
    """Measure what the bench lacks of these shapes, and `keep` it after each load."""
    device = torch.device("cuda" if shapes != ["tiny"] and torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    bench.about |= {"torch": torch.__version__, "device": _device(device)}
    for shape in shapes:
        wanted = sizes or [TINY if shape == "tiny" else CAMERA]
        left = [(size, n) for size in wanted for n in sorted(set(at_once)) if _lacks(bench, shape, size, n, device)]
        if not left:
            _log.info("%s: everything is measured already", shape)
            continue
        decoder = Decoder(config_of(shape), device, dtype)
        counted = weights(decoder.model, torch.empty(0, dtype=dtype).element_size())
        measured = bandwidth(device, counted.token)
        speed = measured.best
        bench.about |= {
            "bytes_a_second": max(speed, bench.about.get("bytes_a_second", 0.0)), "bandwidth_doubt": measured.doubt
        }  # fmt: skip
        for size, n in tqdm(left, unit="load", desc=shape, disable=None):
            try:
                for cell in _cells(shape, decoder, size, n, tokens, counted, speed):
                    bench.take(cell)
            except torch.cuda.OutOfMemoryError as error:
                bench.take(_cell(shape, WAYS[1], size, n, wrong=f"out of memory: {str(error).splitlines()[0]}"))
            keep(bench)
        del decoder
        gc.collect()
        torch.cuda.empty_cache()


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def _ways(device: torch.device) -> Sequence[str]:
    return WAYS if device.type == "cuda" else WAYS[:2]


def _cell(shape: str, way: str, size: Size, at_once: int, **told: Any) -> Cell:
    return Cell(f"{shape}, {way}", "random weights", f"{size[0]}x{size[1]}", at_once, **told)


def _lacks(bench: Bench, shape: str, size: Size, at_once: int, device: torch.device) -> bool:
    return any(not bench.has(_cell(shape, way, size, at_once).key) for way in _ways(device))


@torch.inference_mode()
def _cells(
    shape: str, decoder: Decoder, size: Size, at_once: int, tokens: int, counted: Weights, speed: float
) -> list[Cell]:
    device = decoder.device
    decoder.ask(at_once, tokens + 2 * WARM + 2, grid_of(decoder.config, size))
    found = []
    said: dict[str, list[int]] = {}
    for way in _ways(device):
        static = way != WAYS[0]
        decoder.prefill(static)
        busy = os.getloadavg()[0]
        firsts = [milliseconds(lambda s=static: decoder.prefill(s), device) for _ in range(PREFILLS)]  # type: ignore[misc]
        step: Callable[[], object] = lambda s=static: decoder.step(s)  # type: ignore[misc] # noqa: E731
        try:
            step = decoder.graphed() if way == WAYS[2] else step
        except RuntimeError as error:
            found.append(_cell(shape, way, size, at_once, wrong=f"no graph: {str(error).splitlines()[0]}"))
            continue
        said[way] = []
        with energy.measured() as used:
            taken = []
            for _ in range(WARM + tokens):
                taken.append(milliseconds(step, device))
                said[way].append(int(decoder.token[0, 0]))
        cell = _summed(shape, way, size, at_once, firsts, taken[WARM:], busy)
        joules = {meter: value * tokens / len(taken) / at_once for meter, value in used.joules.items()}
        least = floor(counted, speed, decoder.length, tokens, at_once, decoder.picture_bytes)
        found.append(replace(cell, prompt=decoder.length, floor=least, joules=joules))
    if said[WAYS[0]] != said[WAYS[1]]:
        # bfloat16 sums differ with the order in which they are taken; speed does not hang on it.
        _log.warning("%s: the static cache gives other tokens than the growing one", shape)
    return found


def _summed(
    shape: str, way: str, size: Size, at_once: int, firsts: Sequence[float], steps: Sequence[float], busy: float
) -> Cell:
    """Make answers of what was timed: each prefill with all steps after it, each step as a time between tokens."""
    whole = sum(steps) / 1000
    each = [Timed(ms / 1000, ms / 1000 + whole, ms / 1000 + whole, len(steps) + 1) for ms in firsts]
    told: dict[str, Any] = {"engine": f"{shape}, {way}", "model": "random weights", "size": f"{size[0]}x{size[1]}"}
    cell = Cell.of(each, sum(a.total for a in each) / at_once, **told, at_once=at_once, busy=round(busy, 2))
    return replace(cell, token=spread([ms / 1000 for ms in steps]))

#!/usr/bin/env python3
"""What other number formats cost the embedded model in right boxes, and what they save, on a processor.

    tools/env.sh python tools/bench_precision.py [--scenes 60] [--first-seed 510400000]

Each question is asked in float32, in int8 (weights of linear layers, activations as they come) and in bfloat16 in turn,
one visible box at a time on one thread. Told are right boxes, the difference to float32 with its 95 % interval
(bootstrap over scenes), and milliseconds by the clock and of a processor's work, which a busy machine disturbs little.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch

from egm_core.arguments import COUNT, SEED
from egm_core.boxes import Box, iou
from egm_core.engines.local import TransformersEngine
from egm_core.engines.reader import Reader
from egm_core.evaluate.queries import scene_queries
from egm_core.grounder import Grounder
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.scenes import Generator

FORMATS = ("float32", "int8", "bfloat16")
PER_SCENE = 2
HALF = 0.5


@dataclass(frozen=True)
class Told:
    """One answer: its scene, whether it is right, and its milliseconds by the clock and of work."""

    scene: int
    right: bool
    passed: float
    worked: float


def right(box: Box | None, truth: Box | None) -> bool:
    """Say whether a box is right, or rightly none."""
    return box is truth if box is None or truth is None else float(iou(box, truth)) >= HALF


def quantised(engine: TransformersEngine) -> None:
    """Have a loaded engine compute its linear layers in int8."""
    checkpoint = engine._checkpoint
    assert checkpoint is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checkpoint.model = torch.ao.quantization.quantize_dynamic(
            checkpoint.model, {torch.nn.Linear}, dtype=torch.qint8
        )
    engine._reader = Reader(checkpoint)


def measured(scenes: int, first_seed: int) -> dict[str, list[Told]]:
    """Ask each question in every format in turn."""
    torch.set_num_threads(1)
    folder = resolve(EMBEDDED)
    info = load_info(folder)
    found: dict[str, list[Told]] = {name: [] for name in FORMATS}
    with ExitStack() as opened:
        grounders = {}
        for name in FORMATS:
            dtype = "float32" if name == "int8" else name
            engine = opened.enter_context(TransformersEngine(folder, "cpu", dtype, info.max_pixels, threads=1))
            engine.wait_ready()
            if name == "int8":
                quantised(engine)
            grounders[name] = Grounder(engine, info, tasks=("visible",))
            opened.callback(grounders[name].close)
        generator = Generator()
        opened.callback(generator.close)
        for seed in range(first_seed, first_seed + scenes):
            scene = generator.scene(seed)
            for query in scene_queries(scene, PER_SCENE):
                for name, grounder in grounders.items():
                    began, worked = time.perf_counter(), time.process_time()
                    box = grounder.ground(scene.image, query.text).visible
                    passed, worked = time.perf_counter() - began, time.process_time() - worked
                    found[name].append(Told(seed, right(box, query.visible), 1000 * passed, 1000 * worked))
    return found


def table(found: dict[str, list[Told]]) -> str:
    """Lay the formats out, a line each."""
    lines = []
    plain = found[FORMATS[0]]
    for name, told in found.items():
        more = np.array([a.right - b.right for a, b in zip(told, plain, strict=True)], float)
        low, high = interval(more, [each.scene for each in told])
        ratio = statistics.median(a.worked / b.worked for a, b in zip(told, plain, strict=True))
        lines.append(
            f"{name:10} right {100 * np.mean([each.right for each in told]):.1f} %, {100 * more.mean():+.1f}"
            f" ({100 * low:+.1f} to {100 * high:+.1f}) points, {statistics.median(a.passed for a in told):.0f} ms,"
            f" {statistics.median(a.worked for a in told):.0f} ms of work, x{ratio:.2f}, n {len(told)}"
        )
    return "\n".join(lines)


def interval(values: np.ndarray, scenes: Sequence[int], rounds: int = 2000) -> tuple[float, float]:
    """Give the 95 % interval of a mean by drawing scenes anew."""
    rng = np.random.default_rng(0)
    names, where = np.unique(np.array(scenes), return_inverse=True)
    sums, counts = np.bincount(where, values), np.bincount(where)
    drawn = rng.integers(0, len(names), (rounds, len(names)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=COUNT, default=60, help="scenes")
    parser.add_argument("--first-seed", type=SEED, default=510_400_000, help="seed of the first scene")
    options = parser.parse_args()
    print(table(measured(options.scenes, options.first_seed)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

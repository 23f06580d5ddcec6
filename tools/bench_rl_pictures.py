"""Times how long an update of RL reads its pictures: where rows are drawn, and once each (`grpo.read_pictures`).

For example:

    tools/env.sh python tools/bench_rl_pictures.py --prompts 16 --generations 16 --micro-batch 32
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from egm_core.arguments import COUNT
from egm_core.torchvision_shim import install_schemas

install_schemas()

from datasets import Dataset  # noqa: E402 - TRL imports need the schemas
from trl.trainer.utils import RepeatSampler  # noqa: E402

from egm_core.train.data import table  # noqa: E402
from egm_core.train.rl.trainer import read_pictures  # noqa: E402


def main() -> None:
    """Print seconds and reads of both ways, from one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--width", type=COUNT, default=640, help="pixels of each JPEG")
    parser.add_argument("--height", type=COUNT, default=480, help="pixels of each JPEG")
    parser.add_argument("--prompts", type=COUNT, default=16, help="questions of an update, a picture each")
    parser.add_argument("--generations", type=COUNT, default=16, help="answers to each")
    parser.add_argument("--micro-batch", type=COUNT, default=32, help="answers in a forward pass")
    options = parser.parse_args()
    answers = options.prompts * options.generations
    steps = answers // options.micro_batch
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        files = [str(Path(folder) / f"{i}.jpg") for i in range(options.prompts)]
        for file in files:
            rough = rng.integers(0, 256, (options.height // 4, options.width // 4, 3), np.uint8)
            cv2.imwrite(file, cv2.resize(rough, (options.width, options.height), interpolation=cv2.INTER_CUBIC))
        rows = Dataset.from_list([{"image": file} for file in files])
        # The order in which TRL's loader draws the rows of one update.
        drawn = list(RepeatSampler(rows, options.generations, options.prompts, repeat_count=steps, shuffle=False))
        read = 0
        image_of = table.read

        def counted(path: str, trusted: bool = False) -> np.ndarray:
            nonlocal read
            read += 1
            return image_of(path, trusted)

        table.read = counted
        began = time.perf_counter()
        decoded = table.with_pictures(rows)
        for number in drawn:
            decoded[number]
        before = time.perf_counter() - began
        began = time.perf_counter()
        named = [rows[number] for number in drawn]
        read_pictures(named[:answers])
        after = time.perf_counter() - began
    print(f"an update of {options.prompts} prompts x {options.generations} answers in {steps} micro-batches:")
    print(f"  read where rows are drawn: {read} reads, {before:.2f} s")
    print(f"  read once each:            {options.prompts} reads, {after:.2f} s, {before / after:.0f} times less")


if __name__ == "__main__":
    main()

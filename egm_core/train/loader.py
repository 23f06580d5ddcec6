"""Batches of rendered scenes, made by a helper process so that the trainer never waits for Python.

Each training process owns every n-th shard of a folder; shards that arrive while it trains are picked up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from egm_core.scenes import store
from egm_core.scenes.truth import Scene, training_seed
from egm_core.scenes.variation import varied
from egm_core.train.packing import Batch, Packer, grounding_queries, pointing_queries

if TYPE_CHECKING:
    from egm_core.train.pretrain import PretrainConfig

QUEUE = 6
RESCAN = 100


class SceneLoader:
    """The rendered scenes of one training process, grouped by picture size and decoded when drawn."""

    def __init__(self, folder: Path, rank: int, processes: int) -> None:
        self.folder, self.rank, self.processes = folder, rank, processes
        self._rows: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self._seen: set[Path] = set()
        self.rescan()
        if not self._rows:
            raise FileNotFoundError(
                f"no rendered scenes for process {rank} in {folder}; render at least {processes} shards with "
                f"python -m egm_core.scenes render --out {folder}"
            )

    def rescan(self) -> None:
        """Read the shards that have appeared since the last call."""
        for number, path in enumerate(store.shards(self.folder)):
            if number % self.processes != self.rank or path in self._seen:
                continue
            self._seen.add(path)
            for row in parquet.read_table(path).to_pylist():
                training_seed(row["seed"])
                self._rows.setdefault((row["width"], row["height"]), []).append(row)

    def draw(self, rng: np.random.Generator, count: int) -> list[Scene]:
        """Draw scenes of one size; sizes come up as often as the folder holds them."""
        sizes = list(self._rows)
        weights = np.array([len(self._rows[s]) for s in sizes], float)
        rows = self._rows[sizes[int(rng.choice(len(sizes), p=weights / weights.sum()))]]
        return [store.from_row(rows[int(i)]) for i in rng.integers(len(rows), size=count)]

    def pictures(self, count: int) -> list[NDArray[np.uint8]]:
        """Give the middles of some pictures, 128 pixels a side, for the statistics of patches."""
        rng = np.random.default_rng(77)
        middles = []
        for scene in (s for _ in range(count // 8) for s in self.draw(rng, 8)):
            y, x = (scene.height - 128) // 2, (scene.width - 128) // 2
            middles.append(np.ascontiguousarray(scene.image[y : y + 128, x : x + 128]))
        return middles

    @contextmanager
    def batches(
        self, packer: Packer, config: PretrainConfig, joint: bool, size: int, seed: int
    ) -> Iterator[Iterator[Batch]]:
        """Run the helper process and give an endless iterator of its batches."""
        context = get_context("spawn")
        queue = context.Queue(QUEUE)
        worker = context.Process(target=self._work, args=(queue, packer, config, joint, size, seed), daemon=True)
        worker.start()

        def received() -> Iterator[Batch]:
            while True:
                if not worker.is_alive() and queue.empty():
                    raise RuntimeError(f"the process that makes batches ended with code {worker.exitcode}")
                yield queue.get()

        try:
            yield received()
        finally:
            worker.kill()
            worker.join()

    def _work(self, queue: Any, packer: Packer, config: PretrainConfig, joint: bool, size: int, seed: int) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        cv2.setNumThreads(1)
        rng = np.random.default_rng(seed)
        made = 0
        while True:
            if made % RESCAN == RESCAN - 1:
                self.rescan()
            scenes = [varied(s, rng) for s in self.draw(rng, size)]
            queries = None
            if joint:
                queries = []
                for scene in scenes:
                    reasoned = rng.random() < config.reasoning
                    row = grounding_queries(scene, rng, config.expressions, reasoning=reasoned)
                    row += pointing_queries(scene, rng, config.pointings)
                    rng.shuffle(row)
                    queries.append(row)
            queue.put(packer.pack(scenes, queries))
            made += 1

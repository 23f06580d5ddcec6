"""Batches of rendered scenes, made by helper processes so that the trainer never waits for Python.

Each helper of each training process owns every n-th shard of a folder; shards that arrive while it trains are picked
up. Scenes that were seen least come first, and where a run sets a limit, none is seen more often, also when the run is
resumed.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from egm_core.scenes.files import store
from egm_core.scenes.files.variation import varied
from egm_core.scenes.truth import Scene, training_seed
from egm_core.train.pretrain.packing import Batch, Packer, Query, grounding_queries, pointing_queries
from egm_core.train.pretrain.scene_pool import ScenePool, read_seen, write_seen
from egm_core.train.run.helpers import helper_context

_log = logging.getLogger("egm.train")
QUEUE = 6
RESCAN = 100
WAIT_SECONDS = 5.0
REMINDER = 60
SEEN = "seen-*.json"


class SceneLoader:
    """The rendered scenes of one helper process, grouped by picture size and decoded when drawn.

    It owns shards `part`, `part + parts`, ... of the folder. `views` is how often a scene may be seen (0: no
    limit), and `seen` how often each was seen before.
    """

    def __init__(self, folder: Path, part: int, parts: int, views: int = 0, seen: dict[int, int] | None = None) -> None:
        self.folder, self.part, self.parts = folder, part, parts
        self._pool = ScenePool(views, seen)
        self._shards: set[Path] = set()
        self.rescan()
        if not self._shards:
            raise FileNotFoundError(
                f"no rendered scenes for process {part} in {folder}; render at least {parts} shards with "
                f"egm scenes render --out {folder}"
            )

    def rescan(self) -> None:
        """Read the shards that have appeared since the last call."""
        for number, path in enumerate(store.shards(self.folder)):
            if number % self.parts != self.part or path in self._shards:
                continue
            self._shards.add(path)
            for row in parquet.read_table(path).to_pylist():
                training_seed(row["seed"])
                self._pool.add(row)

    def draw(self, rng: np.random.Generator, count: int) -> list[Scene]:
        """Draw scenes of one size; waits for new shards, and says so, where all were seen as often as is allowed."""
        waits = 0
        while (size := self._pool.size(rng, count)) is None:
            if waits % REMINDER == 0:
                _log.warning(
                    "process %d waits for scenes: those in %s were seen %d times; render more with python -m "
                    "egm_core.scenes render --out %s, or raise views",
                    self.part,
                    self.folder,
                    self._pool.views,
                    self.folder,
                )
            waits += 1
            time.sleep(WAIT_SECONDS)
            self.rescan()
        return [store.from_row(self._pool.draw(rng, size)) for _ in range(count)]

    @property
    def seen(self) -> dict[int, int]:
        """How often each scene was seen, by seed."""
        return self._pool.seen


def sample_pictures(folder: Path, count: int) -> list[NDArray[np.uint8]]:
    """Give the middles of some pictures of a folder's first shard, 128 pixels a side, for the statistics of patches."""
    shards = store.shards(folder)
    if not shards:
        raise FileNotFoundError(f"no rendered scenes in {folder}; render some with egm scenes render --out {folder}")
    rows = parquet.read_table(shards[0]).to_pylist()
    middles = []
    for i in np.random.default_rng(77).integers(len(rows), size=count):
        scene = store.from_row(rows[int(i)])
        y, x = (scene.height - 128) // 2, (scene.width - 128) // 2
        middles.append(np.ascontiguousarray(scene.image[y : y + 128, x : x + 128]))
    return middles


@dataclass(frozen=True)
class Asking:
    """What the joint stage asks about a scene: how many expressions and pointings, and the share that is reasoned."""

    expressions: int
    pointings: int
    reasoning: float

    def queries(self, scene: Scene, rng: np.random.Generator) -> list[Query]:
        """Draw the queries about a scene, in any order."""
        reasoned = rng.random() < self.reasoning
        row = grounding_queries(scene, rng, self.expressions, reasoning=reasoned)
        row += pointing_queries(scene, rng, self.pointings)
        rng.shuffle(row)
        return row


@dataclass(frozen=True)
class Loading:
    """Where the batches of training process `rank` come from, and how many helpers make them.

    How often each scene was seen is kept in the run's folder `record`.
    """

    scenes: Path
    record: Path
    rank: int
    processes: int
    helpers: int
    views: int

    @contextmanager
    def batches(self, packer: Packer, asking: Asking | None, size: int, seed: int) -> Iterator[Iterator[Batch]]:
        """Run the helper processes and give an endless iterator of their batches; without `asking`, dense ones."""
        context = helper_context(__name__)
        queue = context.Queue(QUEUE * self.helpers)
        helpers = [
            context.Process(target=self._work, args=(queue, helper, packer, asking, size, seed), daemon=True)
            for helper in range(self.helpers)
        ]
        for helper in helpers:
            helper.start()

        def received() -> Iterator[Batch]:
            while True:
                try:
                    yield queue.get(timeout=WAIT_SECONDS)
                except Empty:
                    for helper in helpers:
                        if not helper.is_alive():
                            raise RuntimeError(
                                f"a process that makes batches ended with code {helper.exitcode}"
                            ) from None

        try:
            yield received()
        finally:
            for helper in helpers:
                helper.kill()
                helper.join()

    def _work(self, queue: Any, helper: int, packer: Packer, asking: Asking | None, size: int, seed: int) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        cv2.setNumThreads(1)
        rng = np.random.default_rng([seed, helper])
        part, parts = self.rank * self.helpers + helper, self.processes * self.helpers
        loader = SceneLoader(self.scenes, part, parts, self.views, read_seen(self.record, SEEN))
        made = 0
        while True:
            if made % RESCAN == RESCAN - 1:
                loader.rescan()
                write_seen(self.record / SEEN.replace("*", str(part)), loader.seen)
            scenes = [varied(s, rng) for s in loader.draw(rng, size)]
            queue.put(packer.pack(scenes, [asking.queries(s, rng) for s in scenes] if asking else None))
            made += 1

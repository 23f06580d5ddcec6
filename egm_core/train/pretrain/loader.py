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
from pyarrow import ArrowInvalid, parquet

from egm_core.scenes.files import store
from egm_core.scenes.files.variation import varied
from egm_core.scenes.truth import Scene, training_seed
from egm_core.train.pretrain.packing import Batch, Packer, Query, grounding_queries, pointing_queries
from egm_core.train.pretrain.scene_pool import Row, ScenePool, read_seen, write_seen
from egm_core.train.run.helpers import helper_context

_log = logging.getLogger("egm.train")
QUEUE = 6
RESCAN = 100
# Views that a stopped run forgets are views too many.
RECORD = 10
WAIT_SECONDS = 5.0
REMINDER = 60
SEEN = "seen-*.json"
COLUMNS = {"seed", "width", "height", "image", "segmentation", "objects", "camera"}


class SceneLoader:
    """The rendered scenes of one helper process, grouped by picture size and decoded when drawn.

    It owns shards `part`, `part + parts`, ... of the folder. `views` is how often a scene may be seen (0: no
    limit), and `seen` how often each was seen before.
    """

    def __init__(self, folder: Path, part: int, parts: int, views: int = 0, seen: dict[int, int] | None = None) -> None:
        self.folder, self.part, self.parts = folder, part, parts
        self._pool = ScenePool(views, seen)
        self._shards: set[Path] = set()
        self._order: list[Path] = []
        self.rescan()
        if not self._shards:
            raise FileNotFoundError(
                f"no rendered scenes for process {part} in {folder}; render at least {parts} shards with "
                f"egm scenes render --out {folder}"
            )

    def rescan(self) -> None:
        """Read the shards that have appeared since the last call."""
        # Numbered as they came: a shard of earlier seeds that is finished late must not move those that have an owner.
        for path in sorted(set(store.shards(self.folder)) - set(self._order), key=lambda path: (_written(path), path)):
            self._order.append(path)
            if (len(self._order) - 1) % self.parts != self.part:
                continue
            self._shards.add(path)
            for row in _rows(path):
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


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _rows(path: Path) -> list[Row]:
    """Read a shard; one that was deleted meanwhile has no rows. StoreError names one that is damaged."""
    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except FileNotFoundError:
        _log.warning("%s was deleted before it could be read", path)
        return []
    except (OSError, ArrowInvalid) as error:
        raise store.StoreError(f"{path} is not a readable shard ({error}): delete it and render it again") from error
    if not rows or COLUMNS - set(rows[0]):
        raise store.StoreError(f"{path} holds no scenes of egm scenes render: delete it and render it again")
    return rows


def sample_pictures(folder: Path, count: int) -> list[NDArray[np.uint8]]:
    """Give the middles of some pictures of a folder's first shard, 128 pixels a side, for the statistics of patches."""
    shards = store.shards(folder)
    if not shards:
        raise FileNotFoundError(f"no rendered scenes in {folder}; render some with egm scenes render --out {folder}")
    rows = _rows(shards[0])
    if not rows:
        raise FileNotFoundError(
            f"the scenes in {folder} are being deleted; render some with egm scenes render --out {folder}"
        )
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
                    made = queue.get(timeout=WAIT_SECONDS)
                    if isinstance(made, str):
                        raise RuntimeError(made)
                    yield made
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
        try:
            self._make(queue, helper, packer, asking, size, seed)
        except (OSError, ValueError) as error:
            # In words, to the process that can end the run.
            queue.put(str(error))
            queue.close()
            queue.join_thread()

    def _make(self, queue: Any, helper: int, packer: Packer, asking: Asking | None, size: int, seed: int) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        cv2.setNumThreads(1)
        rng = np.random.default_rng([seed, helper])
        part, parts = self.rank * self.helpers + helper, self.processes * self.helpers
        loader = SceneLoader(self.scenes, part, parts, self.views, read_seen(self.record, SEEN))
        made = 0
        while True:
            if made % RESCAN == RESCAN - 1:
                loader.rescan()
            if made % RECORD == RECORD - 1:
                write_seen(self.record / SEEN.replace("*", str(part)), loader.seen)
            scenes = [varied(s, rng) for s in loader.draw(rng, size)]
            queue.put(packer.pack(scenes, [asking.queries(s, rng) for s in scenes] if asking else None))
            made += 1

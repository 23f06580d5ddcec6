"""Which stored scene a training process sees next: the least seen first, and none more often than is allowed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Size = tuple[int, int]


class ScenePool:
    """The scenes of one process by picture size and by how often they were seen; `views` 0 sets no limit."""

    def __init__(self, views: int = 0, seen: dict[int, int] | None = None) -> None:
        self.views = views
        self.seen = dict(seen or {})
        self._rows: dict[Size, list[list[Row]]] = {}

    def add(self, row: Row) -> None:
        """Take in a scene, unless it was seen often enough already."""
        seen = self.seen.get(row["seed"], 0)
        if self.views and seen >= self.views:
            return
        levels = self._rows.setdefault((row["width"], row["height"]), [])
        levels += [[] for _ in range(seen + 1 - len(levels))]
        levels[seen].append(row)

    def size(self, rng: np.random.Generator, count: int) -> Size | None:
        """Choose a picture size that has `count` views left, as often as there is left of it; None: there is none."""
        left = {
            size: sum(len(rows) * (self.views - seen if self.views else 1) for seen, rows in enumerate(levels))
            for size, levels in self._rows.items()
        }
        sizes = [size for size, number in left.items() if number >= (count if self.views else 1)]
        if not sizes:
            return None
        weights = np.array([left[size] for size in sizes], float)
        return sizes[int(rng.choice(len(sizes), p=weights / weights.sum()))]

    def draw(self, rng: np.random.Generator, size: Size) -> Row:
        """Take the next scene of that size, at random among those that were seen least."""
        levels = self._rows[size]
        rows = next(rows for rows in levels if rows)
        place = int(rng.integers(len(rows)))
        rows[place], rows[-1] = rows[-1], rows[place]
        row = rows.pop()
        self.seen[row["seed"]] = self.seen.get(row["seed"], 0) + 1
        self.add(row)
        return row


def read_seen(folder: Path, pattern: str) -> dict[int, int]:
    """Read how often each seed was seen, off all files of that pattern: a later start may share the shards out anew."""
    seen: dict[int, int] = {}
    for path in folder.glob(pattern):
        for seed, count in json.loads(path.read_text()).items():
            seen[int(seed)] = max(count, seen.get(int(seed), 0))
    return seen


def write_seen(path: Path, seen: dict[int, int]) -> None:
    """Write how often each seed was seen, in one piece."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(seen))
    partial.replace(path)

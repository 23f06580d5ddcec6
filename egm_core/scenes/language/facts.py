"""A scene's geometry, measured once: what relations between its objects hold, clearly or doubtfully.

Sets of objects are bit masks, bit i for object i. Every predicate is three-valued: an object fits, doesn't fit,
or lies in the margin between.

Distances in the image are thousandths of its width or height. Only what a mirrored picture keeps is used from
the 3-D truth (depths, distances, extents), so a mirrored scene needs its boxes mirrored and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from egm_core.scenes.truth import Scene

ORDINAL_GAP = 30.0
SIDE_MARGIN = 40.0
SIDE_OVERLAP = 0.5
SIDE_DOUBT = 20.0
DEPTH_MARGIN = 0.05
COLUMN_SHARE = 0.3
COLUMN_DOUBT = 20.0
ROUNDING = 1e-6
NEAR_GAP = 110.0
FAR_GAP = 220.0
NEAR_RATIO = 0.75
BETWEEN_SPAN = 150.0
BETWEEN_MARGIN = 40.0
BETWEEN_DOUBT = 20.0
BETWEEN_ASIDE = 0.35
SIZE_RATIO = 1.12
HIDDEN_BELOW = 0.8
VISIBLE_ABOVE = 0.95
HIDDEN_BY_BELOW = 0.92


def _masks(table: NDArray[np.bool_], powers: NDArray[np.int64]) -> list[int]:
    """Turn (candidate, anchor) truth into one bit mask of candidates per anchor."""
    return [int(value) for value in powers @ table]


def members(mask: int) -> list[int]:
    """Return the indices of a bit mask, ascending."""
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


@dataclass(frozen=True)
class Relation:
    """One relation of a scene as bit masks of candidates per anchor: certain, doubtful, and loosely so."""

    certain: list[int]
    doubtful: list[int]
    loose: list[int]


class Facts:
    """A scene's geometry, measured once; objects that can't be seen at all are left out of every set."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.objects = scene.objects
        self.count = len(scene.objects)
        self.categories: dict[str, int] = {}
        self.colors: dict[str, int] = {}
        self.states: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.occluded_by: dict[str, int] = {}
        self.hidden = self.unhidden = self.slightly_hidden = 0
        self.everything = 0
        for i, thing in enumerate(scene.objects):
            if thing.visible[0] >= thing.visible[2]:
                continue
            bit = 1 << i
            self.everything |= bit
            self.categories[thing.category] = self.categories.get(thing.category, 0) | bit
            self.colors[thing.color] = self.colors.get(thing.color, 0) | bit
            if thing.state:
                self.states[thing.state] = self.states.get(thing.state, 0) | bit
            self.sizes[thing.size] = self.sizes.get(thing.size, 0) | bit
            for occluder in thing.occluders:
                self.occluded_by[occluder] = self.occluded_by.get(occluder, 0) | bit
            if thing.visible_fraction < HIDDEN_BELOW:
                self.hidden |= bit
            elif thing.visible_fraction > VISIBLE_ABOVE:
                self.unhidden |= bit
            if thing.visible_fraction < HIDDEN_BY_BELOW:
                self.slightly_hidden |= bit
        scale = 1000.0 / np.array([scene.width, scene.height] * 2, dtype=np.float64)
        visible = np.array([o.visible for o in scene.objects], dtype=np.float64).reshape(-1, 4) * scale
        self._amodal = amodal = np.array([o.amodal for o in scene.objects], dtype=np.float64).reshape(-1, 4) * scale
        full = np.array([o.amodal_full for o in scene.objects], dtype=np.float64).reshape(-1, 4)
        self._x = (visible[:, 0] + visible[:, 2]) / 2
        self._amodal_x = (amodal[:, 0] + amodal[:, 2]) / 2
        self.x: list[float] = self._x.tolist()
        self.y: list[float] = ((visible[:, 1] + visible[:, 3]) / 2).tolist()
        self.amodal_x: list[float] = self._amodal_x.tolist()
        self.points = [(round(x), round(y)) for x, y in zip(self.x, self.y, strict=True)]
        self.depth = [o.center_depth for o in scene.objects]
        self.distance = self._along_the_ground()
        self.apparent: list[float] = np.sqrt((full[:, 2] - full[:, 0]) * (full[:, 3] - full[:, 1])).tolist()
        self.physical = [float(np.prod(o.extent)) ** (1 / 3) for o in scene.objects]
        self.powers = 1 << np.arange(self.count, dtype=np.int64)

    def _along_the_ground(self) -> list[float]:
        """Measure how far off the objects are over the ground, in the direction in which the camera looks.

        A tall thing's centre is nearer to a camera that looks down than the flat thing's beside it; over the
        ground they are side by side. A camera that looks straight down has depths only.
        """
        camera = self.scene.camera
        forward = camera.rotation[2, :2]
        length = float(np.linalg.norm(forward))
        if length < 0.05:
            return self.depth
        return [float((o.position - camera.position)[:2] @ forward) / length for o in self.objects]

    @cached_property
    def relations(self) -> dict[str, Relation]:
        """The relations between pairs, without `next to`, which depends on the other candidates."""
        n = self.count
        others = ~np.eye(n, dtype=np.bool_)
        found: dict[str, Relation] = {}

        def add(name: str, certain: NDArray[np.bool_], doubtful: NDArray[np.bool_], loose: NDArray[np.bool_]) -> None:
            clear = certain & others
            found[name] = Relation(
                _masks(clear, self.powers),
                _masks(doubtful & others & ~clear, self.powers),
                _masks(loose & others & ~clear, self.powers),
            )

        x0, x1 = self._amodal[:, 0], self._amodal[:, 2]
        width = x1 - x0
        touching = (width[:, None] + width[None, :]) / 2
        margin = np.maximum(SIDE_MARGIN, SIDE_OVERLAP * touching)
        seen = self._x[None, :] - self._x[:, None]
        whole = self._amodal_x[None, :] - self._amodal_x[:, None]
        least, most = np.minimum(seen, whole), np.maximum(seen, whole)
        add("left of", least >= margin, most > -SIDE_DOUBT, most > -2 * SIDE_DOUBT)
        add("right of", most <= -margin, least < SIDE_DOUBT, least < 2 * SIDE_DOUBT)

        supported = np.zeros((n, n), dtype=np.bool_)
        covered = np.zeros((n, n), dtype=np.bool_)
        for i, thing in enumerate(self.objects):
            if thing.supported_by is not None:
                supported[i, thing.supported_by] = True
            for occluder in thing.occluders:
                if occluder.startswith("object:"):
                    covered[i, int(occluder[7:])] = True
        stacked = supported | supported.T
        shared = np.minimum(x1[:, None], x1[None, :]) - np.maximum(x0[:, None], x0[None, :])
        columns = shared > COLUMN_SHARE * np.minimum(width[:, None], width[None, :]) + ROUNDING
        depth, ground = np.array(self.depth), np.array(self.distance)
        mean = np.maximum((depth[:, None] + depth[None, :]) / 2, 1e-6)
        steps = (depth[:, None] - depth[None, :]) / mean, (ground[:, None] - ground[None, :]) / mean
        least, most = np.minimum(*steps), np.maximum(*steps)
        behind = (((least >= DEPTH_MARGIN) & columns) | (covered & (most > 0))) & ~stacked
        maybe = ((most > 0) & (shared > -COLUMN_DOUBT)) | covered
        loosely = ((most > -DEPTH_MARGIN) & (shared > -4 * COLUMN_DOUBT)) | covered | stacked
        add("behind", behind, maybe & ~stacked, loosely)
        add("in front of", behind.T, maybe.T & ~stacked, loosely.T)

        y0, y1 = self._amodal[:, 1], self._amodal[:, 3]
        rows = np.minimum(y1[:, None], y1[None, :]) - np.maximum(y0[:, None], y0[None, :])
        meeting = (shared > 0) & (rows > 0)
        never = np.zeros((n, n), dtype=np.bool_)
        add("on", supported, never, meeting)
        add("under", supported.T, never, meeting)
        return found

    @cached_property
    def _closeness(self) -> tuple[list[list[float]], list[list[float]], list[list[float]]]:
        """Gaps between boxes, distances of centres in the image (thousandths of the width) and in space (m)."""
        aspect = self.scene.height / self.scene.width
        x0, y0, x1, y1 = self._amodal.T
        y0, y1 = y0 * aspect, y1 * aspect
        across = np.maximum(0.0, np.maximum(x0[:, None], x0[None, :]) - np.minimum(x1[:, None], x1[None, :]))
        down = np.maximum(0.0, np.maximum(y0[:, None], y0[None, :]) - np.minimum(y1[:, None], y1[None, :]))
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        flat = np.hypot(x[:, None] - x[None, :], y[:, None] - y[None, :])
        position = np.array([o.position for o in self.objects], dtype=np.float64).reshape(-1, 3)
        space = np.linalg.norm(position[:, None] - position[None, :], axis=-1)
        gaps: list[list[float]] = np.hypot(across, down).tolist()
        return gaps, flat.tolist(), space.tolist()

    def next_to(self, candidates: int, anchor: int) -> tuple[int, int]:
        """Say which of the candidates is next to the anchor: the clearly nearest one, if it is near."""
        gaps, flat, space = self._closeness
        around = members(candidates & ~(1 << anchor))
        if not around:
            return 0, 0
        first = min(around, key=lambda i: flat[i][anchor])
        others = [i for i in around if i != first]
        if all(gaps[i][anchor] > FAR_GAP for i in around):
            return 0, 0
        clear = gaps[first][anchor] <= NEAR_GAP and all(
            flat[first][anchor] <= NEAR_RATIO * flat[i][anchor]
            and space[first][anchor] <= NEAR_RATIO * space[i][anchor]
            for i in others
        )
        stacked = self.relations["on"].certain[anchor] | self.relations["under"].certain[anchor]
        if clear and not stacked & candidates:
            return 1 << first, 0
        return 0, candidates & ~(1 << anchor)

    def between(self, candidates: int, first: int, second: int) -> tuple[int, int]:
        """Say which of the candidates are clearly between two objects, and for which it is doubtful."""
        certain = doubtful = 0
        candidates &= ~(1 << first | 1 << second)
        a, b = (first, second) if self.x[first] < self.x[second] else (second, first)
        span = self.x[b] - self.x[a]
        if span < BETWEEN_SPAN:
            return 0, candidates
        aspect = self.scene.height / self.scene.width
        for i in members(candidates):
            inside = min(self.x[i] - self.x[a], self.x[b] - self.x[i])
            if inside < -BETWEEN_DOUBT:
                continue
            line = self.y[a] + (self.y[b] - self.y[a]) * (self.x[i] - self.x[a]) / span
            if inside >= BETWEEN_MARGIN and abs(self.y[i] - line) * aspect <= BETWEEN_ASIDE * span:
                certain |= 1 << i
            else:
                doubtful |= 1 << i
        return certain, doubtful

    def by_side(self, mask: int) -> list[int] | None:
        """Return objects from left to right, or None where two of them are not clearly apart."""
        order = sorted(members(mask), key=self.x.__getitem__)
        for i, j in pairwise(order):
            if self.x[j] - self.x[i] < ORDINAL_GAP or self.amodal_x[j] <= self.amodal_x[i]:
                return None
        return order

    def left_to_right(self, mask: int) -> list[int]:
        """Return objects in the order in which reasoning lists them."""
        return sorted(members(mask), key=lambda i: (self.points[i], i))

    def extreme(self, mask: int, which: str) -> int | None:
        """Return the object of a set at an end, or None where it isn't clear or there is only one object."""
        objects = members(mask)
        if len(objects) < 2:
            return None
        if which in ("leftmost", "rightmost"):
            sign = 1 if which == "leftmost" else -1
            order = sorted(objects, key=lambda i: sign * self.x[i])
            best = order[0]
            apart = sign * (self.x[order[1]] - self.x[best]) >= ORDINAL_GAP
            agreed = all(sign * (self.amodal_x[i] - self.amodal_x[best]) > 0 for i in order[1:])
            return best if apart and agreed else None
        if which == "middle":
            sides = self.by_side(mask)
            return sides[len(sides) // 2] if sides is not None and len(sides) in (3, 5) else None
        if which in ("nearest", "farthest"):
            sign = 1 if which == "nearest" else -1
            best = min(objects, key=lambda i: sign * self.depth[i])
            for i in objects:
                if i == best:
                    continue
                steps = self.depth[i] - self.depth[best], self.distance[i] - self.distance[best]
                if min(sign * step for step in steps) < DEPTH_MARGIN * self.depth[best]:
                    return None
            return best
        if which in ("largest", "smallest"):
            sign = 1 if which == "largest" else -1
            best = max(objects, key=lambda i: sign * self.apparent[i])
            return best if all(self._outsizes(best, i, sign) for i in objects if i != best) else None
        raise ValueError(f"unknown extreme {which!r}")

    def _outsizes(self, a: int, b: int, sign: int) -> bool:
        if sign < 0:
            a, b = b, a
        return self.apparent[a] >= SIZE_RATIO * self.apparent[b] and self.physical[a] >= SIZE_RATIO * self.physical[b]

    def sized(self, mask: int, size: str) -> tuple[int, int]:
        """Say which of a set is the large or small one, where the others clearly have the opposite size."""
        opposite = "small" if size == "large" else "large"
        fitting = mask & self.sizes.get(size, 0)
        rest = mask & ~fitting
        sign = 1 if size == "large" else -1
        clear = rest and rest & self.sizes.get(opposite, 0) == rest
        if clear and fitting and all(self._outsizes(i, j, sign) for i in members(fitting) for j in members(rest)):
            return fitting, 0
        return 0, mask

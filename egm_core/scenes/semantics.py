"""Which objects of a scene a form means, by measured margins: what is not clear is not claimed.

Every predicate is three-valued. An object fits, doesn't fit, or lies in the margin between, and a form with an
object in that margin is ambiguous. `judge` can also read loosely, as a careless listener would: an expression
for something absent must fit nothing even then.

Distances in the image are thousandths of its width or height. Only what a mirrored picture keeps is used from
the 3-D truth (depths, distances, extents), so a mirrored scene needs its boxes mirrored and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from egm_core.scenes.forms import Between, Extreme, Form, Furniture, Hidden, Noun, Ordinal, Related, Sized, Unhidden
from egm_core.scenes.truth import Scene

ORDINAL_GAP = 30.0
SIDE_MARGIN = 40.0
SIDE_OVERLAP = 0.5
SIDE_DOUBT = 20.0
DEPTH_MARGIN = 0.05
COLUMN_SHARE = 0.3
COLUMN_DOUBT = 20.0
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
CONFUSABLE_COLORS = (("red", "orange"), ("orange", "yellow"), ("blue", "purple"))
CONFUSABLE_CATEGORIES = (("book", "notebook"), ("car", "van"))

Floats = NDArray[np.float64]


class AmbiguousError(ValueError):
    """The scene doesn't say clearly which objects a form means."""


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
    """A scene's geometry, measured once: sets of objects are bit masks, bit i for object i."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.objects = scene.objects
        self.count = len(scene.objects)
        self.everything = (1 << self.count) - 1
        self.categories: dict[str, int] = {}
        self.colors: dict[str, int] = {}
        self.states: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.occluded_by: dict[str, int] = {}
        self.hidden = self.unhidden = self.slightly_hidden = 0
        for i, thing in enumerate(scene.objects):
            bit = 1 << i
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
        self.depth = [o.depth for o in scene.objects]
        self.center_depth = [o.center_depth for o in scene.objects]
        self.apparent: list[float] = np.sqrt((full[:, 2] - full[:, 0]) * (full[:, 3] - full[:, 1])).tolist()
        self.physical = [float(np.prod(o.extent)) ** (1 / 3) for o in scene.objects]
        self.powers = 1 << np.arange(self.count, dtype=np.int64)

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
        columns = shared >= COLUMN_SHARE * np.minimum(width[:, None], width[None, :])
        depth, center = np.array(self.depth), np.array(self.center_depth)
        step = (depth[:, None] - depth[None, :]) / np.maximum((depth[:, None] + depth[None, :]) / 2, 1e-6)
        core = (center[:, None] - center[None, :]) / np.maximum((center[:, None] + center[None, :]) / 2, 1e-6)
        farther = (np.minimum(step, core) >= DEPTH_MARGIN) & columns
        behind = (farther | (covered & (core > 0))) & ~stacked
        maybe = ((np.maximum(step, core) > 0) & (shared > -COLUMN_DOUBT)) | covered
        loosely = ((np.maximum(step, core) > -DEPTH_MARGIN) & (shared > -4 * COLUMN_DOUBT)) | covered | stacked
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
            flat[first][anchor] <= NEAR_RATIO * flat[i][anchor] and space[first][anchor] <= NEAR_RATIO * space[i][anchor]
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
        for i, j in zip(order, order[1:], strict=False):
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
            return best if apart and all(sign * (self.amodal_x[i] - self.amodal_x[best]) > 0 for i in order[1:]) else None
        if which == "middle":
            sides = self.by_side(mask)
            return sides[len(sides) // 2] if sides is not None and len(sides) in (3, 5) else None
        if which in ("nearest", "farthest"):
            sign = 1 if which == "nearest" else -1
            best = min(objects, key=lambda i: sign * self.depth[i])
            for i in objects:
                if i == best:
                    continue
                step = sign * (self.depth[i] - self.depth[best]) / self.depth[best]
                core = sign * (self.center_depth[i] - self.center_depth[best]) / self.center_depth[best]
                if min(step, core) < DEPTH_MARGIN:
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
        return (
            self.apparent[a] >= SIZE_RATIO * self.apparent[b] and self.physical[a] >= SIZE_RATIO * self.physical[b]
        )

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


def judge(facts: Facts, form: Form, loose: bool = False) -> tuple[int, int]:
    """Return the bit masks of the objects that fit a form and of those that may fit.

    A failed presupposition (an anchor that isn't one clear object, an extreme of a single object) makes every
    object doubtful. `loose` widens doubt to what a careless listener would accept.
    """
    match form:
        case Noun():
            return _judge_noun(facts, form, loose)
        case Extreme(head, which):
            certain, doubtful = judge(facts, head, loose)
            if doubtful or not certain:
                return 0, certain | doubtful
            best = facts.extreme(certain, which)
            return (0, certain) if best is None else (1 << best, 0)
        case Ordinal(head, rank, side):
            certain, doubtful = judge(facts, head, loose)
            if rank > (certain | doubtful).bit_count():
                return 0, 0
            order = None if doubtful else facts.by_side(certain)
            if order is None:
                return 0, certain | doubtful
            return 1 << order[rank - 1 if side == "left" else -rank], 0
        case Sized(head, size):
            certain, doubtful = judge(facts, head, loose)
            return (0, certain | doubtful) if doubtful or not certain else facts.sized(certain, size)
        case Related(head, relation, Furniture(word)):
            if relation != "behind":
                raise ValueError(f"furniture is an anchor of 'behind' only, not of {relation!r}")
            return _judge_hidden(facts, judge(facts, head, loose), facts.occluded_by.get(word, 0))
        case Related(head, relation, anchor):
            return _judge_related(facts, judge(facts, head, loose), relation, anchor, loose)
        case Between(head, first, second):
            certain, doubtful = judge(facts, head, loose)
            a, b = single(facts, first), single(facts, second)
            if a is None or b is None or a == b:
                return 0, facts.everything
            inside, maybe = facts.between(certain | doubtful, a, b)
            return inside & certain, maybe | (inside & doubtful)
        case Hidden(head, None):
            certain, doubtful = judge(facts, head, loose)
            unclear = ~(facts.hidden | facts.unhidden)
            return certain & facts.hidden, (certain & unclear) | (doubtful & ~facts.unhidden)
        case Hidden(head, by) if by is not None:
            if isinstance(by, Furniture):
                return _judge_hidden(facts, judge(facts, head, loose), facts.occluded_by.get(by.word, 0))
            index = single(facts, by)
            if index is None:
                return 0, facts.everything
            heads = judge(facts, head, loose)
            apart = ~(1 << index)
            return _judge_hidden(
                facts, (heads[0] & apart, heads[1] & apart), facts.occluded_by.get(f"object:{index}", 0)
            )
        case Unhidden(head):
            certain, doubtful = judge(facts, head, loose)
            unclear = ~(facts.hidden | facts.unhidden)
            return certain & facts.unhidden, (certain & unclear) | (doubtful & ~facts.hidden)
    raise TypeError(f"not a form: {form!r}")


def _judge_noun(facts: Facts, form: Noun, loose: bool) -> tuple[int, int]:
    certain = wide = facts.everything
    for value, table, pairs in (
        (form.category, facts.categories, CONFUSABLE_CATEGORIES),
        (form.color, facts.colors, CONFUSABLE_COLORS),
        (form.state or None, facts.states, ()),
    ):
        if value is None:
            continue
        exact = table.get(value, 0)
        certain &= exact
        if loose:
            for pair in pairs:
                if value in pair:
                    exact |= table.get(pair[0], 0) | table.get(pair[1], 0)
        wide &= exact
    return certain, wide & ~certain


def _judge_hidden(facts: Facts, heads: tuple[int, int], covered: int) -> tuple[int, int]:
    certain, doubtful = heads
    return certain & covered & facts.slightly_hidden, (
        (certain & covered & ~facts.slightly_hidden) | (doubtful & covered)
    )


def _judge_related(
    facts: Facts, heads: tuple[int, int], relation: str, anchor: Form, loose: bool
) -> tuple[int, int]:
    index = single(facts, anchor)
    if index is None:
        return 0, facts.everything
    certain, doubtful = heads
    if relation == "next to":
        if not doubtful:
            return facts.next_to(certain, index)
        near, maybe = facts.next_to(certain | doubtful, index)
        return 0, near | maybe
    table = facts.relations[relation]
    unclear = table.loose[index] | table.doubtful[index] if loose else table.doubtful[index]
    fitting = table.certain[index]
    return certain & fitting, (certain & unclear) | (doubtful & (fitting | unclear))


def single(facts: Facts, form: Form) -> int | None:
    """Return the one object that a form clearly means, else None."""
    certain, doubtful = judge(facts, form)
    if doubtful or certain.bit_count() != 1:
        return None
    return certain.bit_length() - 1


def resolve(scene: Scene | Facts, form: Form) -> frozenset[int]:
    """Return the indices of the objects that a form means; empty where there is none.

    Raises AmbiguousError where an object lies within a margin, or where an anchor isn't one clear object.
    """
    facts = scene if isinstance(scene, Facts) else Facts(scene)
    certain, doubtful = judge(facts, form)
    if doubtful:
        raise AmbiguousError(f"{form!r} is ambiguous: objects {members(doubtful)} may or may not fit")
    return frozenset(members(certain))


def nothing_like(scene: Scene | Facts, form: Form) -> bool:
    """Say whether a form fits no object of the scene, even read loosely."""
    facts = scene if isinstance(scene, Facts) else Facts(scene)
    return judge(facts, form, loose=True) == (0, 0)

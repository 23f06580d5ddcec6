"""Puts objects into a world so that expressions have something to say and amodal boxes something to guess.

A scene draws its categories and colours from small pools, so most objects have another of their kind; objects are
lined up behind each other, laid on and under each other, and set behind poles and trucks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from egm_core.boxes import Box
from egm_core.scenes.projection import View, bounds, rough_bounds
from egm_core.scenes.truth import CATEGORIES, COLORS, Size, World
from egm_core.scenes.worlds import furniture as pieces
from egm_core.scenes.worlds import looks as worlds
from egm_core.scenes.worlds.catalogue import make
from egm_core.scenes.worlds.primitives import Vector, about_y, about_z
from egm_core.scenes.worlds.stage import Footprint, Furniture, Stage, Thing

_SIZES: tuple[Size, ...] = ("small", "medium", "large")
_TRIES_PER_THING = 4
_SPOTS_PER_THING = 14
_STACKED_SHARE = 0.22
_LINED_UP_SHARE = 0.88
_SEEN = (0.24, 0.54)
_SECOND_BEST_SHARE = 0.3
_MOST_HIDDEN = 0.83
MIN_SIDE = 11.0 / 192.0
MIN_ROOT_AREA = 17.5 / 192.0
_MAX_WIDTH_SHARE = 0.5


def compose(rng: np.random.Generator, world: World, width: int, height: int) -> Stage | None:
    """Return a stage with its camera, light, furniture and three to eight objects; None when too few found room."""
    view = worlds.view(rng, world, width, height)
    lights = worlds.lights(rng, world)
    backdrop = worlds.backdrop(rng, world)
    furniture = _street_furniture(rng, view) if world == "street" else []
    things = _arrange(rng, world, view, furniture)
    if len(things) < 3:
        return None
    if world == "tabletop" and rng.random() < 0.8:
        chosen = max(
            (things[int(i)] for i in rng.integers(len(things), size=2)), key=lambda t: _distance(view, t.footprint)
        )
        box, _ = bounds(view, chosen.primitives)
        depth = float(view.rotation[2] @ (chosen.center - view.position))
        furniture.append(pieces.arm(rng, view, box, depth))
    return Stage(world, view, lights, backdrop, tuple(furniture), tuple(things))


def _street_furniture(rng: np.random.Generator, view: View) -> list[Furniture]:
    items: list[Furniture] = []
    if rng.random() < 0.42:
        x, y = _ground(rng, view, (0.05, 0.95), (0.5, 0.75))
        items.append(pieces.truck(rng, x, y))
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.25, 0.35, 0.25, 0.15]))):
        x, y = _ground(rng, view, (0.08, 0.92), (0.55, 0.85))
        piece = pieces.pole(rng, x, y)
        if not _collides(piece.footprint, items):
            items.append(piece)
    return items


def _ground(
    rng: np.random.Generator, view: View, across: tuple[float, float], down: tuple[float, float]
) -> tuple[float, float]:
    point = view.ground_point(rng.uniform(*across) * view.width, rng.uniform(*down) * view.height)
    if point is None:
        return 0.0, 0.0
    return float(point[0]), float(point[1])


def _collides(footprint: Footprint | None, others: Sequence[Thing | Furniture]) -> bool:
    return footprint is not None and any(o.footprint is not None and footprint.overlaps(o.footprint) for o in others)


def _colors(rng: np.random.Generator) -> list[str]:
    names = list(COLORS)
    return [str(name) for name in rng.choice(names, int(rng.integers(2, 6)), replace=False)]


def tint(rng: np.random.Generator, name: str) -> Vector:
    """Return one shade (RGB in 0..1) of a named colour."""
    color = np.array(COLORS[name]) / 255.0
    spread = 0.006 if name in ("white", "black") else 0.02
    return np.clip(color * rng.uniform(0.88, 1.1) + rng.normal(0, spread, 3), 0.03, 0.97)


def _arrange(rng: np.random.Generator, world: World, view: View, furniture: list[Furniture]) -> list[Thing]:
    wanted = int(rng.choice([3, 4, 5, 6, 7, 8], p=[0.02, 0.06, 0.14, 0.22, 0.28, 0.28]))
    kinds = CATEGORIES[world]
    kind_count = min(int(rng.choice([1, 2, 3, 4], p=[0.1, 0.4, 0.35, 0.15])), len(kinds))
    pool = rng.choice(len(kinds), kind_count, replace=False)
    colors = _colors(rng)
    varied = rng.random() < 0.6
    things: list[Thing] = []
    for _ in range(wanted * _TRIES_PER_THING):
        if len(things) >= wanted:
            break
        category = kinds[int(rng.choice(pool))]
        color = str(rng.choice(colors))
        size: Size = _SIZES[int(rng.integers(3))] if varied else "medium"
        thing = _put(rng, world, view, _blank(rng, world, view, category, color, size), things, furniture)
        if thing is not None:
            things.append(thing)
    return things


def _blank(rng: np.random.Generator, world: World, view: View, category: str, color: str, size: Size) -> Thing:
    """Return a new thing, turned as it will stand, at the origin."""
    shape = make(category, tint(rng, color), size, rng)
    lying = shape.lying_radius > 0 and rng.random() < 0.2
    state = ("lying" if lying else "standing") if shape.lying_radius > 0 else ""
    yaw = _yaw(rng, world, view, category, lying)
    half = (shape.height / 2, shape.lying_radius) if lying else shape.footprint
    return Thing(category, color, size, state, shape, Footprint(0.0, 0.0, yaw, half), np.zeros(3), about_z(yaw))


def _put(
    rng: np.random.Generator,
    world: World,
    view: View,
    blank: Thing,
    things: list[Thing],
    furniture: list[Furniture],
) -> Thing | None:
    """Return the thing at a place where it is well seen and hides or is hidden by another; None when none is found."""
    resting = [i for i, t in enumerate(things) if t.support is None and not any(o.support == i for o in things)]
    if world == "tabletop" and resting and rng.random() < _STACKED_SHARE:
        base = resting[int(rng.integers(len(resting)))]
        stacked = _across_pen(rng, blank, base, things) if blank.category == "notebook" else None
        stacked = stacked or _on_top(rng, blank, base, things[base])
        if stacked is not None and _fits(view, bounds(view, stacked.primitives)):
            return stacked
    anchors: list[Thing | Furniture] = [t for t in things if t.support is None]
    anchors += [f for f in furniture if f.footprint is not None] * 2
    lined_up = bool(anchors) and rng.random() < _LINED_UP_SHARE
    corners = blank.local_corners
    second_best: Thing | None = None
    for _ in range(_SPOTS_PER_THING):
        anchor = anchors[int(rng.integers(len(anchors)))] if lined_up else None
        if anchor is not None:
            spot = _lined_up(rng, world, view, blank, anchor)
        else:
            spot = _ground(rng, view, (0.1, 0.9), (0.3, 0.92) if world == "tabletop" else (0.5, 0.86))
        footprint = blank.footprint.moved(*spot)
        if _collides(footprint, [*things, *furniture]) or not _on_ground(world, footprint):
            continue
        thing = moved_to(blank, *spot)
        seen = rough_bounds(view, corners, thing.rotation, thing.position)
        if not _fits(view, seen) or _buries(view, thing, seen[0], [*things, *furniture]):
            continue
        if anchor is None or _SEEN[0] < _seen_share(view, thing, seen[0], anchor) < _SEEN[1]:
            return thing
        second_best = second_best or thing
    return second_best if rng.random() < _SECOND_BEST_SHARE else None


def _yaw(rng: np.random.Generator, world: World, view: View, category: str, lying: bool) -> float:
    """Return a yaw that shows what tells the category: handles to the side, long things slanting, traffic along."""
    right = float(np.arctan2(view.ground_right[1], view.ground_right[0]))
    flip = np.pi if rng.random() < 0.5 else 0.0
    if world == "street":
        if category in ("person", "cone"):
            return float(rng.uniform(-np.pi, np.pi))
        return flip + (float(rng.normal(0.0, 0.2)) if rng.random() < 0.72 else np.pi / 2 + float(rng.normal(0, 0.35)))
    if category == "mug":
        return right + flip + float(rng.uniform(-0.9, 0.9))
    if category in ("pen", "hammer") or lying:
        return right + flip + float(rng.choice([-1.0, 1.0]) * rng.uniform(0.45, 1.15))
    if rng.random() < 0.5:
        return right + flip + float(rng.normal(0.0, 0.25))
    return float(rng.uniform(-np.pi, np.pi))


def moved_to(thing: Thing, x: float, y: float, z: float = 0.0) -> Thing:
    """Return the thing with its footprint's centre at (x, y) and its lowest point at height `z`."""
    yaw = thing.footprint.yaw
    position, rotation = np.array([x, y, z]), about_z(yaw)
    if thing.state == "lying":
        rotation = rotation @ about_y(np.pi / 2)
        position = position - rotation @ np.array([0, 0, thing.shape.height / 2]) + (0, 0, thing.shape.lying_radius)
    return replace(thing, footprint=thing.footprint.moved(x, y), position=position, rotation=rotation)


def _lined_up(
    rng: np.random.Generator, world: World, view: View, thing: Thing, anchor: Thing | Furniture
) -> tuple[float, float]:
    """Return a spot right behind or in front of another object, as the camera sees it."""
    other = anchor.footprint
    if other is None:
        raise ValueError("only what stands on the ground can have something lined up with it")
    x, y = other.x - float(view.position[0]), other.y - float(view.position[1])
    far = max(math.hypot(x, y), 1e-6)
    forward, right = (x / far, y / far), (y / far, -x / far)
    own = thing.footprint.width_along(*right)
    if isinstance(anchor, Furniture):
        behind = True
        side = float(rng.choice([-1.0, 1.0]))
        if anchor.name == "truck":
            aside = side * (other.width_along(*right) + own * rng.uniform(-0.6, 0.5))
        else:
            aside = side * own * rng.uniform(0.15, 0.7)
    else:
        taller = thing.shape.height > anchor.shape.height * 1.1
        behind = bool(rng.random() < (0.3 if taller else 0.7))
        back, front = (own, other.width_along(*right)) if behind else (other.width_along(*right), own)
        if rng.random() < 0.5:
            aside = back * rng.normal(0.0, 0.2)
        else:
            aside = float(rng.choice([-1.0, 1.0])) * (back + front - 2 * back * rng.uniform(0.35, 0.75))
    sign = 1.0 if behind else -1.0
    way = (forward[0] * sign, forward[1] * sign)
    start = (other.x + right[0] * aside, other.y + right[1] * aside)
    distance = thing.footprint.moved(*start).clearance(other, *way)
    distance += rng.uniform(0.002, 0.035) if world == "tabletop" else rng.uniform(0.1, 0.9)
    return start[0] + way[0] * distance, start[1] + way[1] * distance


@lru_cache(maxsize=64)
def _box_of(view: View, anchor: Thing | Furniture) -> Box:
    return bounds(view, anchor.primitives)[0]


def _seen_share(view: View, thing: Thing, own: Box, anchor: Thing | Furniture) -> float:
    """Return about how much of the farther one's box stays in view, given the nearer one's box.

    A box shrinks only where a whole side of it is covered, so a pole across the middle of a car hides nothing of
    its box.
    """
    if anchor.footprint is None:
        return 1.0
    other = _box_of(view, anchor)
    farther = _distance(view, thing.footprint) > _distance(view, anchor.footprint)
    back, front = (own, other) if farther else (other, own)
    inset = 0.1 * (front[2] - front[0])
    x0, y0, x1, y1 = front[0] + inset, front[1] + 0.06 * (front[3] - front[1]), front[2] - inset, front[3]
    width, height = back[2] - back[0], back[3] - back[1]
    if x0 <= back[0] + 0.05 * width and x1 >= back[2] - 0.05 * width:
        covered = (min(y1, back[3]) - max(y0, back[1])) / height if y1 >= back[3] - 0.1 * height else 0.0
    elif y0 <= back[1] + 0.1 * height and y1 >= back[3] - 0.1 * height:
        at_side = x0 <= back[0] + 0.05 * width or x1 >= back[2] - 0.05 * width
        covered = (min(x1, back[2]) - max(x0, back[0])) / width if at_side else 0.0
    else:
        covered = 0.0
    return 1.0 - min(max(covered, 0.0), 1.0)


def _distance(view: View, footprint: Footprint) -> float:
    return footprint.x * view.ground_forward[0] + footprint.y * view.ground_forward[1]


def _buries(view: View, thing: Thing, own: Box, others: Sequence[Thing | Furniture]) -> bool:
    """Return whether a new thing would leave too little in view of another one, or be left with too little."""
    placed = [(own, _distance(view, thing.footprint), True)]
    for other in others:
        if other.footprint is not None:
            placed.append((_box_of(view, other), _distance(view, other.footprint), isinstance(other, Thing)))
    for box, depth, counts in placed:
        if not counts:
            continue
        hidden = sum(_overlap(box, front) for front, nearer, _ in placed if nearer < depth)
        if hidden > _MOST_HIDDEN * (box[2] - box[0]) * (box[3] - box[1]):
            return True
    return False


def _overlap(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0


def _on_top(rng: np.random.Generator, thing: Thing, index: int, base: Thing) -> Thing | None:
    """Return the thing standing on another one's flat top; None when it doesn't fit there."""
    seat = base.shape.seat
    if seat is None or base.support is not None:
        return None
    yaw = base.footprint.yaw + rng.uniform(-0.35, 0.35) + (np.pi if rng.random() < 0.5 else 0.0)
    half = thing.footprint.half
    if half[0] > half[1] * 1.2 and seat[1] > seat[0]:
        yaw += np.pi / 2
        seat = (seat[1], seat[0])
    if half[0] > seat[0] * 1.1 or half[1] > seat[1] * 1.1:
        return None
    slack = np.array([max(seat[0] - half[0], 0.0), max(seat[1] - half[1], 0.0)])
    offset = about_z(base.footprint.yaw)[:2, :2] @ (slack * rng.uniform(-0.7, 0.7, 2))
    turned = replace(thing, footprint=replace(thing.footprint, yaw=yaw))
    top = moved_to(turned, base.footprint.x + offset[0], base.footprint.y + offset[1], base.shape.height)
    return replace(top, support=index)


def _across_pen(rng: np.random.Generator, thing: Thing, index: int, things: list[Thing]) -> Thing | None:
    """Return a notebook lying across one end of a pen, one edge on the table."""
    pen = things[index]
    if pen.category != "pen":
        return None
    rise = pen.shape.height + 0.002
    half = thing.footprint.half
    tilt = float(np.arcsin(min(rise / half[0], 0.5)))
    lean = 1.0 if rng.random() < 0.5 else -1.0
    yaw = pen.footprint.yaw + np.pi / 2 * lean
    end = float(rng.choice([-1.0, 1.0]))
    slide = end * (half[1] + pen.footprint.half[0] * rng.uniform(-0.35, 0.15))
    spot = np.array([pen.footprint.x, pen.footprint.y]) + about_z(pen.footprint.yaw)[:2, 0] * slide
    rotation = about_z(yaw) @ about_y(tilt)
    footprint = Footprint(float(spot[0]), float(spot[1]), yaw, half)
    if _collides(footprint, [t for i, t in enumerate(things) if i != index]) or not _on_ground("tabletop", footprint):
        return None
    return replace(thing, footprint=footprint, position=np.array([*spot, rise]), rotation=rotation, support=index)


def _on_ground(world: World, footprint: Footprint) -> bool:
    if world == "street":
        return True
    limit = (worlds.TABLE_HALF[0] * 0.95, worlds.TABLE_HALF[1] * 0.95)
    return all(abs(x) < limit[0] and abs(y) < limit[1] for x, y in footprint.corners)


def in_frame(view: View, box: Box) -> Box:
    """Return the part of a box that lies in the view's frame."""
    w, h = float(view.width), float(view.height)
    return min(max(box[0], 0.0), w), min(max(box[1], 0.0), h), min(max(box[2], 0.0), w), min(max(box[3], 0.0), h)


def large_enough(view: View, box: Box) -> bool:
    """Return whether a box inside the frame is large enough to be recognised at this image size."""
    reference = math.sqrt(view.width * view.height)
    width, height = box[2] - box[0], box[3] - box[1]
    if min(width, height) < MIN_SIDE * reference:
        return False
    return math.sqrt(width * height) >= MIN_ROOT_AREA * reference


def _fits(view: View, seen: tuple[Box, float]) -> bool:
    """Return whether a thing is in view: most of it inside the frame, neither tiny nor filling the picture."""
    box, depth = seen
    inside = in_frame(view, box)
    if depth < 4 * view.near or inside[2] - inside[0] > _MAX_WIDTH_SHARE * view.width:
        return False
    whole = (box[2] - box[0]) * (box[3] - box[1])
    share = (inside[2] - inside[0]) * (inside[3] - inside[1]) / max(whole, 1e-9)
    return share > 0.6 and large_enough(view, inside)


def without(stage: Stage, dropped: set[int]) -> Stage:
    """Return the stage without some of its things, nor those that rested on them."""
    gone = set(dropped)
    for i, thing in enumerate(stage.things):
        if thing.support in gone:
            gone.add(i)
    kept = [i for i in range(len(stage.things)) if i not in gone]
    place = {old: new for new, old in enumerate(kept)}
    things = []
    for thing in (stage.things[i] for i in kept):
        moved = None if thing.support is None else place[thing.support]
        things.append(thing if moved == thing.support else replace(thing, support=moved))
    return replace(stage, things=tuple(things))

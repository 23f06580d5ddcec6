"""How a scene moves: objects that slide or drive, a camera that swings, something that passes in front.

A motion is drawn once from a seed and then gives the stage at any time, so a clip's frames can be made in any
order; objects keep their index throughout. Only `passing` can hide an object altogether.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from egm_core.scenes.projection import View, bounds
from egm_core.scenes.worlds import furniture as pieces
from egm_core.scenes.worlds.layout import without
from egm_core.scenes.worlds.primitives import Vector, about_z
from egm_core.scenes.worlds.stage import Footprint, Furniture, Stage, Thing

_STEPS = 24


@dataclass(frozen=True, eq=False)
class Swing:
    """One object's way to and fro: `reach` (2,) metres to either side of its place, in `period` seconds."""

    index: int
    reach: Vector
    period: float


@dataclass(frozen=True, eq=False)
class Motion:
    """What moves on a stage: the objects' swings, the camera's, and furniture that passes in front.

    `camera_turn` is in radians about `pivot` (3,), to either side within `camera_period` seconds. The passing piece
    starts at its own position and covers `travel` (3,) metres in `travel_period` seconds, again and again.
    """

    swings: tuple[Swing, ...]
    camera_turn: float
    camera_period: float
    pivot: Vector
    passing: Furniture | None
    travel: Vector
    travel_period: float


def draw(
    rng: np.random.Generator, stage: Stage, objects: bool = True, camera: bool = True, passing: bool = True
) -> tuple[Stage, Motion]:
    """Return a stage and its motion; things in the way of what passes are taken off the stage first."""
    piece, travel = None, np.zeros(3)
    if passing:
        piece, travel, stage = _passing(rng, stage)
    swings = tuple(_swings(rng, stage)) if objects else ()
    pivot = _pivot(stage.view)
    turn = float(rng.uniform(0.06, 0.16)) if camera else 0.0
    return stage, Motion(
        swings, turn, float(rng.uniform(6.0, 10.0)), pivot, piece, travel, float(rng.uniform(4.0, 6.0))
    )


def at(stage: Stage, motion: Motion, time: float) -> Stage:
    """Return the stage `time` seconds after the start."""
    things = list(stage.things)
    for swing in motion.swings:
        offset = swing.reach * np.sin(2 * np.pi * time / swing.period)
        things[swing.index] = _shifted(things[swing.index], offset)
    furniture = stage.furniture
    if motion.passing is not None:
        part = time / motion.travel_period % 1.0
        furniture += (replace(motion.passing, position=motion.passing.position + motion.travel * part),)
    turn = about_z(motion.camera_turn * float(np.sin(2 * np.pi * time / motion.camera_period)))
    view = replace(
        stage.view,
        position=motion.pivot + turn @ (stage.view.position - motion.pivot),
        rotation=stage.view.rotation @ turn.T,
    )
    return replace(stage, things=tuple(things), furniture=furniture, view=view)


def _shifted(thing: Thing, offset: Vector) -> Thing:
    footprint = thing.footprint.moved(thing.footprint.x + float(offset[0]), thing.footprint.y + float(offset[1]))
    return replace(thing, footprint=footprint, position=thing.position + np.array([*offset, 0.0]))


def _pivot(view: View) -> Vector:
    """Return the point of the ground that the camera looks at."""
    point = view.ground_point(view.width / 2, view.height / 2)
    if point is None:
        return np.asarray(view.position + view.rotation[2])
    return np.array([*point, 0.0])


def _swings(rng: np.random.Generator, stage: Stage) -> Iterable[Swing]:
    """Choose up to three objects that rest on the ground with nothing on them, and room for them to move."""
    loaded = {thing.support for thing in stage.things}
    free = [i for i, thing in enumerate(stage.things) if thing.support is None and i not in loaded]
    movers: dict[int, Vector] = {}
    for index in rng.permutation(free):
        if len(movers) == 3:
            break
        thing = stage.things[int(index)]
        if thing.category in ("cone", "book", "notebook", "box") and rng.random() < 0.5:
            continue
        if thing.category in ("car", "van"):
            angle, length = thing.footprint.yaw, rng.uniform(0.8, 2.2)
        else:
            angle = rng.uniform(-np.pi, np.pi)
            length = rng.uniform(0.5, 1.2) if stage.world == "street" else rng.uniform(0.04, 0.12)
        for shrink in (1.0, 0.6, 0.35):
            reach = length * shrink * np.array([np.cos(angle), np.sin(angle)])
            if _free_way(stage, int(index), reach, movers):
                movers[int(index)] = reach
                break
    return (Swing(index, reach, float(rng.uniform(3.0, 6.0))) for index, reach in movers.items())


def _swept(footprint: Footprint, reach: Vector) -> list[Footprint]:
    x, y = footprint.x, footprint.y
    return [footprint.moved(x + float(reach[0] * s), y + float(reach[1] * s)) for s in np.linspace(-1.0, 1.0, _STEPS)]


def _free_way(stage: Stage, index: int, reach: Vector, movers: dict[int, Vector]) -> bool:
    """Return whether an object can swing without touching another one, wherever that is in its own swing."""
    own = _swept(stage.things[index].footprint, reach)
    for i, other in enumerate(stage.things):
        if i == index:
            continue
        theirs = _swept(other.footprint, movers[i]) if i in movers else [other.footprint]
        if any(a.overlaps(b) for a in own for b in theirs):
            return False
    standing = [f.footprint for f in stage.furniture if f.footprint is not None]
    return not any(a.overlaps(b) for a in own for b in standing)


def _passing(rng: np.random.Generator, stage: Stage) -> tuple[Furniture, Vector, Stage]:
    """Return something that crosses the picture in front of an object, its way, and the stage with that way clear."""
    view = stage.view
    target = stage.things[int(rng.integers(len(stage.things)))]
    right = np.array([*view.ground_right, 0.0]) * (1.0 if rng.random() < 0.5 else -1.0)
    depth = float(view.rotation[2] @ (target.center - view.position))
    across = depth * view.width / view.focal
    if stage.world == "tabletop":
        box, _ = bounds(view, target.primitives)
        piece = pieces.arm(rng, view, box, depth)
        start = -right * across * 1.1
        bare = replace(stage, furniture=tuple(f for f in stage.furniture if f.name != "arm"))
        return replace(piece, position=start), right * across * 2.2, bare
    near = target.footprint.width_along(*view.ground_forward) + 1.8
    lane = np.array([target.footprint.x, target.footprint.y]) - np.array(view.ground_forward) * near
    piece = pieces.truck(rng, 0.0, 0.0)
    yaw = float(np.arctan2(right[1], right[0]))
    way = Footprint(float(lane[0]), float(lane[1]), yaw, (across, 1.3))
    blocked = {i for i, t in enumerate(stage.things) if t is not target and t.footprint.overlaps(way)}
    kept = [f for f in stage.furniture if f.footprint is None or not f.footprint.overlaps(way)]
    clear = replace(without(stage, blocked), furniture=tuple(kept))
    half = across * 0.75 + 4.0
    start = np.array([*lane, 0.0]) - right * half
    return replace(piece, footprint=None, position=start, rotation=about_z(yaw)), right * 2 * half, clear

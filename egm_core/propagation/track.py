"""A track: the boxes of one answer, carried from picture to picture by what can be seen of the object.

Points come from the visible box only, for what else the amodal box holds may belong to whatever hides the object. What
moves alike outside the amodal box isn't the object either, and is left out wherever that leaves something to follow.
Both boxes go by the motion of the object; the visible one is then cut, or grows, by what can be seen of it (`hiding`).
Where its colours are beside the boxes, these go there (`silhouette`).
Where the points are lost, the object is looked for straight from the answer's picture (`recovery`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from egm_core.boxes import Box, area, clip
from egm_core.propagation.flow import features, follow, patches
from egm_core.propagation.frames import SmallFrame
from egm_core.propagation.hiding import look
from egm_core.propagation.points import Followed
from egm_core.propagation.recovery import Looks
from egm_core.propagation.silhouette import outline
from egm_core.propagation.similarity import Mask, Points, Similarity, fit

Loss = Literal["", "too_old", "no_support", "left_picture", "another_size"]

# So many points are followed on an object, and around it.
MOST_POINTS, MOST_AROUND = 36, 12
# Points along a side of the box, about.
DENSITY = 14
LEAST_POINTS = 3
# Part of the visible box, from its middle, that is searched first: its corners show what is behind the object.
INNER = 0.8
# Where the surroundings' motion is measured: the box, enlarged so much, without the box.
OUTER = 1.7
# Steps that a new point has to move like the others before it counts.
PROBATION = 3
LEAST_IN_FRAME = 0.15
# How much of the last velocity stays when a new one is measured.
SMOOTHING = 0.6
# What is left of the score when nothing of the object is seen any more; it goes on falling until the track ends.
BLIND_FAITH = 0.3
# Points on what surrounds an object, and among the object's own the part, that make a case for leaving others out.
LEAST_AROUND, LEAST_OWN = 6, 0.4


@dataclass(frozen=True)
class Limits:
    """When a track ends, and how its score falls; by default age takes half of it until the end, and no more.

    `max_age` and `half_life` are seconds since the answer's picture; `coast` is how many seconds a track goes on as it
    went before while fewer points than the part `least_support` of those of its beginning can be seen.
    """

    max_age: float = 12.0
    half_life: float = 12.0
    least_support: float = 0.15
    coast: float = 1.5


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Track:
    """One answer's boxes at the newest picture seen so far; boxes are in the camera's pixels.

    `support` is the part of the first points that still agree, in [0, 1]; `score` is the answer's, less what age and
    lost support take from it. `lost` says why the track has ended; empty while it goes on. `blind` counts the seconds
    for which nothing of the object could be seen.

    The rest is in small pixels: the boxes and the score of the answer (`origin`, in the camera's pixels), the motion
    since then, points on the object and `around` it (there and then, here and now), how many there were at first, and
    the speed of the box's middle, (x, y) a second.
    """

    start: SmallFrame
    frame: SmallFrame
    visible: Box
    amodal: Box | None
    score: float
    support: float
    lost: Loss
    origin: tuple[Box, Box | None, float]
    motion: Similarity
    points: Followed
    around: tuple[Points, Points]
    expected: int
    looks: Looks
    velocity: tuple[float, float] = (0.0, 0.0)
    blind: float = 0.0

    @property
    def age(self) -> float:
        """Seconds from the answer's picture to the newest one."""
        return (self.frame.stamp - self.start.stamp) / 1e9


def begin(frame: SmallFrame, visible: Box, amodal: Box | None, score: float) -> Track:
    """Begin a track on the picture that an answer is for; boxes in the camera's pixels."""
    inside = clip(frame.inwards(visible), frame.grey.shape[1], frame.grey.shape[0])
    whole = frame.inwards(amodal) if amodal is not None else inside
    found = features(frame.grey, scaled(inside, INNER), MOST_POINTS, spacing(inside))
    if len(found) < 2 * LEAST_POINTS:
        more = features(frame.grey, inside, MOST_POINTS - len(found), spacing(inside), besides=found)
        found = np.concatenate([found, more])
    around = features(frame.grey, scaled(whole, OUTER), MOST_AROUND, spacing(whole), outside=scaled(whole, 1.05))
    points = Followed(found, found, patches(frame.grey, found), np.full(len(found), PROBATION))
    lost: Loss = "" if len(found) >= LEAST_POINTS else "no_support"
    support = 1.0 if not lost else 0.0
    origin = (visible, amodal, score)
    looks = Looks(frame, points, look(frame, inside, whole), outline(frame, inside, whole))
    return Track(
        frame, frame, visible, amodal, score, support, lost, origin, Similarity(), points, (around, around), len(found),
        looks,
    )  # fmt: skip


def propagate(track: Track, frames: Iterable[SmallFrame], limits: Limits = LIMITS) -> Track:
    """Carry a track over later pictures, in their order, until they end or it is lost."""
    for frame in frames:
        if track.lost:
            break
        (track,) = advance([track], frame, limits)
    return track


def advance(tracks: Sequence[Track], frame: SmallFrame, limits: Limits = LIMITS) -> list[Track]:
    """Carry tracks over one later picture; points of all that come from one picture are followed together."""
    live = [track for track in tracks if not track.lost and track.frame.kind == frame.kind]
    followed: dict[int, tuple[Followed, tuple[Points, Points]]] = {}
    for before in {id(track.frame): track.frame for track in live}.values():
        followed |= _followed([track for track in live if track.frame is before], before, frame)

    def advanced(track: Track) -> Track:
        if track.lost:
            return track
        if track.frame.kind != frame.kind:
            return replace(track, frame=frame, lost="another_size", support=0.0, score=0.0)
        return _step(track, frame, limits, *followed[id(track)])

    return [advanced(track) for track in tracks]


def scaled(box: Box, factor: float) -> Box:
    """Shrink or enlarge a box about its middle."""
    x0, y0, x1, y1 = box
    x, y, width, height = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * factor / 2, (y1 - y0) * factor / 2
    return x - width, y - height, x + width, y + height


def spacing(box: Box) -> float:
    """Give how far apart points in a box shall be, so that enough find room."""
    return min(max(math.sqrt(area(box)) / DENSITY, 2.0), 12.0)


def tolerance(box: Box) -> float:
    """Give by how many pixels points of one object may disagree: turning in depth is no similarity."""
    return 1.0 + 0.03 * math.sqrt(area(box))


def _step(track: Track, frame: SmallFrame, limits: Limits, points: Followed, around: tuple[Points, Points]) -> Track:
    seconds = (frame.stamp - track.frame.stamp) / 1e9
    box = track.start.inwards(track.origin[0])
    margin = tolerance(box)
    found = object_motion(points, around, margin)
    motion, agreeing = found if found is not None else (Similarity(), np.zeros(len(points), bool))
    proven = int((agreeing & (points.steps >= PROBATION)).sum())
    support = min(1.0, proven / max(track.expected, 1))
    blind, velocity, measured = 0.0, track.velocity, True
    if proven < LEAST_POINTS or support < limits.least_support:
        x, y = track.motion.shift
        coasted = replace(track.motion, shift=(x + velocity[0] * seconds, y + velocity[1] * seconds))
        # Where it goes on as before, where it was last, and where the answer has it.
        guesses = (coasted, track.motion, Similarity())
        again, support, measured = track.looks.again(frame, guesses, margin), 0.0, False
        if again is not None:
            motion, points = again
            support = min(1.0, len(points) / track.expected)
            measured = track.blind == 0
        else:
            place = track.looks.place(frame, guesses)
            velocity = velocity if place in (None, coasted) else (0.0, 0.0)
            # Something passes: the object is taken to go on as before, and what moves so is on probation.
            motion, blind = (place, 0.0) if place is not None else (coasted, track.blind + seconds)
            points = replace(points, steps=np.where(track.blind > 0, points.steps, 0))
        agreeing = motion.residuals(points.home, points.now) <= margin
    looks, colours = track.looks, track.looks.silhouette
    corrected = colours.corrected(frame, motion) if colours is not None else None
    if corrected is not None:
        motion, blind, measured, astray = corrected, 0.0, True, agreeing
        agreeing = motion.residuals(points.home, points.now) <= margin
        looks = looks.without(points.home[astray & ~agreeing])
    if measured and seconds > 0:
        now, before = motion.point(*middle(box)), track.motion.point(*middle(box))
        kept_speed = SMOOTHING if track.age > 0 else 0.0
        x, y = (
            kept_speed * old + (1 - kept_speed) * (here - there) / seconds
            for old, here, there in zip(velocity, now, before, strict=True)
        )
        velocity = (x, y)
    kept = replace(points, steps=points.steps + 1).only(agreeing)
    boxes = track.looks.hiding.boxes(frame, motion, kept.home[kept.steps > PROBATION])
    kept = _refreshed(kept, frame, motion, boxes[0], track.expected)
    after = replace(
        track,
        frame=frame,
        motion=motion,
        points=kept,
        around=around,
        support=support,
        blind=blind,
        velocity=velocity,
        looks=looks,
    )
    return _moved(after, boxes, limits)


def _followed(
    tracks: Sequence[Track], before: SmallFrame, frame: SmallFrame
) -> dict[int, tuple[Followed, tuple[Points, Points]]]:
    """Follow each object's points and those around it, by `id`; leave out what went astray or looks otherwise."""
    parts = [*(track.points.now for track in tracks), *(track.around[1] for track in tracks)]
    looks = np.concatenate([track.points.looks for track in tracks])
    ends, good = follow(before.grey, frame.grey, np.concatenate(parts), looks)
    borders = np.cumsum([len(part) for part in parts])[:-1]
    moved, trusted = np.split(ends, borders), np.split(good, borders)
    found = {}
    for number, track in enumerate(tracks):
        points = replace(track.points, now=moved[number]).only(trusted[number])
        now, kept = moved[number + len(tracks)], trusted[number + len(tracks)]
        found[id(track)] = (points, (track.around[0][kept], now[kept]))
    return found


def _moved(track: Track, boxes: tuple[Box, Box], limits: Limits) -> Track:
    """Give a track its boxes, in small pixels; say whether it goes on, and what its score is now."""
    visible, amodal = (track.frame.outwards(box) for box in boxes)
    seen = clip(visible, *track.frame.size)
    lost: Loss = ""
    if track.age > limits.max_age:
        lost = "too_old"
    elif track.blind > limits.coast or not track.expected:
        lost = "no_support"
    elif area(seen) < LEAST_IN_FRAME * area(visible):
        lost = "left_picture"
    faith = BLIND_FAITH + (1.0 - BLIND_FAITH) * track.support
    if track.blind > 0 and not lost:
        faith *= 1.0 - track.blind / limits.coast
    score = 0.0 if lost else track.origin[2] * 0.5 ** (track.age / limits.half_life) * faith
    whole = clip(amodal, *track.frame.size) if track.origin[1] is not None else None
    return replace(track, visible=seen, amodal=whole, score=score, lost=lost)


def object_motion(points: Followed, around: tuple[Points, Points], margin: float) -> tuple[Similarity, Mask] | None:
    """Find the motion since the answer's picture that the object's points agree on, and which ones do.

    New points don't vote. Points that move as the surroundings do are left out where enough others agree; None where
    no point is left to ask.
    """
    voting = points.steps >= PROBATION
    if not voting.any():
        return None
    home, now = points.home[voting], points.now[voting]
    found = fit(home, now, margin)
    ground = fit(*around, margin)
    if ground is not None and ground[1].sum() >= LEAST_AROUND:
        own = ground[0].residuals(home, now) > margin
        least = max(LEAST_POINTS, LEAST_OWN * len(home))
        # Where all are its own, or too few, nothing else comes out.
        apart = fit(home[own], now[own], margin) if least <= np.count_nonzero(own) < len(own) else None
        if apart is not None and np.count_nonzero(apart[1]) >= least:
            found = apart
    if found is None:
        return None
    return found[0], np.asarray(found[0].residuals(points.home, points.now) <= margin)


def middle(box: Box) -> tuple[float, float]:
    """Give a box's middle."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _refreshed(points: Followed, frame: SmallFrame, motion: Similarity, box: Box, wanted: int) -> Followed:
    """Look for new points where many were lost, but not while others are on probation, as these will be."""
    if len(points) >= 0.7 * wanted or (points.steps < PROBATION).any():
        return points
    found = features(frame.grey, scaled(box, INNER), wanted - len(points), spacing(box), besides=points.now)
    fresh = Followed(motion.inverse(found), found, patches(frame.grey, found), np.zeros(len(found), np.int64))
    return points.and_also(fresh)

"""A pilot: is a family's frame the one in which a model answers? A hundred answers are read by all plausible frames.

The frame of a whole evaluation is chosen by this, before it; never the frame that fits best answer by answer, which
would flatter every model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, clip, iou, to_pixels
from egm_core.evaluate.statistics import FEWEST, Comparison, paired_difference
from egm_core.families.base import Speaker, answer_end, four_numbers, split_reasoning
from egm_core.families.parts import POINTS, SIDES, Refused
from egm_core.families.salvage.salvage import salvage
from egm_core.families.vendors.frame import Frame

PICTURES = 100
THRESHOLD = 0.5
# A better frame is told of when it gains that much for sure: nine frames are tried, and one may win by luck.
LEAST_GAIN = 0.05
# The keys of all vendors: which numbers are meant is the same whatever they count.
KEYS = frozenset({"box2d"})
FRAMES = (
    Frame("thousandths"), Frame("thousandths", "yxyx"), Frame("thousandths", "xywh"),
    Frame("pixels"), Frame("pixels", "yxyx"), Frame("pixels", "xywh"),
    Frame("percent"), Frame("fractions"), Frame("fractions", "yxyx"),
)  # fmt: skip


@dataclass(frozen=True)
class Reply:
    """An answer to a question whose truth is known: boxes are pixels of the picture, `sent` the size that was sent."""

    picture: str
    expression: str
    text: str
    truth: Box
    size: tuple[int, int]
    sent: tuple[int, int]


@dataclass(frozen=True)
class Fit:
    """How well answers fit the truth when they are read by one frame; `own` is the family's reading as it is scored."""

    name: str
    accuracy: float
    mean_iou: float
    read: int
    gain: Comparison | None = None


@dataclass(frozen=True)
class Pilot:
    """The family's own reading, and the same answers read by other frames, the best first."""

    own: Fit
    others: tuple[Fit, ...]
    answers: int
    # Answers whose second corner lies left of the first, or above it; every frame reads them as if in order.
    exchanged: int = 0

    @property
    def readable(self) -> int:
        """In how many answers the frame that reads most of them finds a box."""
        return max(fit.read for fit in (self.own, *self.others))

    @property
    def few(self) -> Comparison | None:
        """A gain that has no interval, for there are too few pictures; None where there are enough."""
        return next((fit.gain for fit in self.others if fit.gain and fit.gain.clusters < FEWEST), None)

    @property
    def better(self) -> Fit | None:
        """The other frame that fits better for sure; None where the family's own is as good."""
        sure = [f for f in self.others if f.gain and f.gain.low > 0 and f.gain.difference >= LEAST_GAIN]
        return sure[0] if sure else None


def judge(speaker: Speaker, replies: Sequence[Reply]) -> Pilot:
    """Read all answers by the family and by every other frame; ValueError without answers."""
    if not replies:
        raise ValueError("a pilot without answers says nothing; ask at least one question")
    own = [_own(speaker, reply) for reply in replies]
    pictures = _numbered(reply.picture for reply in replies)
    fits: list[Fit] = []
    seen: list[list[Box | None]] = []
    for name, frame, original in _frames(replies):
        boxes = [_by(frame, reply, original) for reply in replies]
        # The family's own, and, where pictures are sent as they are, one of two kinds of pixels that are the same.
        if name == speaker.frame_words or boxes in seen:
            continue
        seen.append(boxes)
        fits.append(_fit(name, boxes, replies, own, pictures))
    fits.sort(key=lambda fit: (fit.accuracy, fit.mean_iou), reverse=True)
    return Pilot(_fit(speaker.frame_words, own, replies), tuple(fits), len(replies), sum(map(_exchanged, replies)))


def _frames(replies: Sequence[Reply]) -> Iterable[tuple[str, Frame, bool]]:
    """List the frames by their words; pixels count in the picture that was sent, or in the file's."""
    for frame in FRAMES:
        yield frame.words, frame, False
        if frame.unit == "pixels" and any(reply.size != reply.sent for reply in replies):
            yield frame.words.replace("as it is sent", "as its file has it"), frame, True


def _own(speaker: Speaker, reply: Reply) -> Box | None:
    mode = "salvage" if "salvage" in speaker.modes else speaker.modes[0]
    return speaker.seeing(*reply.sent).parse(reply.text, mode, sent=reply.expression).box


def _exchanged(reply: Reply) -> bool:
    """Tell whether the third or fourth number is below the first or second, which is so in either order of axes."""
    a, b, c, d = _numbers(reply)[0] or (0.0,) * 4
    return c < a or d < b


def _by(frame: Frame, reply: Reply, original: bool) -> Box | None:
    """Read an answer's four numbers by a frame; None where there are none, or where they do not fit it."""
    numbers, under = _numbers(reply)
    if numbers is None or (under in (SIDES, POINTS) and frame.order != "xyxy"):
        return None
    return frame.relative(numbers, *(reply.size if original else reply.sent))


def _numbers(reply: Reply) -> tuple[list[float] | None, str | None]:
    """Give an answer's four numbers, None where it has none, and what they stand under."""
    _, start = split_reasoning(reply.text)
    if start is None:
        return None, None
    try:
        end = answer_end(reply.text, start)
        entries = salvage(reply.text, start, end, True, reply.expression, KEYS).entries
        numbers = [n.value for n in four_numbers(entries[0].box)] if entries else None
    except Refused:
        return None, None
    return numbers, entries[0].under if entries else None


def _fit(
    name: str,
    boxes: Sequence[Box | None],
    replies: Sequence[Reply],
    own: Sequence[Box | None] | None = None,
    pictures: Sequence[int] = (),
) -> Fit:
    """Score boxes in thousandths; an answer that a frame cannot read counts as wrong."""
    overlaps = _overlaps(boxes, replies)
    right = overlaps > THRESHOLD
    gain = None
    if own is not None:
        before = _overlaps(own, replies) > THRESHOLD
        gain = paired_difference(before.astype(float).tolist(), right.astype(float).tolist(), pictures)
    read = sum(box is not None for box in boxes)
    return Fit(name, float(right.mean()), float(overlaps.mean()), read, gain)


def _overlaps(boxes: Sequence[Box | None], replies: Sequence[Reply]) -> NDArray[np.float64]:
    return np.array(
        [
            0.0 if box is None else iou(clip(to_pixels(box, *reply.size), *reply.size), reply.truth)
            for box, reply in zip(boxes, replies, strict=True)
        ]
    )


def _numbered(names: Iterable[str]) -> list[int]:
    known: dict[str, int] = {}
    return [known.setdefault(name, len(known)) for name in names]

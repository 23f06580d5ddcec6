"""How far whole objects stand out of what is seen of them: the mean over a training file, for a baseline to use.

The visible box grows on the sides that face an occluder. Where an occluder's box is not known, it grows on all sides,
by each side's own mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, clip
from egm_core.data.picture_key import picture_key
from egm_core.sample import Sample, read_samples

SIDES = ("left", "top", "right", "bottom")
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Growth:
    """The mean growth of visible boxes, as shares of their width or height.

    `toward` is that of the sides that face an occluder, whose `facing` counts are over `objects` partly hidden objects
    on `pictures` pictures; `sides` is that of each side of all these objects. `source` says where it was measured.
    """

    toward: float
    facing: int
    sides: tuple[float, float, float, float]
    objects: int
    pictures: int
    source: str = ""

    def words(self) -> str:
        """Say the means in a line."""
        told = ", ".join(f"{name} {100 * share:.1f}" for name, share in zip(SIDES, self.sides, strict=True))
        return (
            f"toward the occluder {100 * self.toward:.1f} % of the visible side ({self.facing:,} sides), "
            f"else {told} %; mean of {self.objects:,} partly hidden objects on {self.pictures:,} images, {self.source}"
        )

    def grown(self, sample: Sample) -> Box | None:
        """Enlarge a sample's visible box by the means, within the image; None where there is none."""
        box = sample.truth("visible")
        if box is None or sample.visible_fraction == 1:
            return box
        faces = facing(box, sample.occluder_boxes)
        shares = np.where(faces, self.toward, 0.0) if faces.any() else np.array(self.sides)
        wide, high = box[2] - box[0], box[3] - box[1]
        left, top, right, bottom = (float(v) for v in shares * [wide, high, wide, high])
        return clip((box[0] - left, box[1] - top, box[2] + right, box[3] + bottom), sample.width, sample.height)


def facing(box: Box, occluders: Iterable[Box]) -> NDArray[np.bool_]:
    """Tell which sides of a box face an occluder: one that touches or crosses it along half of the shorter of both."""
    found = np.zeros(4, np.bool_)
    for other in occluders:
        beside, above = _along(box, other, 1), _along(box, other, 0)
        found |= [
            beside and other[0] < box[0] <= other[2],
            above and other[1] < box[1] <= other[3],
            beside and other[0] <= box[2] < other[2],
            above and other[1] <= box[3] < other[3],
        ]
    return found


def _along(one: Box, other: Box, axis: int) -> bool:
    """Tell whether two boxes run beside each other for half of the shorter one."""
    shared = min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis])
    return shared >= min(one[axis + 2] - one[axis], other[axis + 2] - other[axis]) / 2


def sums(sample: Sample) -> Sums | None:
    """Give what a mean is made of: the sides' growth, 1, the growth of facing sides, and their number.

    None for a sample that tells nothing: nothing of it is hidden, or nothing is seen, or a box is not known.
    """
    seen, whole = sample.truth("visible"), sample.truth("amodal")
    if seen is None or whole is None or sample.visible_fraction == 1:
        return None
    wide, high = seen[2] - seen[0], seen[3] - seen[1]
    grown = np.array([seen[0] - whole[0], seen[1] - whole[1], whole[2] - seen[2], whole[3] - seen[3]])
    grown = np.maximum(grown, 0.0) / [wide, high, wide, high]
    faces = facing(seen, sample.occluder_boxes)
    return np.array([*grown, 1.0, grown[faces].sum(), faces.sum()])


def mean(total: Sums, pictures: int, source: str) -> Growth:
    """Make the means of summed samples; without any, nothing grows."""
    left, top, right, bottom = (float(v) for v in total[:4] / max(total[4], 1.0))
    toward = float(total[5] / total[6]) if total[6] else 0.0
    return Growth(toward, int(total[6]), (left, top, right, bottom), int(total[4]), pictures, source)


def measured(path: Path) -> Growth:
    """Measure a sample file; ValueError where it has no partly hidden object."""
    total, pictures = np.zeros(7), set()
    for sample in read_samples(path):
        if (found := sums(sample)) is not None:
            total += found
            pictures.add(picture_key(sample))
    if not pictures:
        raise ValueError(f"{path} has no object with a visible and an amodal box of which a part is hidden")
    return mean(total, len(pictures), f"{path.name} (sha256 {digest(path)[:12]})")


def read(path: Path) -> Growth:
    """Take the means that `egm evaluate growth --out` wrote, or those of a sample file."""
    if path.suffix != ".json":
        return measured(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `egm evaluate growth TRAINING_FILE --out {path}` writes it")
    try:
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Growth(**{**told, "sides": tuple(map(float, told["sides"]))})
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no file of `egm evaluate growth --out` ({error}); write it anew") from error


def written(growth: Growth) -> str:
    """Give the means as JSON."""
    return json.dumps(asdict(growth), indent=1) + "\n"


def digest(path: Path) -> str:
    """Give a file's SHA-256."""
    return sha256(path.read_bytes()).hexdigest()

"""The questions of sample files: each has a name that is the same on every machine, and the groups it belongs to."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePath

from egm_core.boxes import Box, area, iou
from egm_core.data.picture_key import picture_key
from egm_core.evaluate.paper.splits import split_of
from egm_core.evaluate.samples.places import depth, places
from egm_core.families import Task
from egm_core.pictures.reference import MIRRORED
from egm_core.sample import Sample, read_placed
from egm_core.sample.box_check import BoxCheck

# Ref-L4's bounds of a small and of a large object, as the root of the box's area in pixels.
SMALL, LARGE = 128.0, 256.0
OVERLAPS = (0.5, 0.75, 0.9)
SEEN = (0.25, 0.5, 0.75, 1.0)
SENTENCES = "rows are sentences"


@dataclass(frozen=True)
class Question:
    """One sample's question for one task.

    `name` tells it from all others, on every machine; `cluster` names its picture, whose questions are not independent.
    `rivals` counts the other objects of its category in that picture, as far as the files know them: None where they
    tell no category. `largest` is the box of that picture's largest object, among all that the files have. `place` is
    the end of the picture's path that tells it from the others.
    """

    name: str
    task: Task
    sample: Sample
    rivals: int | None = None
    largest: Box | None = None
    place: str = ""

    @property
    def truth(self) -> Box | None:
        """The box asked for; None for an absent object."""
        return self.sample.truth(self.task)

    @property
    def visible(self) -> Box | None:
        """The visible box; None where nothing is seen."""
        return self.sample.truth("visible")

    @property
    def cluster(self) -> int:
        """A number for the picture; pictures of COCO that several data sets share count as one."""
        return int.from_bytes(blake2b(self.picture.encode(), digest_size=6).digest(), "big")

    @property
    def picture(self) -> str:
        """The picture's name among all data sets: COCO's id, the data set with its own id, or the end of its path."""
        mark = MIRRORED if self.sample.mirrored else ""
        return picture_key(self.sample, self.place or PurePath(self.sample.image).name) + mark

    @property
    def split(self) -> str:
        """The data set and its split, as tables head them."""
        s = self.sample
        known = split_of(s.source, s.split)
        return known.name if known else " ".join(filter(None, (s.source, s.split))) or "all"

    @property
    def of_split(self) -> bool:
        """Whether its sample is of a split; without one, `split` names the data set alone."""
        return bool(self.sample.split)

    @cached_property
    def overlap(self) -> float | None:
        """The IoU of visible and amodal truth; 0 where nothing is seen, None where the amodal one is not known."""
        amodal = self.sample.truth("amodal")
        return None if amodal is None else 0.0 if self.visible is None else iou(self.visible, amodal)

    @property
    def size(self) -> str:
        """The size of the true box."""
        if self.truth is None:
            return "absent"
        side = area(self.truth) ** 0.5
        return "small" if side < SMALL else "medium" if side < LARGE else "large"

    @property
    def hiding(self) -> str:
        """How far visible and amodal truth agree."""
        return "unknown" if self.overlap is None else _bin(self.overlap, OVERLAPS, "IoU")

    @property
    def seen(self) -> str:
        """How much of the object is seen."""
        share = self.sample.visible_fraction
        return "unknown" if share is None else "0 (hidden)" if share == 0 else _bin(share, SEEN, "")

    @property
    def distractors(self) -> str:
        """How many others of its category are known."""
        return "unknown" if self.rivals is None else str(self.rivals) if self.rivals < 3 else "3 or more"


def _bin(value: float, bounds: Sequence[float], what: str) -> str:
    """Name the bin of a value in 0 to 1; 1 has its own."""
    if value >= 1.0:
        return f"{what} 1".strip()
    edges = [0.0, *(bound for bound in bounds if bound < 1.0), 1.0]
    low = max(edge for edge in edges if edge <= value)
    return f"{what} {low:g} to {edges[edges.index(low) + 1]:g}".strip()


@dataclass(frozen=True)
class Asked:
    """The questions of some files, and what was left out of them, by reason.

    `wrong_boxes` says what is wrong with the files' boxes. `sentences` says that the files have several rows for a ref,
    where a part of the questions cannot tell it.
    """

    questions: tuple[Question, ...]
    left_out: Counter[str]
    wrong_boxes: tuple[str, ...] = ()
    sentences: bool = False

    @property
    def rows_are(self) -> str:
        """Say whether a row is a sentence or a ref, as far as the files tell."""
        samples = [q.sample for q in self.questions]
        pictures = len({q.picture for q in self.questions})
        refs = {(s.source, s.split, s.ref_id) for s in samples}
        if not all(s.ref_id for s in samples):
            return f"{len(samples)} rows on {pictures} images; the files do not say whether a row is sentence or ref"
        if self.sentences or len(refs) < len(samples):
            return f"{SENTENCES}: {len(samples)} of {len(refs)} refs on {pictures} images"
        return f"rows are refs, one row each: {len(refs)} on {pictures} images"


def read_questions(files: Iterable[Path], task: Task, image_root: Path | None = None) -> Asked:
    """Read the questions of sample files for a task, and count records that have none; raises SampleError."""
    found: list[Sample] = []
    left_out: Counter[str] = Counter()
    depths: dict[str, int] = {}
    objects: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    largest: dict[str, tuple[float, Box]] = {}
    check = BoxCheck()
    for path in files:
        root = path.parent if image_root is None else image_root
        for where, sample in read_placed(path, image_root):
            check.take(where, sample)
            if sample.category:
                objects[sample.picture, sample.category].add(_object(sample))
            _take_largest(largest, sample, task)
            if not sample.asks(task):
                left_out[_why_not(sample, task)] += 1
                continue
            depths[sample.image] = max(depths.get(sample.image, 0), depth(sample.image, root))
            found.append(sample)
    known = places(depths)
    names = _names([(sample, known[sample.image]) for sample in found], task)
    asked = (
        Question(name, task, sample, _rivals(sample, objects), _of(largest, sample), known[sample.image])
        for name, sample in zip(names, found, strict=True)
    )
    return Asked(tuple(asked), left_out, tuple(check.words()))


def _rivals(sample: Sample, objects: Mapping[tuple[str, str], set[str]]) -> int | None:
    return len(objects[sample.picture, sample.category] - {_object(sample)}) if sample.category else None


def _take_largest(largest: dict[str, tuple[float, Box]], sample: Sample, task: Task) -> None:
    """Keep the largest object of each picture, by what is seen of it, with the box that the task asks for."""
    box = sample.truth(task)
    if box is not None:
        size = area(sample.truth("visible") or box)
        largest[sample.picture] = max(largest.get(sample.picture, (0.0, box)), (size, box))


def _of(largest: Mapping[str, tuple[float, Box]], sample: Sample) -> Box | None:
    return largest[sample.picture][1] if sample.picture in largest else None


def subset(asked: Asked, count: int | None, seed: int) -> Asked:
    """Draw a random part of the questions, in their order; the same seed draws the same."""
    if count is None or count >= len(asked.questions):
        return asked
    # By name, so that the order of the files does not matter.
    chosen = set(random.Random(seed).sample(sorted(q.name for q in asked.questions), count))
    drawn = tuple(q for q in asked.questions if q.name in chosen)
    return replace(asked, questions=drawn, sentences=asked.rows_are.startswith(SENTENCES))


def _object(sample: Sample) -> str:
    return sample.annotation_id or sample.ref_id or str(sample.bbox or sample.amodal_bbox)


def _picture(sample: Sample, place: str) -> str:
    return (sample.image_id or place or PurePath(sample.image).name) + (MIRRORED if sample.mirrored else "")


def _names(placed: Sequence[tuple[Sample, str]], task: Task) -> list[str]:
    """Name questions whatever their order; where a name repeats, picture and boxes are told too, and then a number."""
    names = [_name(sample, place, task) for sample, place in placed]
    repeated = {name for name, count in Counter(names).items() if count > 1}
    seen: Counter[str] = Counter()
    told = []
    for name, (sample, place) in zip(names, placed, strict=True):
        if name in repeated:
            name = f"{name}|{place}|{sample.bbox}|{sample.amodal_bbox}"
        seen[name] += 1
        told.append(f"{name}|{seen[name]}" if seen[name] > 1 else name)
    return told


def _name(sample: Sample, place: str, task: Task) -> str:
    parts = [
        sample.source,
        sample.split,
        _picture(sample, place),
        _object(sample),
        sample.sentence_id or sample.sent,
        task,
    ]
    return "|".join(part.replace("|", "/") for part in parts)


def _why_not(sample: Sample, task: Task) -> str:
    if sample.task not in ("", task):
        return f"stands for the {sample.task} question alone"
    if task == "amodal":
        return "its amodal box is not known, or lies beyond the image"
    return "its object is wholly hidden: it has no visible box"

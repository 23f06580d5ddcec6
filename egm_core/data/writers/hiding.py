"""What hides the objects of a picture, among a COCO-Amodal file's regions: one of its objects, or one that is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.data.readers.kind import PLACES, Tally
from egm_core.data.readers.shared.named import cleaned
from egm_core.sample import Sample


@dataclass(frozen=True)
class Hider:
    """What hides an object and is no object of the file: its name, and the box of what is seen of it."""

    name: str
    box: Box


@dataclass
class Others:
    """Counts what hides objects and is none of a file's, to say how it was written."""

    drawn: int = 0
    unplaced: list[str] = field(default_factory=list)

    def tell(self, tally: Tally) -> None:
        """Say it once for the file."""
        if self.drawn:
            tally.note(
                f"{self.drawn:,} regions stand for what hides an object and is no sample itself: they have the box of "
                "what is seen of it, which other programs take for the whole; egm data convert asks for none of them"
            )
        if self.unplaced:
            more = ", …" if len(self.unplaced) > PLACES else ""
            tally.note(
                f"{len(self.unplaced):,} names of what hides an object belong to no region, or to several, and are in "
                f"fields of our own, which other programs do not read ({', '.join(self.unplaced[:PLACES])}{more})"
            )


def in_front(
    found: Sequence[Sequence[tuple[int, Sample]]], others: Others
) -> tuple[list[Sample], list[Hider], list[tuple[int, int]]]:
    """Give the objects of a picture, what else hides them, and who is in front of whom by their places in both."""
    first = [several[0][1] for several in found]
    stand: dict[Hider, int] = {}
    pairs = []
    for behind, said in enumerate(found):
        number, sample = said[0]
        for place, name in enumerate(sample.occluders):
            fit = _front(place, sample, [[one for _, one in each] for each in found if each is not said])
            boxes = _boxes(sample)
            if len(fit) == 1:
                pairs.append((next(at for at, one in enumerate(first) if one is fit[0]), behind))
            elif not fit and place < len(boxes) and name.strip():
                pairs.append((stand.setdefault(Hider(name, boxes[place]), len(first) + len(stand)), behind))
            else:
                others.unplaced.append(f"sample {number}: {name}")
    others.drawn += len(stand)
    return first, list(stand), pairs


def depth(samples: Sequence[Sample], more: int, pairs: Sequence[tuple[int, int]], tally: Tally) -> list[int]:
    """Number the objects and `more` that stand for others in depth: as samples say, else what hides first."""
    known = [sample.depth_order for sample in samples if sample.depth_order is not None]
    whole = len(set(known)) == len(samples)
    if whole and not more:
        return known
    if not whole:
        tally.note(
            "the depth of some objects is not known: `order` numbers the regions of such a picture, and only "
            "`depth_constraint` says what is in front"
        )
    everything = range(len(samples) + more)
    graph = {at: [front for front, behind in pairs if behind == at] for at in everything}
    if whole:
        for front, behind in pairwise(sorted(range(len(samples)), key=known.__getitem__)):
            graph[behind].append(front)
    try:
        places = {at: place for place, at in enumerate(TopologicalSorter(graph).static_order(), 1)}
    except CycleError:
        return [at + 1 for at in everything]
    return [places[at] for at in everything]


def pixels(box: Box | None, sample: Sample) -> NDArray[np.bool_]:
    """Give the pixels of a box; a box thinner than a pixel has one row or column."""
    mask = np.zeros((sample.height, sample.width), np.bool_)
    if box is not None:
        x0, y0 = min(round(box[0]), sample.width - 1), min(round(box[1]), sample.height - 1)
        mask[y0 : max(round(box[3]), y0 + 1), x0 : max(round(box[2]), x0 + 1)] = True
    return mask


def _boxes(sample: Sample) -> tuple[Box, ...]:
    """Give the boxes of what hides a sample, which come with the first names."""
    return sample.occluder_boxes if len(sample.occluder_boxes) <= len(sample.occluders) else ()


def _front(place: int, sample: Sample, others: list[list[Sample]]) -> list[Sample]:
    """Give the objects that may be the one at a place among what hides a sample, by its box or its name."""
    boxes, name = _boxes(sample), sample.occluders[place]
    named = [one for one in others if any(name in (each.sent, cleaned(each.sent), each.category) for each in one)]
    if place < len(boxes):
        fit = [one for one in others if one[0].bbox == boxes[place]]
        fit = [one for one in fit if one in named] if len(fit) > 1 else fit
    else:
        fit = [one for one in named if one[0].bbox not in boxes]
    return [one[0] for one in fit if _hides(one[0], sample) and not _farther(one[0], sample)]


def _farther(front: Sample, behind: Sample) -> bool:
    """Tell whether an object is known to lie behind another."""
    orders = front.depth_order, behind.depth_order
    return orders[0] is not None and orders[1] is not None and orders[0] > orders[1]


def _hides(front: Sample, behind: Sample) -> bool:
    """Tell whether what is seen of one meets what is hidden of the other, as readers ask."""
    hidden = pixels(behind.truth("amodal"), behind) & ~pixels(behind.truth("visible"), behind)
    return bool((pixels(front.truth("visible"), front) & hidden).any())

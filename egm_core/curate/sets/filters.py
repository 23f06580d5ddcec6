"""Which objects are asked for. The paper does not tell its own choice, so each filter here is an option."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from egm_core.boxes import Box, area, iou
from egm_core.curate.sets.excluded import Excluded
from egm_core.sample import Sample

EVALUATED = "its image is in an evaluation split"
# Above this IoU two boxes are one.
SAME = 0.99


@dataclass(frozen=True)
class Filters:
    """Least side of the visible box in pixels, least shares of the picture, hidden and seen, and the rest.

    `least_hidden` is the share that must be hidden where only occluded objects are kept. With `beyond_frame` objects
    stay that go on beyond the image alone: their truth, which is cut there, is the visible box. `per_image` and
    `per_frame` are the most objects of a picture of COCO-Amodal and of a frame of TAO-Amodal, 0 for all: those hidden
    most come first.
    """

    least_side: float = 16.0
    least_share: float = 0.0
    occluded_only: bool = True
    least_hidden: float = 0.0
    least_seen: float = 0.0
    beyond_frame: bool = False
    stuff: bool = False
    certain: bool = True
    per_image: int = 0
    per_frame: int = 1


@dataclass
class Kept:
    """What passed, how many did not, by reason, and the other objects of those pictures that are seen."""

    samples: list[Sample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    neighbours: list[Sample] = field(default_factory=list)


def kept(samples: Iterable[Sample], filters: Filters, excluded: Excluded, most: int) -> Kept:
    """Keep the samples of one source that pass, at most `most` of a picture unless it is 0."""
    found = Kept()
    by_picture: defaultdict[str, list[Sample]] = defaultdict(list)
    others: list[Sample] = []
    for sample in samples:
        if why := _why_not(sample, filters, excluded):
            found.left_out[why] += 1
            others.append(sample)
        else:
            by_picture[sample.image].append(sample)
    for mine in by_picture.values():
        chosen = mine if not most else _most_hidden(mine, most)
        if dropped := len(mine) - len(chosen):
            found.left_out[f"more than {most} of its image: those hidden most are kept"] += dropped
            taken = set(map(id, chosen))
            others += [sample for sample in mine if id(sample) not in taken]
        found.samples += chosen
    images = {sample.image for sample in found.samples}
    found.neighbours = [sample for sample in others if sample.image in images and sample.truth("visible")]
    return found


def _why_not(sample: Sample, filters: Filters, excluded: Excluded) -> str:
    if sample in excluded:
        return EVALUATED
    if sample.truth("amodal") is None:
        return "its amodal box is not known, or beyond the image"
    seen = sample.truth("visible")
    if seen is None:
        return "nothing of it is seen" if sample.hidden else "its visible box is not known"
    share = sample.visible_fraction
    if filters.occluded_only and (share is None or share >= 1 or 1 - share < filters.least_hidden):
        return f"less than {filters.least_hidden:g} of it is hidden" if filters.least_hidden else "nothing is hidden"
    if not filters.beyond_frame and _beyond_alone(sample, seen):
        return "it goes on beyond the image alone, and its truth is cut there"
    if share is not None and share < filters.least_seen:
        return f"less than {filters.least_seen:g} of it is seen"
    if min(seen[2] - seen[0], seen[3] - seen[1]) < filters.least_side:
        return f"a side of its visible box is below {filters.least_side:g} pixels"
    if area(seen) < filters.least_share * sample.width * sample.height:
        return f"its visible box is below {filters.least_share:g} of the image"
    return ""


def _beyond_alone(sample: Sample, seen: Box) -> bool:
    whole = sample.truth("amodal")
    return whole is not None and whole != sample.amodal_bbox and iou(seen, whole) >= SAME


def _most_hidden(samples: list[Sample], most: int) -> list[Sample]:
    chosen = {id(one) for one in sorted(samples, key=_rank)[:most]}
    return [one for one in samples if id(one) in chosen]


def _rank(sample: Sample) -> tuple[float, bytes]:
    # Equals are told apart by a hash of their name, or the first of a file would always win.
    name = f"{sample.source} {sample.image_id} {sample.annotation_id}"
    seen = 1.0 if sample.visible_fraction is None else sample.visible_fraction
    return seen, blake2b(name.encode(), digest_size=8).digest()

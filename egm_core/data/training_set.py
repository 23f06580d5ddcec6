"""The paper's visible training set, rebuilt from REFER's files.

The paper has 575,208 samples on 24,407 images. An image-disjoint split of RefCOCO, RefCOCO+ and RefCOCOg that is
published elsewhere has 287,604 training expressions on as many images, which is half of it: so the set should be every
training expression whose image is in no evaluation split, and its mirror image. That is inferred; the counts tell.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from egm_core.data.mirror import doubtful, mirror
from egm_core.data.picture_key import of_coco
from egm_core.data.readers.kind import Kind, Tally
from egm_core.data.readers.referring import refer
from egm_core.data.readers.shared.splits import LICENCE
from egm_core.sample import Sample

EXPRESSIONS, IMAGES = 287_604, 24_407
SETS = ("RefCOCO", "RefCOCO+", "RefCOCOg")
TRAIN = "train"
DOUBTS = 6


@dataclass
class Found:
    """What a rebuilt set has: expressions of each data set, those left out, and images."""

    kept: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    images: set[tuple[str, int]] = field(default_factory=set)
    doubts: Counter[str] = field(default_factory=Counter)
    evaluated: set[tuple[str, int]] = field(default_factory=set)

    def words(self) -> list[str]:
        """Say the counts beside the paper's."""
        lines = [
            f"  {name}: {self.kept[name]:,} training expressions, {self.left_out[name]:,} left out, for their "
            "image is in an evaluation split"
            for name in self.kept | self.left_out
        ]
        count, images = sum(self.kept.values()), len(self.images)
        lines.append(
            f"{count:,} expressions on {images:,} images; the paper's set: {EXPRESSIONS:,} on {IMAGES:,}, "
            f"as inferred from its 575,208 samples ({_apart(count, EXPRESSIONS)}, {_apart(images, IMAGES)})"
        )
        return lines


def kind(roots: list[Path], partition: str, mirrored: bool, found: Found) -> Kind:
    """Give the set as a kind of files, for `convert`; `found` is filled while it is read."""

    def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
        return _samples(roots, partition, options.images, mirrored, found, tally)

    return Kind("training-set", "the paper's visible training set", LICENCE, refer.arguments, read)


def _samples(
    roots: list[Path], partition: str, images: Path | None, mirrored: bool, found: Found, tally: Tally
) -> Iterator[Sample]:
    names = {root: refer.source_of(root) for root in roots}
    lacking = [name for name in SETS if name not in names.values()]
    if lacking:
        tally.note(
            f"not given: {', '.join(lacking)}. The paper's set is of all three, and images of their evaluation "
            "splits are not kept out"
        )
    learnt: dict[Path, list[refer.Ref]] = {}
    for root in roots:
        refs = list(refer.read_refs(refer.refs_file(root, partition)))
        found.evaluated |= {(_ids_of(names[root]), ref.image_id) for ref in refs if ref.split != TRAIN}
        learnt[root] = [ref for ref in refs if ref.split == TRAIN]
    for root, refs in learnt.items():
        yield from _of_root(root, names[root], refs, images, mirrored, found, tally)
    if found.doubts:
        told_of = ", ".join(f"{count:,} times {word!r}" for word, count in found.doubts.most_common(DOUBTS))
        tally.note(
            f"{sum(found.doubts.values()):,} mirrored expressions have words that may be about a side or not "
            f"({told_of}): left and right are swapped there, too, abbreviations stay"
        )


def _of_root(
    root: Path, name: str, refs: list[refer.Ref], images: Path | None, mirrored: bool, found: Found, tally: Tally
) -> Iterator[Sample]:
    kept = [ref for ref in refs if (_ids_of(name), ref.image_id) not in found.evaluated]
    found.left_out[name] += sum(len(ref.sentences) for ref in refs) - sum(len(ref.sentences) for ref in kept)
    known = refer.instances(root / refer.INSTANCES, kept)
    folder = images or root.parent / refer.IMAGES
    for sample in refer.samples(kept, known, name, folder, tally):
        found.kept[name] += 1
        found.images.add((_ids_of(name), int(sample.image_id)))
        yield sample
        if mirrored:
            if word := doubtful(sample.sent):
                found.doubts[word.lower()] += 1
            yield mirror(sample)


def _ids_of(name: str) -> str:
    """Tell whose image ids a data set has: COCO's, which the three share, or its own."""
    return "" if of_coco(name) else name


def _apart(count: int, paper: int) -> str:
    return "the same" if count == paper else f"{count - paper:+,}"

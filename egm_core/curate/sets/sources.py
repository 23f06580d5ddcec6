"""The objects of COCO-Amodal's and TAO-Amodal's files, as samples whose expression is still a mere name."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egm_core.curate.sets.excluded import Excluded
from egm_core.curate.sets.filters import Filters, Kept, kept
from egm_core.data.convert import MISSING_SHARE
from egm_core.data.readers.amodal import coco_amodal, tao_amodal
from egm_core.data.readers.kind import DataError, Kind, Tally
from egm_core.data.readers.shared.named import split_of
from egm_core.data.readers.shared.whereabouts import whereabouts
from egm_core.pictures.source import exists
from egm_core.sample import Sample

EVALUATION = ("val", "test")


@dataclass(frozen=True)
class Source:
    """Files of one data set and where their pictures lie; `split` overrules what the files' names tell."""

    kind: Kind
    name: str
    files: tuple[Path, ...]
    images: Path | None
    split: str = ""

    def check(self, training: bool) -> None:
        """Raise ValueError for a file that is not of the split that the set is made of."""
        for file in self.files:
            split = split_of(file, self.split)
            wrong = split in EVALUATION if training else split not in EVALUATION
            if wrong:
                wanted = "train" if training else "val or test"
                raise ValueError(
                    f"{file} is of split {split or 'unknown'} by its name, and this set is made of {wanted}; give the "
                    "right file, or say its split by --coco-split or --tao-split"
                )

    def samples(self, filters: Filters, tally: Tally) -> Iterator[Sample]:
        """Read all objects; names may be those of several, for expressions are still to be written."""
        told: dict[str, Any] = {"file": list(self.files), "images": self.images, "names": "all", "split": self.split}
        # What is seen and hidden is filtered by one rule for all sources, so the readers do not.
        told |= {"occluded": False, "stuff": filters.stuff, "certain": filters.certain, "bbox": "auto"}
        return self.kind.read(argparse.Namespace(**told), tally)


def coco(files: Sequence[Path], images: Path | None, split: str = "") -> Source:
    """Name files of COCO-Amodal."""
    return Source(coco_amodal.KIND, coco_amodal.NAME, tuple(files), images, split)


def tao(files: Sequence[Path], images: Path | None, split: str = "") -> Source:
    """Name files of TAO-Amodal."""
    return Source(tao_amodal.KIND, tao_amodal.NAME, tuple(files), images, split)


@dataclass(frozen=True)
class Objects:
    """The objects that passed, the others on their pictures, why these did not pass, and what the readers note."""

    samples: tuple[Sample, ...]
    neighbours: tuple[Sample, ...]
    left_out: dict[str, dict[str, int]]
    notes: tuple[str, ...]


def objects(
    sources: Sequence[Source], filters: Filters, excluded: Excluded, missing_share: float = MISSING_SHARE
) -> Objects:
    """Read and filter the objects of all sources; those whose picture is not there are left out.

    DataError where more than `missing_share` of the pictures are missing.
    """
    found: list[Sample] = []
    neighbours: list[Sample] = []
    left_out: dict[str, dict[str, int]] = {}
    notes: list[str] = []
    for source in sources:
        tally = Tally()
        most = filters.per_frame if source.name == tao_amodal.NAME else filters.per_image
        passed: Kept = kept(source.samples(filters, tally), filters, excluded, most)
        found += _with_pictures(passed, source, missing_share, tally)
        neighbours += passed.neighbours
        left_out[source.name] = dict(tally.dropped + passed.left_out)
        # The reader warns of names that several objects have, which is why expressions are written at all.
        notes += [note for note in tally.notes if "--names all" not in note]
    return Objects(tuple(found), tuple(neighbours), left_out, tuple(notes))


def _with_pictures(passed: Kept, source: Source, missing_share: float, tally: Tally) -> list[Sample]:
    images = dict.fromkeys(sample.image for sample in passed.samples)
    missing = {image for image in images if not exists(image)}
    if len(missing) > missing_share * len(images):
        option = "--tao-images" if source.name == tao_amodal.NAME else "--coco-images"
        raise DataError(
            f"{len(missing):,} of {len(images):,} images of {source.name} are missing, such as {min(missing)}; "
            f"{whereabouts(sorted(missing), tally.folders, option) or f'name their folder with {option}'}, or allow "
            f"more than --missing-share {missing_share:g}"
        )
    there = [sample for sample in passed.samples if sample.image not in missing]
    if len(there) < len(passed.samples):
        passed.left_out["its image is not there"] += len(passed.samples) - len(there)
    return there

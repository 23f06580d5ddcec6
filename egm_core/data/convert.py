"""Converts a data set's files to samples, and says what was kept, left out and missing."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from egm_core.data.readers.kind import PLACES, DataError, Kind, Tally
from egm_core.pictures.source import exists
from egm_core.sample import Sample, write_samples

_log = logging.getLogger("egm.data")
MISSING_SHARE = 0.05


@dataclass
class Counts:
    """Counts the samples that pass by, and looks for each picture once."""

    tally: Tally
    samples: int = 0
    absent: int = 0
    hidden: int = 0
    amodal: int = 0
    images: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)

    def take(self, sample: Sample) -> Sample:
        """Count a sample and give it back."""
        self.samples += 1
        self.absent += sample.absent
        self.hidden += sample.hidden
        self.amodal += sample.amodal_bbox is not None
        self.splits[f"{sample.source} {sample.split}".strip()] += 1
        if sample.image not in self.images:
            self.images.add(sample.image)
            if not exists(sample.image):
                self.tally.missing(sample.image)
        return sample

    def words(self) -> list[str]:
        """Say what was kept, a line for all and one for each split."""
        kinds = {"with an amodal box": self.amodal, "wholly hidden": self.hidden, "absent": self.absent}
        told = "".join(f", {count:,} {what}" for what, count in kinds.items() if count)
        lines = [f"{self.samples:,} samples on {len(self.images):,} pictures{told}"]
        if len(self.splits) > 1:
            lines += [f"  {name or 'of no split'}: {count:,}" for name, count in sorted(self.splits.items())]
        return lines


def convert(kind: Kind, options: Namespace, out: Path, missing_share: float = MISSING_SHARE) -> list[str]:
    """Read files of a kind, write their samples, and give the counts in words.

    What is left out or missing is said as a warning. DataError where nothing is left, or more than `missing_share` of
    the pictures are missing; then no file is written.
    """
    tally = Tally()
    counts = Counts(tally)

    def passing() -> Iterator[Sample]:
        with tqdm(kind.read(options, tally), unit="sample", desc=f"reading {kind.name}", disable=None) as samples:
            for sample in samples:
                yield counts.take(sample)
        _judge(counts, missing_share)

    try:
        write_samples(out, passing())
    finally:
        if sum(tally.dropped.values()) > counts.samples:
            tally.note("more was left out than kept: see that the files are of this kind, and the options right")
        for line in left_out(tally):
            _log.warning("%s", line)
    lines = counts.words()
    return [f"{lines[0]} -> {out}", *lines[1:], f"licence of the data: {kind.licence}"]


def left_out(tally: Tally) -> list[str]:
    """Say what a reader left out, found missing, or wants to be known."""
    said = list(tally.notes)
    for reason, count in tally.dropped.most_common():
        said.append(f"left out {count:,}: {reason} ({_some(tally.places[reason], count)})")
    if tally.lost:
        said.append(f"{len(tally.lost):,} pictures are missing ({_some(list(tally.lost)[:PLACES], len(tally.lost))})")
    return said


def _judge(counts: Counts, missing_share: float) -> None:
    if not counts.samples:
        raise DataError("the files hold no sample that can be used; see what was left out, and the names given")
    lost, whole = len(counts.tally.lost), len(counts.images | counts.tally.lost.keys())
    if lost > missing_share * whole:
        first = ", ".join(list(counts.tally.lost)[:PLACES])
        raise DataError(
            f"{lost:,} of {whole:,} pictures are missing, such as {first}; name their folder with --images, or allow "
            f"more than --missing-share {missing_share:g}"
        )


def _some(places: list[str], count: int) -> str:
    return ", ".join(places) + (", …" if count > len(places) else "")

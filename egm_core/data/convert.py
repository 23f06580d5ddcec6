"""Converts a data set's files to samples, and says what was kept, left out and missing."""

from __future__ import annotations

import logging
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core.data.readers.kind import PLACES, REMEDY, DataError, Kind, Tally
from egm_core.data.readers.shared.licence import UNKNOWN
from egm_core.data.readers.shared.whereabouts import whereabouts
from egm_core.pictures.source import exists
from egm_core.sample import Sample, write_samples
from egm_core.sample.box_check import FAULTS, BoxCheck
from egm_core.sample.worlds import licence_of

_log = logging.getLogger("egm.data")
MISSING_SHARE = 0.05
# As many of the records as may have a box that can be none; a few of a small file are named and no more.
WRONG_SHARE, FEW = 0.05, 10
# No path that a file has is longer; what a record holds in a path's place may be, and would fill the screen.
LONGEST = 400
_WINDOWS = re.compile("[A-Za-z]:[/\\\\]")


@dataclass
class Counts:
    """Counts the samples that pass by, and looks for each picture once."""

    tally: Tally
    out: str = "samples"
    samples: int = 0
    absent: int = 0
    hidden: int = 0
    amodal: int = 0
    images: set[str] = field(default_factory=set)
    splits: Counter[tuple[str, str]] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    doubles: int = 0
    boxes: BoxCheck = field(default_factory=BoxCheck)
    _seen: set[int] = field(default_factory=set)

    def take(self, sample: Sample) -> Sample:
        """Count a sample and give it back."""
        self.samples += 1
        self.tally.kept += 1
        self.boxes.take(f"{self.out}:{self.samples}", sample)
        self.absent += sample.absent
        self.hidden += sample.hidden
        self.amodal += sample.amodal_bbox is not None
        # Sentences of a reference may be alike; they have ids of their own.
        key = hash((sample.image, sample.sent, sample.bbox, sample.amodal_bbox, *_ids(sample)))
        self.doubles += key in self._seen
        self._seen.add(key)
        self.splits[sample.source, sample.split] += 1
        self.licences[sample.licence] += 1
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
            named = {" ".join(filter(None, names)): count for names, count in self.splits.items()}
            lines += [f"  {name or 'of no split'}: {count:,}" for name, count in sorted(named.items())]
        return [*lines, *guessed(self.tally), *licence_words(self.licences)]


def convert(
    kind: Kind, options: Namespace, out: Path, missing_share: float = MISSING_SHARE, licence: str = ""
) -> list[str]:
    """Read files of a kind, write their samples, and give the counts in words; `licence` overrules the samples' own.

    What is left out or missing is said as a warning. DataError where nothing is left, or more than `missing_share` of
    the pictures are missing; then no file is written.
    """
    tally = Tally()
    counts = Counts(tally, out.name)

    def passing() -> Iterator[Sample]:
        with tqdm(kind.read(options, tally), unit="sample", desc=f"reading {kind.name}", disable=None) as samples:
            for sample in samples:
                own = licence or licence_of(sample.source, sample.licence)
                yield counts.take(sample if own == sample.licence else replace(sample, licence=own))
        _judge(counts, missing_share, f"{_files(options) or 'the files'} read as {kind.name}")

    try:
        write_samples(out, passing())
    finally:
        if counts.doubles:
            tally.note(f"{counts.doubles:,} samples stand there twice, ids and all: see that no file is named twice")
        if sum(tally.dropped.values()) > counts.samples:
            tally.note("more was left out than kept: see that the files are of this kind, and the options right")
        for line in left_out(tally):
            _log.warning("%s", line)
    lines = counts.words()
    return [f"{lines[0]} -> {out}", *lines[1:]]


def guessed(tally: Tally) -> list[str]:
    """Say what data were taken for by the names of their files."""
    lines = []
    for (what, value, option), files in tally.guesses.items():
        names = list(files)
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        remedy = f"{option} names another" if option else "give it another name where that is wrong"
        lines.append(f"taken as {what} {value!r} by the name of {names[0]}{more}; {remedy}")
    return lines


def licence_words(found: Mapping[str, int]) -> list[str]:
    """Say under which licences records are, and of how many it is not known."""
    whole = sum(found.values())
    told = ((licence or UNKNOWN, count) for licence, count in found.items())
    return [
        f"licence of {f'{count:,} of {whole:,} records' if count < whole else 'the data'}: {licence}"
        for licence, count in told
    ]


def left_out(tally: Tally) -> list[str]:
    """Say what a reader left out, found missing, or wants to be known."""
    said = list(tally.notes)
    for reason, count in tally.dropped.most_common():
        said.append(f"left out {count:,}: {reason} ({_some(tally.places[reason], count)})")
    if tally.lost:
        said.append(f"{len(tally.lost):,} pictures are missing ({_some(list(tally.lost)[:PLACES], len(tally.lost))})")
    return said


def _files(options: Namespace) -> str:
    """Name the files or the folder that a reader was given, by whichever option its kind has."""
    given: Any = next(
        (value for name in ("file", "root", "labels", "tables") if (value := vars(options).get(name))), []
    )
    return ", ".join(_cut(str(one)) for one in (given if isinstance(given, list) else [given]))


def _judge(counts: Counts, missing_share: float, read: str) -> None:
    wrong = sum(counts.tally.wrong.values())
    if counts.samples and wrong > max(FEW, WRONG_SHARE * (counts.samples + wrong)):
        reason = counts.tally.wrong.most_common(1)[0][0]
        raise DataError(
            f"{wrong:,} records have boxes that can be none, beside {counts.samples:,} samples: {reason}, such as "
            f"{counts.tally.places[reason][0]}; {REMEDY}"
        )
    if wrong and not counts.samples:
        raise DataError(f"{read}: no sample that can be used: {counts.tally.all_wrong()}")
    if wrong:
        share = wrong / (counts.samples + wrong)
        counts.tally.note(f"{wrong:,} boxes, {share:.1%} of all, can be none and are left out: {REMEDY}")
    for words in counts.boxes.words() if counts.samples else ():
        if FAULTS["unit"].words in words:
            raise DataError(words)
        counts.tally.note(f"the boxes look wrong: {words}")
    if not counts.samples:
        lost = counts.tally.lost
        where = whereabouts(lost, counts.tally.folders) if lost else ""
        told = f" ({len(lost):,} pictures are missing; {where})" if where else ""
        see = (
            "see what was left out"
            if counts.tally.dropped
            else "nothing was left out either: see that this is their kind"
        )
        raise DataError(f"{read}: no sample that can be used; {see}, and the names given{told}")
    judge_missing(counts.tally, counts.images, missing_share)


def judge_missing(tally: Tally, images: Collection[str], share: float) -> None:
    """Raise DataError where more than a share of the images that were looked for are missing; else say where they lie.

    What is said becomes one of the tally's notes.
    """
    lost, whole = len(tally.lost), len({*images, *tally.lost})
    where = whereabouts(tally.lost, tally.folders) if lost else ""
    if lost > share * whole:
        first = list(tally.lost)[:PLACES]
        raise DataError(
            f"{lost:,} of {whole:,} pictures are missing, such as {', '.join(map(_cut, first))}; "
            f"{_remedy(first[0], tally.folders, where)}, or allow more than --missing-share {share:g}"
        )
    if where:
        tally.note(f"pictures are missing: {where}")


def _remedy(image: str, folders: Collection[Path], where: str) -> str:
    if "\\" in image or _WINDOWS.match(image):
        return "the file has paths of Windows: write / in place of each backslash, and no drive"
    looked = f" (looked for below {', '.join(map(str, folders))})" if folders else ""
    return where or f"name their folder with --images, which paths that begin with / do not heed{looked}"


def _ids(sample: Sample) -> tuple[str, ...]:
    return sample.source, sample.ref_id, sample.sentence_id, sample.annotation_id


def _some(places: list[str], count: int) -> str:
    return ", ".join(map(_cut, places)) + (", …" if count > len(places) else "")


def _cut(place: str) -> str:
    return place if len(place) <= LONGEST else place[:LONGEST] + "…"

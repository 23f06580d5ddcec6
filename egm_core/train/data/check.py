"""The data check of a run: what its samples hold, what is wrong with them, and where it stands, before a step is made.

Each finding has a kind (see `data_kinds`), a file and a line. Beyond a kind's bound the run is refused. The run's
folder gets `data_check.txt`, `data_check.jsonl` (every finding), and `data_sheet.png`: twelve samples with their boxes.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from egm_core.boxes import Box, iou
from egm_core.families import TASKS, Family, Task
from egm_core.sample import Sample, read_placed
from egm_core.sample.box_check import faults
from egm_core.sample.box_layout import Layout
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.kinds import KINDS, bounds
from egm_core.train.data.pictures import Picture, Size, bad_images, look_at_all
from egm_core.train.data.sheet import SHEET, SHOWN, write_sheet
from egm_core.train.data.special_tokens import finder

_log = logging.getLogger("egm.train")
REPORT, FINDINGS = "data_check.txt", "data_check.jsonl"
PLACES = 3
# Answers that differ by more than this contradict each other.
SAME = 0.5


@dataclass(frozen=True)
class Checking:
    """What is checked: sample files, the tasks asked, whose tokens must not stand in texts, and what is tolerated.

    `teaches` means that the run learns from the reasoning (SFT), `reasoning` that it is to.
    """

    files: tuple[Path, ...]
    tasks: tuple[str, ...]
    speaker: Family
    tokens: Collection[str] = ()
    teaches: bool = False
    reasoning: bool = True
    tolerate: Mapping[str, float] = field(default_factory=dict)
    missing_share: float = 0.01
    seed: int = 0


@dataclass(frozen=True)
class Finding:
    """Something wrong with one record."""

    kind: str
    place: str
    what: str


@dataclass(frozen=True)
class DataCheck:
    """What a check found: the places of records that are left out, each with the reason, and the report in words.

    `records` are all records with their places, so that nobody needs to read the files again.
    """

    left_out: dict[str, str]
    text: str
    records: Sequence[tuple[str, Sample]] = field(default=(), repr=False)

    @property
    def samples(self) -> Iterator[Sample]:
        """The samples that are not left out."""
        return (sample for place, sample in self.records if place not in self.left_out)

    def say(self) -> None:
        """Tell the report: as a warning where records were left out, which nobody may miss."""
        _log.log(logging.WARNING if self.left_out else logging.INFO, "%s", self.text)


def check_data(folder: Path, checking: Checking) -> DataCheck:
    """Check a run's data, leave report, findings and contact sheet in the folder, and give what was found.

    Raises ConfigurationError where a kind of wrong data is beyond its bound, with the files and lines of some;
    SampleError for a record that can't be read at all.
    """
    allowed = bounds(checking.tolerate)
    folder.mkdir(parents=True, exist_ok=True)
    claims: dict[str, dict[Size, str]] = defaultdict(dict)
    records = [pair for file in checking.files for pair in read_placed(file)]
    for place, sample in records:
        claims[sample.image].setdefault((sample.width, sample.height), place)
    bad = bad_images(folder, claims, checking.missing_share)
    tally = _Tally(checking, look_at_all(folder, list(claims)), bad)
    for place, sample in records:
        tally.take(place, sample)
    tally.close()
    empty = [str(file) for file in checking.files if str(file) not in tally.files]
    if empty:
        hold = "holds" if len(empty) == 1 else "hold"
        raise ConfigurationError(f"{', '.join(empty)} {hold} no record; export the samples anew, or leave it out")
    lines, refused = tally.words(allowed)
    found = [{"kind": f.kind, "place": f.place, "what": f.what} for f in tally.findings]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in found)
    (folder / FINDINGS).write_text(text, encoding="utf-8", errors="backslashreplace")
    if write_sheet(folder / SHEET, tally.shown):
        lines.append(f"  look at {folder / SHEET}: {len(tally.shown)} samples with their boxes")
    report = "\n".join(lines)
    (folder / REPORT).write_text(report + "\n", encoding="utf-8", errors="backslashreplace")
    if refused:
        raise ConfigurationError(f"the data can't be trained on: {'; '.join(refused)}. All is in {folder / FINDINGS}")
    return DataCheck({f.place: f.what for f in tally.findings if KINDS[f.kind].left_out}, report, records)


class _Tally:
    """Counts while the records pass by."""

    def __init__(self, checking: Checking, pictures: Mapping[str, Picture], bad: Mapping[str, str]) -> None:
        self.checking, self.pictures, self.bad = checking, pictures, bad
        self.findings: list[Finding] = []
        self.records = 0
        self.questions: Counter[str] = Counter()
        self.absent: Counter[str] = Counter()
        self.unreasoned: Counter[str] = Counter()
        self.shown: list[tuple[str, Sample]] = []
        self._token = finder(checking.tokens)
        self._layouts: dict[str, Layout] = defaultdict(Layout)
        self._answers: dict[tuple[str, str, str], Box | None] = {}
        self._first: dict[str, str] = {}
        self._rng = np.random.default_rng(checking.seed)

    def take(self, place: str, sample: Sample) -> None:
        """Look at one record."""
        self.records += 1
        asked: list[Task] = [task for task in TASKS if task in self.checking.tasks and sample.asks(task)]
        found = dict(self._of_picture(sample))
        found |= dict(self._of_texts(sample, asked))
        found |= dict(faults(sample))
        found |= dict(self._of_others(sample, asked))
        if not asked:
            found["unasked"] = f"{sample.sent!r} has no box for {' or '.join(self.checking.tasks)}"
        self.findings += [Finding(kind, place, what) for kind, what in found.items()]
        for task in asked:
            self.questions[task] += 1
            self.absent[task] += sample.truth(task) is None
            self.unreasoned[task] += not _trace(sample, task).strip()
        self._layouts[_file(place)].take(sample)
        self._first.setdefault(_file(place), place)
        if "image" not in found:
            self._show(place, sample)

    @property
    def files(self) -> Collection[str]:
        """The files that records came from."""
        return self._first.keys()

    def close(self) -> None:
        """Judge what only a whole file tells."""
        for file, layout in self._layouts.items():
            self.findings += [Finding(kind, self._first[file], what) for kind, what in layout.judge()]

    def words(self, allowed: Mapping[str, float]) -> tuple[list[str], list[str]]:
        """Give the report's lines, and what is beyond its bound."""
        asked = ", ".join(f"{count:,} {task}" for task, count in self.questions.items()) or "none"
        lines = [f"data check: {self.records:,} records; questions: {asked}"]
        refused = []
        for kind, count, whole, of, places in self._counts():
            if not count:
                continue
            about = KINDS[kind]
            at = f" ({', '.join(places)}{', ...' if count > len(places) else ''})" if places else ""
            line = f"{count:,} of {whole:,} {of} {about.words}{at}"
            lines.append(f"  {kind}: {line}{'; they are left out' if about.left_out else ''}")
            if count > allowed[kind] * whole:
                what = next((f": {f.what}" for f in self.findings if f.kind == kind), "")
                refused.append(f"{line}{what}; {about.remedy}, or allow it with tolerate.{kind}={_up(count / whole)}")
        return lines, refused

    def _counts(self) -> Iterator[tuple[str, int, int, str, list[str]]]:
        by_kind: dict[str, list[str]] = defaultdict(list)
        for finding in self.findings:
            by_kind[finding.kind].append(finding.place)
        for kind in KINDS:
            whole_file = kind in ("thousandths", "xywh")
            count = sum(self._layouts[_file(p)].records for p in by_kind[kind]) if whole_file else len(by_kind[kind])
            yield kind, count, self.records, "records", by_kind[kind][:PLACES]
        learnt = self.checking.teaches and self.checking.reasoning
        for task, whole in self.questions.items():
            yield "absent", self.absent[task], whole, f"{task} questions", []
            if learnt:
                yield "reasoning", self.unreasoned[task], whole, f"{task} questions", []

    def _of_picture(self, sample: Sample) -> Iterator[tuple[str, str]]:
        picture = self.pictures[sample.image]
        if sample.image in self.bad:
            yield "image", f"{sample.image}: {self.bad[sample.image]}"
            return
        if (sample.width, sample.height) != (picture.width, picture.height):
            said = f"{sample.width} x {sample.height}"
            yield "size", f"{sample.image} is {picture.width} x {picture.height}, and the record says {said}"
        for kind, true in (("turned", picture.turned), ("deep", picture.deep), ("blank", picture.blank)):
            if true:
                yield kind, sample.image

    def _of_texts(self, sample: Sample, asked: Sequence[Task]) -> Iterator[tuple[str, str]]:
        texts = {"sent": sample.sent}
        learnt = self.checking.teaches and self.checking.reasoning
        if learnt:
            texts |= {"reasoning": sample.reasoning, "amodal_reasoning": sample.amodal_reasoning}
        for name, text in texts.items():
            if token := self._token.search(text):
                yield "token", f"{name} holds {token[0]!r}, a special token of the model"
                return
        for task in asked if learnt else ():
            try:
                self.checking.speaker.target(sample.sent, None, _trace(sample, task), task)
            except ValueError as error:
                yield "format", str(error)

    def _of_others(self, sample: Sample, asked: Sequence[Task]) -> Iterator[tuple[str, str]]:
        again = []
        for task in asked:
            key, box = (sample.picture, " ".join(sample.sent.split()), task), sample.truth(task)
            if key not in self._answers:
                self._answers[key] = box
                continue
            again.append(task)
            before = self._answers[key]
            if (before is None) != (box is None) or (before and box and iou(before, box) < SAME):
                yield "contradiction", f"{sample.sent!r} of {sample.image} is {before and list(before)} elsewhere"
                return
        if again and len(again) == len(asked):
            yield "duplicate", f"{sample.sent!r} of {sample.image}"

    def _show(self, place: str, sample: Sample) -> None:
        """Keep some records at random for the contact sheet, each as likely as any other."""
        if len(self.shown) < SHOWN:
            self.shown.append((place, sample))
        elif (at := int(self._rng.integers(self.records))) < SHOWN:
            self.shown[at] = place, sample


def _trace(sample: Sample, task: Task) -> str:
    return sample.reasoning if task == "visible" else sample.amodal_reasoning


def _file(place: str) -> str:
    return place.rpartition(":")[0]


def _up(share: float) -> str:
    """Write a share that surely covers the one given."""
    return f"{min(1.0, np.ceil(share * 100) / 100):g}"

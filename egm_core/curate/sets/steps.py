"""A set made in steps: each writes a file of its own, can be run alone, and is not run again while nothing changed.

`steps.json` in the set's folder remembers for each step what it was made with (its options, and the hash of the file
that it read) and the hash of what it wrote. A step whose record still holds is kept, unless
questions of it are without an answer. After a kill the step that was under way begins anew, and its ledger of answers
spares it the questions that were answered.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.evaluate.samples.growth import digest
from egm_core.sample import read_samples

RECORD = "steps.json"
# A count of questions without an answer, as a step tells it.
UNANSWERED = "unanswered"
# What a step does: reads one file, writes another, and tells counts of its own.
Work = Callable[[Path, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Step:
    """One step: its name, the file that it writes, its work, and what its result depends on beside the file it reads.

    The first step reads no file of the set's.
    """

    name: str
    file: str
    work: Work
    options: Mapping[str, Any] = field(default_factory=dict)


class Chain:
    """The steps of a set in a folder."""

    def __init__(self, folder: Path, steps: Sequence[Step]) -> None:
        self.folder = folder
        self.steps = tuple(steps)

    def run(self, only: str = "", say: Callable[[str], None] = print) -> None:
        """Run what has changed, or one step alone; ValueError where that one has nothing to read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if only:
            number = [step.name for step in self.steps].index(only)
            before = self.steps[number - 1] if number else None
            if before and not (self.folder / before.file).is_file():
                raise ValueError(
                    f"{self.folder / before.file} is not there: run the step {before.name!r} first, or all steps"
                )
        for number, step in enumerate(self.steps):
            if only and step.name != only:
                continue
            before = self.steps[number - 1] if number else None
            made_with = self._made_with(step, before)
            if not only and self._holds(step, made_with):
                say(f"{step.name}: {self._told(step)} (kept: nothing changed)")
                continue
            self._forget(step)
            source, out = self.folder / (before.file if before else ""), self.folder / step.file
            told = dict(step.work(source, out))
            self._remember(step, {"made_with": made_with, "sha256": digest(out), **counted(out), **told})
            say(f"{step.name}: {self._told(step)}")

    @property
    def record(self) -> dict[str, Any]:
        """What is remembered of the steps, in their order."""
        known = self._read()
        return {step.name: known[step.name] for step in self.steps if step.name in known}

    def path(self, name: str) -> Path:
        """Give a step's file."""
        return self.folder / next(step.file for step in self.steps if step.name == name)

    def _made_with(self, step: Step, before: Step | None) -> Any:
        told = {"options": step.options, "read": digest(self.folder / before.file) if before else ""}
        return json.loads(json.dumps(told, default=str))

    def _holds(self, step: Step, made_with: Any) -> bool:
        known, out = self._read().get(step.name), self.folder / step.file
        # What got no answer, for want of money or of a server, is asked anew; what did not pass is not.
        if known and known.get(UNANSWERED):
            return False
        return bool(known and known["made_with"] == made_with and out.is_file() and digest(out) == known["sha256"])

    def _told(self, step: Step) -> str:
        known = self._read()[step.name]
        lacking = f"; {known[UNANSWERED]:,} questions have no answer: run again" if known.get(UNANSWERED) else ""
        return f"{known['samples']:,} samples on {known['images']:,} images -> {self.folder / step.file}{lacking}"

    def _read(self) -> dict[str, Any]:
        file = self.folder / RECORD
        if not file.is_file():
            return {}
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            _check_form(told)
            return dict(told)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file} is no record of steps ({error}); delete it to make the set anew") from error

    def _forget(self, step: Step) -> None:
        self._write({name: one for name, one in self._read().items() if name != step.name})

    def _remember(self, step: Step, told: Mapping[str, Any]) -> None:
        self._write(self._read() | {step.name: told})

    def _write(self, record: Mapping[str, Any]) -> None:
        part = self.folder / f"{RECORD}.part"
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(part, self.folder / RECORD)


def _check_form(told: Any) -> None:
    """Raise ValueError where a record of steps, which anybody may have edited, is not of its form."""
    if not isinstance(told, dict):
        raise ValueError("it is no object of JSON")
    for name, one in told.items():
        if not isinstance(one, dict) or not {"made_with", "sha256"} <= one.keys():
            raise ValueError(f"{name} does not tell what it was made with")
        for count in ("samples", "images", UNANSWERED):
            if not isinstance(one.get(count, 0 if count == UNANSWERED else None), int):
                raise ValueError(f"{name} has no number of {count}")


def counted(file: Path) -> dict[str, Any]:
    """Count a sample file's samples and images, in all and by data set and split."""
    samples = 0
    images: set[str] = set()
    by_source: Counter[str] = Counter()
    images_of: dict[str, set[str]] = {}
    for sample in read_samples(file):
        samples += 1
        images.add(sample.image)
        name = f"{sample.source} {sample.split}".strip()
        by_source[name] += 1
        images_of.setdefault(name, set()).add(sample.image)
    told = {name: {"samples": count, "images": len(images_of[name])} for name, count in sorted(by_source.items())}
    return {"samples": samples, "images": len(images), "by_source": told}

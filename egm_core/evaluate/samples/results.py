"""A whole evaluation on samples: its rows, what it was made with, and its JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egm_core.evaluate.finite import finite
from egm_core.evaluate.paper.splits import SPLITS
from egm_core.evaluate.samples.figures import Summary
from egm_core.evaluate.samples.growth import Growth
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.rows import Scored, record
from egm_core.sample.whole import written


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation on samples found; `about` says with what, `unasked` counts questions beyond the budget."""

    rows: Sequence[Scored]
    about: Mapping[str, Any]
    at_least: bool
    unasked: int = 0
    growth: Growth | None = None

    @property
    def summary(self) -> Summary:
        """The figures of the rows."""
        return Summary(self.rows, self.at_least, self.growth)

    def write(self, path: Path) -> None:
        """Write everything as one JSON file, whole or not at all."""
        summary = self.summary
        data = {
            "of": "samples",
            **self.about,
            "strict": not self.at_least,
            "unasked": self.unasked,
            "baselines": summary.baseline_notes,
            "figures": summary.as_json(),
            "rows": [self._record(row, summary) for row in self.rows],
        }
        with written(path) as part:
            part.write_text(json.dumps(finite(data), ensure_ascii=False), encoding="utf-8")

    def _record(self, row: Scored, summary: Summary) -> dict[str, Any]:
        told = record(row, self.at_least)
        if row.question.task == "amodal" and row.iou is not None:
            told["baselines"] = summary.overlaps(row.question)
        return told


def sizes(questions: Sequence[Question]) -> list[str]:
    """Compare the splits of RefCOCO, RefCOCO+ and RefCOCOg with the sizes that the field knows, a line for each."""
    told = []
    for split in SPLITS:
        mine = [q for q in questions if q.split == split.name and not q.sample.mirrored]
        if not mine:
            continue
        count, pictures = len(mine), len({q.picture for q in mine})
        if (count, pictures) == (split.sentences, split.images):
            whole = f"all {count} sentences on all {pictures} images"
        elif (count, pictures) == (split.refs, split.images):
            whole = f"{count} rows, one for each ref: the paper has {split.sentences} sentences, so its values differ"
        else:
            whole = f"{count} rows on {pictures} images, of {split.sentences} sentences on {split.images} images"
        told.append(f"{split.name}: {whole}")
    return told

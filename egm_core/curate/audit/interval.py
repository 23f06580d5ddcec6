"""The error rate that judgements give, with its interval."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egm_core.evaluate.statistics import wilson

GOOD, WRONG = "y", "n"


@dataclass(frozen=True)
class Judged:
    """What people said of a sheet: where it was drawn from, and how many of its items were good and wrong."""

    file: str
    seed: int
    items: int
    of: int
    good: int
    wrong: int

    @property
    def line(self) -> str:
        """The sentence for a paper; ValueError where nothing was judged."""
        count = self.good + self.wrong
        if not count:
            raise ValueError("nothing is judged on this sheet yet; open it, press y or n for each item, and export")
        low, high = wilson(self.wrong, count)
        left = self.items - count
        undecided = f"; {left} of the {self.items} drawn were left undecided" if left else ""
        return (
            f"{self.wrong} of {count} audited samples were judged wrong: {self.wrong / count:.1%}, 95 % interval "
            f"{low:.1%} to {high:.1%} (Wilson); drawn at random (seed {self.seed}) from {self.of:,}{undecided}."
        )


def read_judgements(path: Path) -> Judged:
    """Read what a sheet exported; ValueError says what is wrong with it."""
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        said: Mapping[str, str] = told["judgements"]
        strange = set(said.values()) - {GOOD, WRONG}
        items, values = int(told["items"]), list(said.values())
        found = Judged(
            str(told["file"]), int(told["seed"]), items, int(told["of"]), values.count(GOOD), values.count(WRONG)
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not an audit's export ({error}); give the JSON file that the sheet saved") from error
    if strange or len(said) > items:
        raise ValueError(f"{path}: the judgements do not fit the sheet; export them anew")
    return found

"""The proof's one table, and the bars that it is held against."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.evaluate.statistics import wilson

LEAST_CAUGHT, MOST_LOST = 0.95, 0.03
# The bars are for the wordings that nobody who made the rules has seen.
BARRED = "closed"


@dataclass
class Found:
    """What a proof found: of each half and kind how many there were and were rejected, and lines of all else."""

    counts: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    lines: list[tuple[str, str, bool | None]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def count(self, half: str, outcomes: Iterable[tuple[str, bool]]) -> None:
        """Add outcomes: the kind of a wording, and whether it was rejected."""
        of, rejected = Counter[str](), Counter[str]()
        for kind, out in outcomes:
            of[kind] += 1
            rejected[kind] += out
        kinds = self.counts.setdefault(half, {})
        for kind in of:
            before = kinds.setdefault(kind, [0, 0])
            kinds[kind] = [before[0] + rejected[kind], before[1] + of[kind]]

    def say(self, what: str, told: str, holds: bool | None = None) -> None:
        """Add a line; `holds` None where nothing is to be held."""
        self.lines.append((what, told, holds))

    def share(self, half: str, good: bool) -> tuple[int, int]:
        """Give rejected and all of a half's good samples, or of its planted mistakes."""
        chosen = [pair for kind, pair in self.counts.get(half, {}).items() if (kind == "good") == good]
        return sum(one for one, _ in chosen), sum(of for _, of in chosen)

    def missed(self) -> list[str]:
        """Name the bars that are missed."""
        found = [f"{what}: {told}" for what, told, holds in self.lines if holds is False]
        caught, planted = self.share(BARRED, good=False)
        lost, good = self.share(BARRED, good=True)
        if planted and caught < LEAST_CAUGHT * planted:
            found.append(f"planted mistakes caught, {BARRED} half: {caught} of {planted}, under {LEAST_CAUGHT:.0%}")
        if good and lost > MOST_LOST * good:
            found.append(f"good samples lost, {BARRED} half: {lost} of {good}, over {MOST_LOST:.0%}")
        return found


def interval(part: int, of: int) -> str:
    """Write a count with its share and Wilson's 95 % interval."""
    if not of:
        return "-"
    low, high = wilson(part, of)
    return f"{part} / {of} = {part / of:.1%} ({low:.1%} to {high:.1%})"


def markdown(found: Found) -> str:
    """Write the table."""
    halves = list(found.counts)
    kinds = sorted({kind for half in found.counts.values() for kind in half} - {"good"})
    lines = [f"| Kind | {' | '.join(halves)} |", f"| --- |{' --- |' * len(halves)}"]
    for kind in kinds:
        told = (interval(*found.counts[half].get(kind, (0, 0))) for half in halves)
        lines.append(f"| {kind} | {' | '.join(told)} |")
    for name, good in (("**planted mistakes caught**", False), ("**good samples lost**", True)):
        lines.append(f"| {name} | {' | '.join(interval(*found.share(half, good)) for half in halves)} |")
    lines += ["", "| Held against | Found | |", "| --- | --- | --- |"]
    marks = {True: "holds", False: "**missed**", None: ""}
    lines += [f"| {what} | {told} | {marks[holds]} |" for what, told, holds in found.lines]
    return "\n".join(lines)


def write(found: Found, folder: Path, more: Mapping[str, Any]) -> None:
    """Write the table as Markdown and as JSON."""
    (folder / "proof.md").write_text(markdown(found) + "\n", encoding="utf-8")
    told = {
        **more,
        "caught": found.counts,
        "lines": [{"what": what, "found": told, "holds": holds} for what, told, holds in found.lines],
        "figures": found.figures,
        "missed": found.missed(),
    }
    (folder / "proof.json").write_text(json.dumps(told, indent=1), encoding="utf-8")

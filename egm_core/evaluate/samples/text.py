"""What an evaluation on samples found, as text to read."""

from __future__ import annotations

from collections.abc import Sequence

from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.samples.figures import THRESHOLDS, Line, Summary

HEAD = ["rows", "images", *(f"Acc@{t:g}" for t in THRESHOLDS), "mean IoU", "absent", "malformed", "failed"]


def text(summary: Summary) -> str:
    """Write the whole summary as Markdown: splits and means, baselines, groups, and what became of absent objects."""
    sign = "at least" if summary.at_least else "above"
    parts = [
        f"Success is an IoU {sign} the threshold. 95 % intervals in brackets are a bootstrap over images. Absent, "
        "malformed and failed answers count as wrong."
    ]
    parts += headline(summary)
    if summary.present:
        lines = [*summary.splits, summary.micro]
        parts.append(_table("split", [*lines, summary.macro] if len(summary.splits) > 1 else lines))
    if summary.baselines:
        parts.append("Answers without a model, on the same questions:\n\n" + _table("", summary.baselines))
        parts.append("\n".join(f"- {note}" for note in summary.baseline_notes))
        pairs = [line for pair in summary.failing_copy() for line in pair if line.count]
        if pairs:
            parts.append(_table("subset", pairs))
    parts += [_table(title, lines) for title, lines in summary.groups.items()]
    if absence := summary.absence:
        parts.append(
            f"absent objects recognised {percent(absence.recognised)} of {absence.recognised.count}; "
            f"objects that are there called absent {percent(absence.false)} of {absence.false.count}"
        )
    seconds = summary.seconds()
    if seconds.count:
        parts.append(f"an answer took {1000 * seconds.value:.0f} ms on the average")
    return "\n\n".join(parts)


def headline(summary: Summary) -> list[str]:
    """Say first how well amodal boxes are told where the visible box alone fails; nothing for visible ones."""
    told = []
    for threshold, figure, (line, _) in zip(THRESHOLDS[:2], (0, 1), summary.failing_copy(), strict=False):
        share = f"{percent(line.accuracies[figure])} % (Acc@{threshold:g})" if line.count else "no such question"
        told.append(
            f"Where the visible box fails at {threshold:g}: {share}; {line.count} of {len(summary.present)} questions, "
            f"on {line.pictures} images"
        )
    return ["\n".join(f"**{words}**  " for words in told)] if told else []


def _table(title: str, lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        cells = [line.name, str(line.count), str(line.pictures), *map(percent, (*line.accuracies, line.iou))]
        rows.append([*cells, *(str(line.outcomes[name]) for name in ("absent", "malformed", "failed"))])
    return markdown([title, *HEAD], rows)

"""What an evaluation on samples found, as text to read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from egm_core.evaluate.reports.intervals import legend
from egm_core.evaluate.reports.tables import markdown, percent
from egm_core.evaluate.samples.figures import THRESHOLDS, Line, Summary

LAST = ["absent", "malformed", "failed", "cut"]


def text(summary: Summary, everything: bool = False, batched: bool = False) -> str:
    """Write a summary as Markdown: the headline, answers without a model, splits and means, and absent objects.

    `everything` adds the finer tables. `batched` says that no answer was timed alone.
    """
    sign = "at least" if summary.at_least else "above"
    parts = [
        f"Success is an IoU {sign} the threshold. {legend(bootstrap=', in brackets')} Absent, "
        "malformed and failed answers count as wrong. Cut ones reached their longest length, and count as they read."
    ]
    parts += headline(summary)
    table = partial(_table, sign=">=" if summary.at_least else ">")
    if summary.baselines:
        told = "All questions, and answers without a model to them:\n\n"
        parts.append(told + table("", [summary.micro, *summary.baselines]))
        parts.append("\n".join(f"- {note}" for note in summary.baseline_notes))
    if summary.present:
        lines = [*summary.splits, *summary.whole_sets, summary.micro]
        names = {"split": summary.splits, "data set": summary.whole_sets}
        title = " or ".join(name for name, found in names.items() if found)
        parts.append(table(title, [*lines, summary.macro] if len(summary.splits) > 1 else lines))
    finer = {"where the visible box fails": [line for pair in summary.failing_copy() for line in pair if line.count]}
    finer = {title: lines for title, lines in (finer | summary.groups).items() if lines}
    if everything:
        parts += [table(title, lines) for title, lines in finer.items()]
    elif finer:
        titles = ", ".join(title.partition(",")[0] for title in finer)
        parts.append(f"Finer tables ({titles}) are printed with --all; the file of --json has them, too.")
    if absence := summary.absence:
        parts.append(
            f"absent objects recognised {percent(absence.recognised)} of {absence.recognised.count}; "
            f"objects that are there called absent {percent(absence.false)} of {absence.false.count}"
        )
    seconds = summary.seconds()
    if seconds.count:
        told = ", batches shared out among their answers" if batched else ""
        parts.append(f"an answer took {1000 * seconds.value:.0f} ms on the average{told}")
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


def _table(title: str, lines: Sequence[Line], sign: str) -> str:
    head = ["rows", "images", *(f"Acc@{t:g} ({sign})" for t in THRESHOLDS), "mean IoU, %", *LAST]
    rows = []
    for line in lines:
        cells = [line.name, str(line.count), str(line.pictures), *map(percent, (*line.accuracies, line.iou))]
        rows.append([*cells, *(str(line.outcomes[name]) for name in LAST[:3]), str(line.cut)])
    return markdown([title, *head], rows)

"""The paper's Tables 9, 10 and 11 in small, and ablations, as Markdown from stored results.

Intervals are those of `statistics`, clustered by scene; differences are paired query by query.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.results import (
    SAMPLES,
    Answered,
    Pick,
    Result,
    Value,
    absent,
    called_absent,
    forbidden,
    of,
    reasoning_tokens,
    right,
)
from egm_core.evaluate.statistics import Comparison, Figure
from egm_core.families import TASKS

COLUMNS: tuple[tuple[str, Value, Pick], ...] = (
    ("visible Acc@0.5", right, of("visible")),
    ("amodal Acc@0.5", right, of("amodal")),
    ("absent recognised, %", called_absent, absent),
    ("false absents, %", called_absent, of("visible")),
)
BOTH = "visible and amodal"


def _present(a: Answered) -> bool:
    return a.truth is not None


QUESTIONS: tuple[tuple[str, Pick], ...] = (*((task, of(task)) for task in TASKS), (BOTH, _present))


def sections(
    stages: Mapping[str, Result], direct: Mapping[str, Result], ablations: Sequence[Result] = ()
) -> Iterator[str]:
    """Give every table that the results allow, each under a heading.

    `stages` are base, sft and rl, as far as they are there, in this order; `direct` are the same weights with
    reasoning forbidden. All of them answer the same queries.
    """
    about = next(iter([*stages.values(), *ablations])).about
    asked = (
        f"{about['questions']} {about['task']} questions"
        if about.get("of") == SAMPLES
        else (f"{about['scenes']} scenes from seed {about['first_seed']}")
    )
    yield (
        f"{asked}; success is IoU {'>' if about['strict'] else '>='} 0.5. "
        f"{legend('images' if about.get('of') == SAMPLES else 'scenes', ', in brackets')} "
        "Differences are paired by query, in bold where their interval is clear of zero."
    )
    if stages:
        yield "**Stages of training** (the paper's Table 9)\n\n" + table_9(list(stages.values()))
    pairs = [(stages[name], direct[name]) for name in stages if name in direct]
    if pairs:
        yield "**The same weights with reasoning forbidden** (Table 10)\n\n" + table_10(pairs)
    if "sft" in stages and "rl" in stages:
        yield "**What RL solves of what SFT gets wrong** (Table 11)\n\n" + table_11(stages["sft"], stages["rl"])
    if ablations:
        yield "**Ablations**\n\n" + ablation_table(ablations)


def table_9(results: Sequence[Result]) -> str:
    """Compare stages of training: each one's figures, then each one against the one before.

    `results` are in the order of training and answer the same queries.
    """
    head = ["", *(name for name, _, _ in COLUMNS), "reasoning tokens"]
    rows = []
    for result in results:
        cells = [percent(result.figure(value, pick)) for _, value, pick in COLUMNS]
        rows.append([result.name, *cells, number(result.figure(reasoning_tokens, share=False))])
    counts = [str(results[0].figure(value, pick).count) for _, value, pick in COLUMNS]
    rows.append(["n", *counts, str(len(results[0].answers))])
    parts = [markdown(head, rows)]
    if len(results) > 1:
        differences = []
        for before, after in pairwise(results):
            cells = [points(after.since(before, value, pick)) for _, value, pick in COLUMNS]
            cells.append(change(after.since(before, reasoning_tokens, share=False)))
            differences.append([f"{after.name} against {before.name}", *cells])
        parts.append(markdown(["difference, points", *head[1:]], differences))
    return "\n\n".join(parts)


def table_10(pairs: Iterable[tuple[Result, Result]]) -> str:
    """Compare the same weights with reasoning and with reasoning forbidden; pairs are (with, without).

    How often a present object is called absent, with and without, stands beside it: weights that only ever learnt
    to reason may refuse rather than answer, and then the worth says little about reasoning.
    """
    head = ["", "expressions", "questions", "n", "with reasoning, %", "forbidden, %", "worth, points"]
    head.append("called absent, %: with, forbidden")
    rows = []
    for thinking, direct in pairs:
        for scope in ("all", "two-step"):
            for questions, asked in QUESTIONS:

                def pick(a: Answered, asked: Pick = asked, scope: str = scope) -> bool:
                    return asked(a) and (scope == "all" or a.kind == "two_step")

                figures = [result.figure(right, pick) for result in (thinking, direct)]
                worth = points(thinking.since(direct, right, pick))
                refused = [100 * result.figure(called_absent, pick).value for result in (thinking, direct)]
                cells = [str(figures[0].count), *map(percent, figures), worth]
                cells.append(", ".join("-" if math.isnan(share) else f"{share:.1f}" for share in refused))
                rows.append([thinking.name, scope, questions, *cells])
    return markdown(head, rows)


def table_11(before: Result, after: Result) -> str:
    """Say how many of the samples that `before` got wrong are solved by `after`, and how many right ones are lost."""
    head = ["questions", f"wrong by {before.name}", f"of these solved by {after.name}, %"]
    head += [f"right by {before.name}", f"of these lost by {after.name}, %"]
    rows = []
    for questions, asked in QUESTIONS:
        cells = []
        for was_right in (False, True):
            picked = [a.key for a in before.answers if asked(a) and a.correct == was_right]
            keys = set(picked)
            changed = after.figure(lambda a, w=was_right: float(a.correct != w), lambda a, k=keys: a.key in k)  # type: ignore[misc]
            turned = sum(after.by_key[key].correct != was_right for key in picked)
            cells += [str(len(picked)), "-" if not picked else f"{percent(changed)}, {turned} of {len(picked)}"]
        rows.append([questions, *cells])
    return markdown(head, rows)


def ablation_table(results: Sequence[Result]) -> str:
    """Give a row for each run, and its paired difference to the first one."""
    first = results[0]
    head = ["", *(f"{task} Acc@0.5" for task in TASKS), "reasoning tokens"]
    head += [f"{task}, points against {first.name}" for task in TASKS]
    rows = []
    for result in results:
        cells = [percent(result.figure(right, of(task))) for task in TASKS]
        cells.append(number(result.figure(reasoning_tokens, share=False)))
        if result is first:
            cells += ["" for _ in TASKS]
        else:
            cells += [points(result.since(first, right, of(task))) for task in TASKS]
        rows.append([result.name + (", no reasoning" if forbidden(result.about) else ""), *cells])
    return markdown(head, rows)


def percent(figure: Figure) -> str:
    """Write a share as per cent, with its interval."""
    if math.isnan(figure.value):
        return "-"
    return f"{100 * figure.value:.1f} ({written(figure, scale=100)})"


def number(figure: Figure) -> str:
    """Write a mean, with its interval."""
    if math.isnan(figure.value):
        return "-"
    return f"{figure.value:.1f} ({written(figure)})"


def points(comparison: Comparison | None) -> str:
    """Write a difference of shares in points, with its interval; in bold where that is clear of zero."""
    return "-" if comparison is None else _difference(comparison, 100.0)


def change(comparison: Comparison | None) -> str:
    """Write a difference of means, with its interval; in bold where that is clear of zero."""
    return "-" if comparison is None else _difference(comparison, 1.0)


def _difference(c: Comparison, scale: float) -> str:
    text = f"{scale * c.difference:+.1f} ({written(c, '+.1f', scale)})"
    return f"**{text}**" if c.low > 0 or c.high < 0 else text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)

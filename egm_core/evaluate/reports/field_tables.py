"""The paper's Tables 4, 5, 9, 10 and 11 from results on samples, the paper's values beside ours where it has them.

A difference to the paper is ours minus the paper's; its interval is that of our figure alone, for the paper gives none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from egm_core.evaluate.paper import amodal, failures, training
from egm_core.evaluate.paper.grounding import ROWS, WITHOUT, Row
from egm_core.evaluate.paper.splits import SPLITS
from egm_core.evaluate.reports import learnt, part
from egm_core.evaluate.reports.amodal_lines import below_table_5
from egm_core.evaluate.reports.intervals import legend, written
from egm_core.evaluate.reports.tables import markdown, percent, table_11
from egm_core.evaluate.results import FORBIDDEN, Answered, Result, check_answers, forbidden
from egm_core.evaluate.statistics import EMPTY, Figure, macro_mean, mean

_HEAD = ["", *(split.name for split in SPLITS), "mean of the splits", "rows"]


@dataclass(frozen=True)
class Model:
    """A model's answers from one result or several, each about other splits, under the name of its line."""

    name: str
    results: tuple[Result, ...]

    def __post_init__(self) -> None:
        seen: dict[object, Result] = {}
        for result in self.results:
            if not result.of_samples:
                raise ValueError(f"{result.path} is about scenes: give results of `egm evaluate refer` or `amodal`")
            if result.about["strict"] != self.results[0].about["strict"]:
                raise ValueError(f"{result.path} and {self.results[0].path} count success differently (--at-least)")
            first = self.results[0]
            if forbidden(result.about) != forbidden(first.about):
                one, other = (result, first) if forbidden(result.about) else (first, result)
                raise ValueError(
                    f"{one.path} was made with --no-reasoning, {other.path} with reasoning, and both are named "
                    f"{self.name!r}: name the former '{self.name}{WITHOUT}={one.path}'"
                )
            for key in result.by_key:
                if key in seen:
                    raise ValueError(f"{result.path} and {seen[key].path} answer the same question: give one of them")
            seen |= dict.fromkeys(result.by_key, result)

    @property
    def answers(self) -> dict[object, Answered]:
        """The answers about objects that are there, by their question."""
        return {a.key: a for result in self.results for a in result.answers if a.truth is not None}

    @property
    def notes(self) -> list[str]:
        """What a reader of the line has to know."""
        told = []
        for result in self.results:
            about, name = result.about, f"{self.name} ({result.path.name})"
            if forbidden(about):
                told.append(f"{name}: {FORBIDDEN}")
            if only := part.of_result(about):
                told.append(f"{name}: {only}")
            if about.get("subset"):
                told.append(f"{name}: {about['subset']}")
            told += [f"{name}: {line}" for line in about.get("splits") or () if ": all " not in line]
            told += [f"{name}: {words}" for words in learnt.of_rows(a.row for a in result.answers)]
            failed = sum(a.outcome == "failed" for a in result.answers)
            if failed:
                told.append(f"{name}: {failed} answers failed, and count as wrong")
            if cut := sum(a.row.get("finish") == "length" for a in result.answers):
                told.append(f"{name}: {cut} answers were cut at their longest length, and count as they read")
        return told

    def accuracy(self, column: str) -> Figure:
        """Give the accuracy on one split."""
        rows = [a for a in self.answers.values() if a.column == column]
        return mean([float(a.correct) for a in rows], [a.seed for a in rows])

    def macro(self) -> Figure:
        """Give the plain mean over the splits that are there."""
        rows = list(self.answers.values())
        return macro_mean([float(a.correct) for a in rows], [a.seed for a in rows], [a.column for a in rows])

    @property
    def elsewhere(self) -> dict[str, int]:
        """How many answers there are on each split that the paper's tables have no column for."""
        known = {split.name for split in SPLITS}
        return dict(Counter(a.column for a in self.answers.values() if a.column not in known))

    @property
    def whole(self) -> bool:
        """Whether there are answers on each of the paper's splits."""
        return {split.name for split in SPLITS} <= {a.column for a in self.answers.values()}

    def of_splits(self) -> Model:
        """Give the model with its answers on the paper's splits alone."""
        return self.on({split.name for split in SPLITS})

    @property
    def columns(self) -> frozenset[str]:
        """The splits that there are answers about."""
        return frozenset(a.column for a in self.answers.values())

    def on(self, columns: Collection[str]) -> Model:
        """Give the model with its answers on some splits alone."""
        kept = tuple(replace(r, answers=tuple(a for a in r.answers if a.column in columns)) for r in self.results)
        return replace(self, results=kept)

    def gain(self, other: Model) -> Figure:
        """Give this model's macro mean minus another's, paired by question; empty where they share none.

        ValueError where they mean other questions by one name, or count success differently.
        """
        for mine in self.results:
            for its in other.results:
                if mine.about["strict"] != its.about["strict"]:
                    raise ValueError(f"{mine.path} and {its.path} count success differently (--at-least)")
                check_answers(mine, its, [key for key in mine.by_key if key in its.by_key])
        theirs = other.answers
        pairs = [(a, theirs[key]) for key, a in self.answers.items() if key in theirs]
        values = [float(one.correct) - float(two.correct) for one, two in pairs]
        return macro_mean(values, [a.seed for a, _ in pairs], [a.column for a, _ in pairs],
                          least=-1.0) if pairs else EMPTY  # fmt: skip


def known(name: str) -> Row | None:
    """Find the paper's line for a model, however its name is written."""
    return next((row for row in ROWS.values() if plain(row.model) == plain(name)), None)


def plain(name: str) -> str:
    """Write a model's name so that its usual spellings are one: EGM-8B, nvidia/EGM-8B, InternVL3-8B."""
    low = name.rsplit("/", 1)[-1].lower() if "w/o" not in name else name.lower()
    low = re.sub(r"^egm-(\d+b)", r"egm-qwen3-vl-\1", low)
    return re.sub(r"[^a-z0-9]", "", low.replace("internvl3", "internvl-3"))


def on_shared(models: Sequence[Model]) -> tuple[list[Model], list[str]]:
    """Give models with their answers on the splits that all of them have, and say in words what stayed away.

    Rows of splits that the paper's tables have no column for are left out where there are others, as in Table 4.
    RuntimeError where a model then has none.
    """
    told = []
    if any(len(model.elsewhere) < len(model.columns) for model in models):
        told = [f"LEFT OUT: {_elsewhere(model)}" for model in models if model.elsewhere]
        if none := next((model for model in models if len(model.elsewhere) == len(model.columns)), None):
            raise RuntimeError(f"no row is of a split of the paper's table: {_elsewhere(none)}")
        models = [model.of_splits() for model in models]
    shared = frozenset.intersection(*(model.columns for model in models)) if models else frozenset()
    if all(model.columns == shared for model in models):
        return list(models), told
    each = "; ".join(f"{model.name} has {', '.join(sorted(model.columns))}" for model in models)
    if not shared:
        return list(models), [*told, f"NO SPLIT IN COMMON, so that the means cannot be compared: {each}."]
    told.append(f"NOT THE SAME SPLITS: {each}. Means are over what all have: {', '.join(sorted(shared))}.")
    return [model.on(shared) for model in models], told


def table_4(models: Sequence[Model]) -> str:
    """Print each model's accuracy on the eight splits and their mean; below it the paper's line and the difference.

    RuntimeError where no answer is about one of them. Answers about others are named, and count nowhere.
    """
    others = [_elsewhere(model) for model in models if model.elsewhere]
    models = [model.of_splits() for model in models]
    if not any(model.answers for model in models):
        raise RuntimeError(
            f"no row is of a split of the paper's table: {'; '.join(others) or 'all objects are absent'}"
        )
    rows = []
    for model in models:
        figures = [model.accuracy(split.name) for split in SPLITS]
        there = [figure for figure in figures if figure.count]
        whole = model.macro() if there else EMPTY
        count = f" of {len(there)}" if len(there) < len(SPLITS) else ""
        rows.append([model.name, *map(percent, figures), percent(whole) + count, str(len(model.answers))])
        if (paper := known(model.name)) is not None:
            rows.append(_of_paper(paper))
            differences = [beside(figure, value) for figure, value in zip(figures, paper.splits, strict=True)]
            mine = beside(whole, paper.average) if not count else "-"
            rows.append(["difference", *differences, mine, ""])
    by_name = {plain(model.name): model for model in models}
    for model in models:
        direct = by_name.get(plain(model.name + WITHOUT))
        if direct is not None:
            shared = len(model.columns & direct.columns)
            of = f", on {shared} of {len(SPLITS)} splits" if shared and model.columns != direct.columns else ""
            rows.append([f"{model.name}: reasoning is worth{of}", *[""] * len(SPLITS), signed(model.gain(direct)), ""])
    return "\n".join([_noted(markdown(_HEAD, rows), models), *(f"- LEFT OUT: {words}" for words in others)])


def _elsewhere(model: Model) -> str:
    found = ", ".join(f"{column!r} ({count} rows)" for column, count in model.elsewhere.items())
    return (
        f"{model.name} has {found}; known are {', '.join(split.name for split in SPLITS)}. The fields `source` and "
        "`split` of the samples decide, and `egm data convert refer` takes the source from its folder's name"
    )


def _of_paper(row: Row) -> list[str]:
    average = f"{row.printed:.1f}" if row.printed is not None else f"{row.average:.2f}, computed"
    return [f"{row.model}, paper", *(f"{value:.1f}" for value in row.splits), average, ""]


def whole_paper() -> str:
    """Print all of the paper's lines of Tables 4 and 10."""
    return markdown(_HEAD, [_of_paper(row) for row in ROWS.values()])


def table_5(models: Sequence[Model]) -> str:
    """Print amodal accuracy of each base and its EGM model, and what EGM gains; the paper's text has the gains only.

    Below it stand answers without a model, and what all do where the visible box alone fails.
    """
    models, told = on_shared(models)
    by_name = {plain(model.name): model for model in models}
    rows, used = [], set()
    for setting in amodal.SETTINGS:
        base, egm = by_name.get(plain(setting)), by_name.get(plain(f"EGM-{setting}"))
        used |= {model.name for model in (base, egm) if model}
        gain = egm.gain(base) if base and egm else EMPTY
        paper = amodal.GAINS.get(setting)
        if base or egm:
            cells = [percent(model.macro()) if model else "-" for model in (base, egm)]
            cells += [signed(gain), "-" if paper is None else f"{paper:+.1f}"]
            rows.append([setting, *cells, beside(gain, paper) if paper is not None else "-"])
    rows += [[m.name, percent(m.macro()), "-", "-", "-", "-"] for m in models if m.name not in used]
    head = ["", "original", "+ EGM", "gain", "gain, paper", "difference"]
    results = [result for model in models for result in model.results]
    notes = dict.fromkeys(note for result in results for note in result.about.get("baselines") or ())
    answers = {model.name: list(model.answers.values()) for model in models}
    below = below_table_5(answers, bool(results[0].about["strict"]) if results else True, list(notes))
    return "\n\n".join(filter(None, (_noted(markdown(head, rows), models, told), below)))


def table_9(stages: Mapping[str, Model], size: str = "") -> str:
    """Print the mean of the splits for base, + SFT and + RL, and the steps; `size` chooses the paper's line."""
    order, told = on_shared([stages[name] for name in ("base", "sft", "rl") if name in stages])
    stages = {model.name: model for model in order}
    head = ["", "Base", "+ SFT", "+ RL"]
    cells = {name: percent(stages[name].macro()) if name in stages else "-" for name in ("base", "sft", "rl")}
    splits = ", ".join(sorted(frozenset[str]().union(*(model.columns for model in order))))
    whole = all(model.whole for model in order)
    rows = [["mean of the splits" + ("" if whole else f" ({splits})"), *cells.values()]]
    if size:
        values = training.TABLE_9[size]
        rows.append([f"Qwen3-VL-{size}, paper", *("lost" if v is None else f"{v:.1f}" for v in values)])
        ours = [stages[name].macro() if name in stages else EMPTY for name in ("base", "sft", "rl")]
        # Means of other splits, or of a part of them, have nothing to be held against.
        ours = [f if name in stages and stages[name].whole and not stages[name].elsewhere else EMPTY
                for name, f in zip(("base", "sft", "rl"), ours, strict=True)]  # fmt: skip
        rows.append(["difference", *("-" if v is None else beside(f, v) for f, v in zip(ours, values, strict=True))])
    steps = [[f"{after.name} against {before.name}", signed(after.gain(before))]
             for before, after in pairwise(order)]  # fmt: skip
    parts = [markdown(head, rows), *([markdown(["step", "points"], steps)] if steps else [])]
    return _noted("\n\n".join(parts), order, told)


def hard(base: Result, after: Result) -> str:
    """Print Table 11: how much of what the base gets wrong is solved, with the paper's counts beside it."""
    wrong = [a for a in base.answers if a.truth is not None and not a.correct]
    solved = mean([float(after.by_key[a.key].correct) for a in wrong], [a.seed for a in wrong])
    count = round(solved.value * len(wrong)) if wrong else 0
    shares = failures.HARD_SHARES
    unsolved = replace(solved, value=1 - solved.value, low=1 - solved.high, high=1 - solved.low)
    lines = {"unsolved": (len(wrong) - count, unsolved), "solved": (count, solved)}
    rows = [[name, str(number), percent(figure), str(failures.HARD[name]), f"{shares[name]:.1f}",
             beside(figure, shares[name])] for name, (number, figure) in lines.items()]  # fmt: skip
    head = [f"wrong by {base.name}", "count", "%", "count, paper", "%, paper", "difference"]
    told = [f"{result.name}: {FORBIDDEN}" for result in (base, after) if forbidden(result.about)]
    return "\n\n".join([markdown(head, rows), table_11(base, after), legend(), *told])


def beside(figure: Figure, paper: float) -> str:
    """Write a figure (a share) minus the paper's value in %, with the figure's own interval."""
    if math.isnan(figure.value):
        return "-"
    return f"{100 * figure.value - paper:+.1f} ({written(figure, '+.1f', 100, -paper)})"


def signed(figure: Figure) -> str:
    """Write a difference of shares in points, with its interval."""
    return "-" if math.isnan(figure.value) else f"{100 * figure.value:+.1f} ({written(figure, '+.1f', 100)})"


def _noted(table: str, models: Sequence[Model], more: Sequence[str] = ()) -> str:
    sign = {">" if result.about["strict"] else ">=" for model in models for result in model.results}
    told = [f"Acc@0.5 in %, success is IoU {' or '.join(sorted(sign))} 0.5 (the paper: >). {legend()} A "
            "difference to the paper is ours minus the paper's, with the interval of ours alone."]  # fmt: skip
    told += [*more, *(note for model in models for note in model.notes)]
    return "\n\n".join([table, "\n".join(f"- {note}" for note in told)])

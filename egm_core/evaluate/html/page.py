"""The page: everything of a report in one file that any browser shows without a network."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from egm_core import __version__
from egm_core.evaluate.html.plots import COLORS, plots
from egm_core.evaluate.html.runs import GROUPS, Answer, Question, Run, named_apart, told_apart
from egm_core.evaluate.html.tables import accuracy, ends, pairs_of, rule, tables
from egm_core.evaluate.html.thumbnails import Thumbnail, Thumbnails, thumbnails
from egm_core.evaluate.reports.intervals import missing

# What a page may weigh, in bytes, and what of it is kept for everything but questions and pictures.
LIMIT = 19_500_000
REST = 600_000
# Texts may take that share of the page before they are cut; the shortest cut that is tried, in characters.
TEXTS = 0.55
CUTS = (4000, 2000, 1200, 800, 500, 300, 200, 120, 60)


@dataclass(frozen=True)
class Page:
    """A page's HTML, and what its reader has to know: what was cut or left out, and what warns of the figures."""

    html: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def page(runs: Sequence[Run], title: str = "", pictures: bool = True, limit: int = LIMIT) -> Page:
    """Write the page of some runs; ValueError where their answers do not fit into `limit` bytes."""
    runs, apart = told_apart(runs)
    names = named_apart(runs)
    warnings = tuple(f"{name}: {words}" for run, name in zip(runs, names, strict=True) for words in run.warnings)
    questions = _questions(runs)
    order = {picture: number for number, picture in enumerate(dict.fromkeys(q.picture for q, _ in questions))}
    records, notes = _records(questions, order, limit - REST)
    packed = _packed({"names": list(order), "questions": records})
    budget = limit - REST - len(packed)
    made = thumbnails(list(order), budget) if pictures else Thumbnails({}, 0, {})
    notes = apart + notes + _about_pictures(made, len(order), pictures)
    none = Thumbnail("", 0, 0)
    shown = [made.by_name.get(name, none) for name in order]
    data = {
        "runs": names,
        "groups": [[key, word] for key, word in GROUPS.items() if any(key in q.groups for q, _ in questions)],
        "pictures": [{"src": t.url, "w": t.width, "h": t.height} for t in shown],
    }
    return Page(_template().render(
        title=title or " and ".join(names),
        questions=len(questions),
        runs=[_head(run, name, COLORS[i % len(COLORS)]) for i, (run, name) in enumerate(zip(runs, names, strict=True))],
        warnings=warnings,
        notes=notes,
        plots=plots(runs, names),
        tables=tables(runs, names),
        footer=f"egm_ros {__version__}: {', '.join(str(run.path) for run in runs)}",
        data=in_script(data),
        packed=packed,
        css=_part("page.css"),
        script=_part("page.js"),
    ), tuple(notes), warnings)  # fmt: skip


def _questions(runs: Sequence[Run]) -> list[tuple[Question, list[Answer | None]]]:
    """Join the runs by their questions, in the order in which they are met."""
    joined: dict[Any, tuple[Question, list[Answer | None]]] = {}
    for number, run in enumerate(runs):
        met: Counter[Any] = Counter()
        for question, answer in zip(run.questions, run.answers, strict=True):
            # A question that a file holds twice is shown twice.
            met[question.key] += 1
            known = joined.setdefault((question.key, met[question.key]), (question, [None] * len(runs)))
            known[1][number] = answer
    return list(joined.values())


def _records(
    questions: Sequence[tuple[Question, list[Answer | None]]], order: dict[str, int], room: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Write the questions as JSON values, their texts cut as far as the page's weight asks for."""
    for cut in (0, *CUTS):
        records = [_record(question, answers, order, cut) for question, answers in questions]
        if len(_packed(records)) <= TEXTS * room:
            longest = f"Reasoning and answers are cut to {cut} characters, for the page would be too heavy with them."
            return records, [longest] if cut else []
    raise ValueError(f"{len(questions)} questions do not fit into {room / 1e6:.0f} MB; report on fewer (--most)")


def _record(question: Question, answers: Sequence[Answer | None], order: dict[str, int], cut: int) -> dict[str, Any]:
    width, height = question.size or (0, 0)
    told = [
        None if a is None else {
            "o": a.outcome, "c": int(a.right), "i": None if a.iou is None else round(a.iou, 3), "b": _edges(a.box),
            "w": a.reason, "n": _short(a.reasoning, cut), "x": _short(a.said, cut),
            "s": None if a.seconds is None else round(a.seconds, 3),
        }
        for a in answers
    ]  # fmt: skip
    return {
        "p": order[question.picture],
        "t": question.text,
        "a": question.task,
        "b": _edges(question.truth),
        "w": width,
        "h": height,
        "g": {name: list(values) for name, values in question.groups.items()},
        "r": told,
    }


def _edges(box: Sequence[float] | None) -> list[float] | None:
    return None if box is None else [round(v, 1) for v in box]


def _short(text: str, cut: int) -> str:
    return text if not cut or len(text) <= cut else text[:cut].rstrip() + " […]"


def _about_pictures(made: Thumbnails, count: int, wanted: bool) -> list[str]:
    if not wanted:
        return ["Pictures were left out (--no-pictures)."]
    said = [f"{len(made.by_name)} pictures, at most {made.side} pixels a side; boxes are exact."]
    if made.missing:
        name, why = next(iter(made.missing.items()))
        said.append(f"{len(made.missing)} of {count} pictures could not be read, the first {name}: {why}")
    return said


def _head(run: Run, name: str, color: str) -> dict[str, Any]:
    scores = []
    for task in sorted({q.task for q in run.questions}, reverse=True):
        f = accuracy(pairs_of(run, task))
        if not f.count:
            continue
        interval = ends(f) if f.bounded else missing(f, "pictures")
        scores.append((f"{task}, {rule(run)}", f"{100 * f.value:.1f}", f"{interval}, n {f.count}"))
    about = [(key.replace("_", " "), value) for key, value in run.about.items()]
    return {"name": name, "color": color, "scores": scores, "about": [*about, ("file", str(run.path))]}


def in_script(value: Any) -> str:
    """Write JSON that may stand in a script element: no text in it can end that."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _packed(value: Any) -> str:
    """Write JSON as gzip in base64: texts about the same things take a sixth, and leave their room to the pictures."""
    packed = gzip.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _part(name: str) -> str:
    return (Path(str(resources.files("egm_core.evaluate.html"))) / name).read_text(encoding="utf-8")


def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(_part("page.html.jinja"))

"""Stored results of `egm evaluate scenes|refer|amodal --json`, read again to be compared query by query."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from egm_core.boxes import Box
from egm_core.evaluate.pairing import Shown, compared, same_budget
from egm_core.evaluate.reports.checked import check_rows
from egm_core.evaluate.scores import Outcome
from egm_core.evaluate.statistics import EMPTY, Comparison, Figure, mean, paired_difference
from egm_core.families import Task
from egm_core.sample.worlds import column
from egm_core.scenes.language.drafts import Kind

SAMPLES = "samples"
SAME_FOR_ALL = ("first_seed", "scenes", "queries_per_scene", "mode", "strict")
# Models of other vendors are read by other rules, so only the questions and what counts as success must be the same.
SAME_SAMPLES = ("of", "task", "questions", "strict")
TRUTH_TOLERANCE = 2.0
# Said of results whose model was kept from reasoning.
FORBIDDEN = "reasoning was forbidden (--no-reasoning)"
_log = logging.getLogger("egm.evaluate")
Key = tuple[int, str, str]


@dataclass(frozen=True)
class Answered:
    """One stored answer.

    `truth` and `box` are in pixels, None for absent ones and answers without a box; `thinking` counts the tokens of
    reasoning. `score` is the raw one, None where the engine gave none. Answers to samples have an `id`, which tells the
    question, the `column` of their split, and the picture's hash; their `seed` stands for the picture.
    """

    seed: int
    task: Task
    kind: Kind
    text: str
    outcome: Outcome | Literal["failed"]
    correct: bool
    truth: Box | None
    thinking: int | None
    box: Box | None = None
    score: float | None = None
    id: str = ""
    column: str = ""
    iou: float | None = None
    seconds: float | None = None
    picture: str = ""
    row: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """Which query it answers."""
        return self.seed, self.task, self.id or self.text


Pick = Callable[[Answered], bool]
Value = Callable[[Answered], float | None]


def forbidden(about: Mapping[str, Any]) -> bool:
    """Tell whether a model was kept from reasoning; a rule, which has none, was not."""
    return about.get("reasoning") is False and about.get("mode") != "rule"


def of(task: Task) -> Pick:
    """Pick the questions of one task whose object is there."""
    return lambda a: a.task == task and a.truth is not None


def absent(a: Answered) -> bool:
    """Pick the visible questions whose object is not there, as `Report.recall` does."""
    return a.task == "visible" and a.truth is None


def right(a: Answered) -> float:
    """1 for a right answer."""
    return float(a.correct)


def called_absent(a: Answered) -> float:
    """1 for an answer that says that the object is absent."""
    return float(a.outcome == "absent")


def reasoning_tokens(a: Answered) -> float | None:
    """The tokens of reasoning, None where the engine told none."""
    return None if a.thinking is None else float(a.thinking)


@dataclass(frozen=True)
class Result:
    """The answers of one evaluated model under a name: `about` says how they were made, `path` where they are."""

    name: str
    path: Path
    about: Mapping[str, Any]
    answers: tuple[Answered, ...]

    @cached_property
    def by_key(self) -> dict[Key, Answered]:
        """The answers by their query."""
        return {a.key: a for a in self.answers}

    @property
    def reasoned(self) -> bool:
        """Whether reasoning was allowed."""
        return bool(self.about["reasoning"])

    @property
    def of_samples(self) -> bool:
        """Whether samples were asked about, not scenes."""
        return self.about.get("of") == SAMPLES

    def figure(self, value: Value, pick: Pick = lambda a: True, share: bool = True) -> Figure:
        """Give the mean of a value over the picked answers, with its interval clustered by scene.

        `share` says that the value is of 0 to 1.
        """
        found = [(v, a.seed) for a in self.answers if pick(a) and (v := value(a)) is not None]
        return mean([v for v, _ in found], [seed for _, seed in found], share=share) if found else EMPTY

    def since(self, first: Result, value: Value, pick: Pick = lambda a: True, share: bool = True) -> Comparison | None:
        """Give the paired difference of a value, this result minus `first`; None where no query was picked.

        What is picked is decided on the answers of `first`.
        """
        pairs = [
            (one, two, a.seed)
            for a in first.answers
            if pick(a) and (one := value(a)) is not None and (two := value(self.by_key[a.key])) is not None
        ]
        if not pairs:
            return None
        ones, twos, seeds = zip(*pairs, strict=True)
        return paired_difference(ones, twos, seeds, share=share)


def read(name: str, path: Path) -> Result:
    """Read a stored result; ValueError, naming the file, where it is none."""
    stored = text_of(path)
    try:
        data = json.loads(stored)
        check_rows(data)
        answers = tuple(answered(row) for row in data["rows"])
        same = SAME_SAMPLES if data.get("of") == SAMPLES else SAME_FOR_ALL
        about = {key: data[key] for key in (*same, "reasoning", "model", "version")}
        about |= {key: value for key, value in data.items() if key not in ("rows", "figures", "tables", *about)}
        about |= {key: data.get(key) for key in ("engine", "weights_sha256")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{path} is no result of `egm evaluate scenes --json`, `refer` or `amodal` ({what}): evaluate the model "
            "again"
        ) from error
    result = Result(name, path, about, answers)
    if not answers:
        raise ValueError(f"{path} holds no answers: evaluate at least one scene or sample")
    if len(result.by_key) != len(answers):
        raise ValueError(f"{path} holds a query twice, so that it cannot be paired: evaluate the model again")
    return result


def text_of(path: Path) -> str:
    """Read a result's file; FileNotFoundError or ValueError says what makes one."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        what = "is a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(
            f"{path}: {what}; results are what `egm evaluate refer`, `amodal` or `scenes` write with --json FILE"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no result of `egm evaluate` (it is no text): name what --json wrote") from error


def answered(row: dict[str, Any]) -> Answered:
    """Read one record of a result."""

    def box(edges: Any) -> Box | None:
        return None if edges is None else cast("Box", tuple(map(float, edges)))

    return Answered(
        int(row["seed"]),
        row["task"],
        row["kind"],
        str(row["text"]),
        row["outcome"],
        whether(row["correct"]),
        box(row["truth"]),
        None if row["thinking"] is None else int(row["thinking"]),
        box(row.get("box")),
        None if row.get("score") is None else float(row["score"]),
        str(row.get("id", "")),
        column(str(row.get("column", ""))),
        row.get("iou"),
        seconds(row.get("seconds")),
        str(row.get("picture", "")),
        row,
    )


def whether(value: Any) -> bool:
    """Read a yes or no; ValueError for anything else, such as the word "False"."""
    if value not in (True, False):
        raise ValueError(f"correct is {value!r}, and must be true or false")
    return bool(value)


def seconds(value: Any) -> float | None:
    """Read a time; ValueError where it is none."""
    if value is None:
        return None
    if not 0 <= float(value) < float("inf"):
        raise ValueError(f"seconds is {value!r}, and must be 0 or more")
    return float(value)


def check_same_queries(results: Sequence[Result]) -> None:
    """Make sure that all results answer the same queries; ValueError names the file and the first difference."""
    for other in results[1:]:
        _check_pair(results[0], other)


def check_reasoning(thinking: Iterable[Result], direct: Iterable[Result]) -> None:
    """Make sure that some results were allowed to reason and the others not; ValueError names the file."""
    for results, wanted in ((thinking, True), (direct, False)):
        for result in results:
            if result.reasoned != wanted:
                how = "with" if wanted else "without"
                raise ValueError(f"{result.path} was made {how} --no-reasoning: evaluate the model the other way")


def check_same_rules(first: Result, other: Result) -> int:
    """Make sure that what two results both answer is the same and judged alike; gives how many queries that are.

    ValueError names the file and the first difference.
    """
    _check_settings(first, other, ("of", "task", "strict") if _of_samples(first, other) else ("mode", "strict"))
    common = [key for key in first.by_key if key in other.by_key]
    if not common:
        raise ValueError(f"{first.path} and {other.path} have no query in common: {_remedy(first, other)}")
    check_answers(first, other, common)
    return len(common)


def _of_samples(first: Result, other: Result) -> bool:
    return first.of_samples or other.of_samples


def _remedy(first: Result, other: Result) -> str:
    what = "files and rules" if _of_samples(first, other) else "seeds, queries per scene and rules"
    return f"evaluate both with the same {what}"


def _check_settings(first: Result, other: Result, settings: Iterable[str]) -> None:
    for setting in settings:
        if first.about.get(setting) != other.about.get(setting):
            raise ValueError(
                f"{other.path} has {setting} {other.about.get(setting)}, {first.path} has {first.about.get(setting)}: "
                f"{_remedy(first, other)}"
            )


def _check_pair(first: Result, other: Result) -> None:
    _check_settings(first, other, SAME_SAMPLES if _of_samples(first, other) else SAME_FOR_ALL)
    for one, two in ((first, other), (other, first)):
        alone = [key for key in one.by_key if key not in two.by_key]
        if alone:
            raise ValueError(
                f"{other.path} answers other queries than {first.path}: {_spoken(alone[0])} is only in {one.path}, "
                f"as are {len(alone) - 1} more: {_remedy(first, other)}"
            )
    check_answers(first, other, first.by_key)


def check_answers(first: Result, other: Result, keys: Iterable[Key]) -> None:
    """Make sure that two results mean the same question by a key: its kind, truth, words and picture.

    ValueError names the first that differs. Where nothing tells that pictures are the same, a warning says so.
    """
    keys = list(keys)
    remedy = "evaluate both with the same version of the " + ("files" if _of_samples(first, other) else "scenes")
    for key in keys:
        ones, twos = _asked(first.by_key[key]), _asked(other.by_key[key])
        for what, mine in ones.items():
            its = twos[what]
            same = _same_truth(mine, its) if what == "truth" else None in (mine, its) or mine == its
            if not same:
                raise ValueError(
                    f"{other.path} has the {what} {its} for {_spoken(key)}, {first.path} has {mine}: {remedy}"
                )
    shown = [(key, _shown(first.by_key[key]), _shown(other.by_key[key])) for key in keys]
    found = compared(shown, same_budget(first.about, other.about))
    if found.others:
        where = next((one.place, two.place) for key, one, two in shown if key == found.others[0])
        raise ValueError(
            f"{other.path} has the picture {where[1]} for {_spoken(found.others[0])}, {first.path} has {where[0]}, "
            f"which is another one, and {len(found.others) - 1} more are like it: {remedy}"
        )
    if found.doubt:
        _log.warning("%s and %s: %s", first.path, other.path, found.doubt)


def _asked(answer: Answered) -> dict[str, Any]:
    """What was asked, as far as a result tells: by budgets of pixels, one picture has many hashes, but one size."""
    row = answer.row
    size = (row["width"], row["height"]) if row.get("width") and row.get("height") else None
    return {"kind": answer.kind, "truth": answer.truth, "words": answer.text, "picture's size": size}


def _shown(answer: Answered) -> Shown:
    return Shown(str(answer.row.get("image") or ""), answer.picture)


def _same_truth(one: Box | None, two: Box | None) -> bool:
    """Compare truths; another machine's renderer may move an edge by a pixel."""
    if one is None or two is None:
        return one is two
    return bool(np.abs(np.subtract(one, two)).max() <= TRUTH_TOLERANCE)


def _spoken(key: Key) -> str:
    return f"the {key[1]} question {key[2]!r} about scene {key[0]}"

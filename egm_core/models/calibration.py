"""What a score means: the share of right boxes among answers that got such a score, measured on scenes kept for it.

A model's folder may hold `calibration.json`: for each engine that was measured, and each task, a monotone curve from
the raw score to that share. It counts for the very weights that it was measured on, named by their SHA-256, and for
the engine that answered then; everything else keeps its raw score. `egm evaluate calibrate` writes it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core import __version__
from egm_core.families import TASKS, Task
from egm_core.models.folder import WEIGHTS

_log = logging.getLogger("egm.models")
FORMAT = 1
FILE = "calibration.json"
KNOTS = 12
FEWEST = 100
# Beyond the scores that floats near 1 can tell apart.
EDGE = 1e-6
# Keeps the fit finite where the answers can be told apart without fault.
RIDGE = 1e-3
STEPS = 50
COMMAND = "egm evaluate calibrate --model"
# What a file that somebody damaged may raise: it may also nest too deep, and hold numbers that no float can.
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
# Where an engine's entry keeps the curves of answers without reasoning.
DIRECT = "without_reasoning"


@dataclass(frozen=True)
class Curve:
    """A monotone map from raw scores to probabilities: straight between its knots, level beyond them.

    `count` is the number of answers that it was fitted to. ValueError for knots that don't rise.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    count: int = 0

    def __post_init__(self) -> None:
        x, y = np.asarray(self.scores, np.float64), np.asarray(self.probabilities, np.float64)
        if not len(x) or len(x) != len(y) or not np.isfinite([*x, *y]).all():
            raise ValueError(f"a curve needs as many scores as probabilities, not {len(x)} and {len(y)}")
        if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any() or y.min() < 0 or y.max() > 1:
            raise ValueError("a curve's scores must rise and its probabilities must not fall, both within 0 and 1")

    def __call__(self, score: float) -> float:
        """Give the probability of a raw score."""
        return float(np.interp(score, self.scores, self.probabilities))

    @classmethod
    def fit(cls, scores: Sequence[float], right: Sequence[bool]) -> Curve:
        """Fit a curve to raw scores in [0, 1] and whether their boxes were right.

        Beta calibration (Kull et al. 2017): a logistic regression on ln(s) and -ln(1 - s) whose coefficients can't be
        negative, so that the order of the scores stays. ValueError for fewer than a hundred answers.
        """
        if len(scores) != len(right) or len(scores) < FEWEST:
            raise ValueError(f"{len(scores)} answers with a box are too few to calibrate: take at least {FEWEST}")
        s = np.clip(np.asarray(scores, np.float64), EDGE, 1 - EDGE)
        y = np.asarray(right, np.float64)
        weights = _regress(_features(s), y)
        knots = np.unique(np.quantile(s, np.linspace(0, 1, KNOTS)).round(6))
        values = _sigmoid(_features(knots) @ weights)
        return cls(tuple(knots.tolist()), tuple(np.maximum.accumulate(values.round(6)).tolist()), len(y))


@dataclass(frozen=True)
class Measured:
    """The curves of one engine, and the scenes that they were measured on."""

    curves: Mapping[Task, Curve]
    first_seed: int
    scenes: int


def weights_digest(folder: Path) -> str:
    """Give the SHA-256 of a folder's weights: of its safetensors files in the order of their names, joined."""
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise FileNotFoundError(f"{folder} has no {WEIGHTS} file, so nothing can be calibrated for it")
    return _digest(tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files))


def save(folder: Path, engine: str, measured: Measured, reasoning: bool = True) -> Path:
    """Write an engine's curves into a folder's `calibration.json`, and give its path.

    What is there for other engines, and for answers of the other mode, stays if it was measured on the same weights.
    A warning says where a file cannot be read, and so is written anew.
    """
    file, digest = folder / FILE, weights_digest(folder)
    data: dict[str, Any] = {"format": FORMAT, "version": __version__, "weights_sha256": digest, "engines": {}}
    if file.is_file():
        try:
            before = _read(str(file), file.stat().st_size, file.stat().st_mtime_ns)
            known = {str(name): dict(each) for name, each in before["engines"].items()}
            data["engines"] = known if before["weights_sha256"] == digest else {}
        except DAMAGED as error:
            _log.warning("%s could not be read (%s: %s) and is written anew", file, type(error).__name__, error)
    entry: dict[str, Any] = {"first_seed": measured.first_seed, "scenes": measured.scenes}
    for task, curve in measured.curves.items():
        entry[task] = {"answers": curve.count, "scores": curve.scores, "probabilities": curve.probabilities}
    same = data["engines"].get(engine, {})
    if reasoning:
        data["engines"][engine] = entry | ({DIRECT: same[DIRECT]} if DIRECT in same else {})
    else:
        data["engines"][engine] = same | {DIRECT: entry}
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return file


def curve_for(folder: Path | None, engine: str, task: Task, reasoning: bool = True) -> Curve | None:
    """Give the curve for a task's scores from this engine and the folder's weights; None: they are raw.

    `reasoning` tells answers of a model that was free to think from those of one that was not.
    """
    return _found(folder, engine, reasoning)[0].get(task)


def note(folder: Path | None, engine: str, reasoning: bool = True) -> str:
    """Say why an engine's scores are raw; empty where they are calibrated."""
    reason = _found(folder, engine, reasoning)[1]
    return f"scores are the engine's own, and no probabilities: {reason}" if reason else ""


def _found(folder: Path | None, engine: str, reasoning: bool) -> tuple[Mapping[Task, Curve], str]:
    """Give an engine's curves, or the reason why there are none."""
    if folder is None:
        return {}, "the model's folder, where a calibration could lie, is not on this machine"
    file, remedy = folder / FILE, f"write it with {COMMAND} {folder}"
    if not file.is_file():
        return {}, f"{file} is not there; {remedy}"
    try:
        data = _read(str(file), file.stat().st_size, file.stat().st_mtime_ns)
        if data["weights_sha256"] != weights_digest(folder):
            return {}, f"{file} belongs to other weights; {remedy}"
        if engine not in data["engines"]:
            return {}, f"{file} is for {', '.join(data['engines'])}, and the engine is {engine or 'unknown'}"
        entry = data["engines"][engine]
        if not reasoning:
            if DIRECT not in entry:
                return {}, f"{file} is for answers with reasoning only; {remedy} --no-reasoning"
            entry = entry[DIRECT]
        found = {task: _curve(entry[task]) for task in TASKS if task in entry}
        if not found and reasoning and DIRECT in entry:
            return {}, f"{file} is for answers without reasoning only; {remedy}"
        return found, "" if found else f"{file} has no curve for {engine}; {remedy}"
    except DAMAGED as error:
        return {}, f"{file} cannot be used ({type(error).__name__}: {error}); {remedy}"


def _curve(entry: Any) -> Curve:
    return Curve(tuple(map(float, entry["scores"])), tuple(map(float, entry["probabilities"])), int(entry["answers"]))


@lru_cache(maxsize=8)
def _read(file: str, size: int, changed: int) -> Any:
    """Read a file as JSON; its size and the time of its last change tell whether it was read before."""
    data = json.loads(Path(file).read_text(encoding="utf-8"))
    if data.get("format") != FORMAT:
        raise ValueError(f"its format is {data.get('format')!r}, and this version reads {FORMAT}")
    return data


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while block := file.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def _features(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    s = np.clip(scores, EDGE, 1 - EDGE)
    return np.stack([np.log(s), -np.log1p(-s), np.ones_like(s)], axis=1)


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -30, 30))), np.float64)


def _regress(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a logistic regression by Newton's method; features whose coefficient would be negative are left out."""
    used = [True] * x.shape[1]
    while True:
        part = x[:, used]
        w = np.zeros(part.shape[1])
        penalty = RIDGE * np.eye(len(w))
        penalty[-1, -1] = 0.0
        for _ in range(STEPS):
            p = _sigmoid(part @ w)
            gradient = part.T @ (p - y) + penalty @ w
            step = np.linalg.solve((part * (p * (1 - p))[:, None]).T @ part + penalty + 1e-9 * np.eye(len(w)), gradient)
            w -= step
            if np.abs(step).max() < 1e-8:
                break
        whole = np.zeros(x.shape[1])
        whole[used] = w
        wrong = [i for i in range(x.shape[1] - 1) if whole[i] < 0]
        if not wrong:
            return whole
        used[min(wrong, key=lambda i: whole[i])] = False

"""Fits the gates: when thinking is worth its tokens, learned from questions that were answered both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egm_core.evaluate.statistics import Figure, ratio
from egm_core.evaluate.thinking.pairs import Floats, Pairs
from egm_core.evaluate.thinking.twins import Twins, twins
from egm_core.grounder.gate import Gate, Weight
from egm_core.grounder.gate_file import Gates
from egm_core.grounder.together import Together
from egm_core.models.calibration import FEWEST as FEWEST_SCORES
from egm_core.models.calibration import Curve

Bools = NDArray[np.bool_]

FOLDS = 5
# How strongly coefficients are held near zero, in answers.
RIDGE = 20.0
STEPS = 50
FEWEST = 200
HALVINGS = 40
FARTHEST = 30.0


@dataclass(frozen=True)
class Kept:
    """What cross-validation by scene keeps, as shares of always thinking: of its gain and of its tokens."""

    gain: Figure
    tokens: float


@dataclass(frozen=True)
class Fitted:
    """Gates, and what each kept: for a question alone, and for both boxes together, None where too few had both."""

    gates: Gates
    alone: Kept
    together: Kept | None


def fitted(pairs: Pairs, share: float, share_together: float, engine: str = "") -> Fitted:
    """Fit gates that spend at most these shares of the tokens of always thinking, by cross-validation over scenes.

    ValueError where there are too few answers, or thinking never changes one. `engine` is the program that answered.
    """
    if len(pairs) < FEWEST:
        raise ValueError(f"{len(pairs)} questions are too few to fit a gate: evaluate at least {FEWEST}")
    if not (pairs.gain > 0).any() or not (pairs.gain < 0).any() or not pairs.tokens.any():
        raise ValueError("thinking mends or spoils no answer here, so there is nothing to learn: evaluate more scenes")
    alone, kept = _alone(pairs, share)
    both = twins(pairs)
    if len(both) < FEWEST:
        return Fitted(Gates(alone), kept, None)
    together, also = _together(pairs, both, share_together, engine)
    return Fitted(Gates(alone, together), kept, also)


def _alone(pairs: Pairs, share: float) -> tuple[Gate, Kept]:
    fold = folds(pairs.scenes)
    expected = np.zeros((len(pairs), 2))
    for number in range(FOLDS):
        gate = _regressed(pairs.seen, pairs.gain, pairs.tokens, fold != number)
        for i in np.flatnonzero(fold == number).tolist():
            expected[i] = gate.expected(pairs.seen[i])

    def opened(price: float) -> Bools:
        return np.asarray(expected[:, 0] - price * expected[:, 1] > 0)

    def spent(price: float) -> float:
        return float(pairs.tokens[opened(price)].sum() / pairs.tokens.sum())

    price = _price(spent, share)
    kept = Kept(_share(opened(price) * pairs.gain, pairs.gain, pairs.scenes), spent(price))
    everything = np.ones(len(pairs), np.bool_)
    return replace(_regressed(pairs.seen, pairs.gain, pairs.tokens, everything), price=price), kept


def _together(pairs: Pairs, both: Twins, share: float, engine: str) -> tuple[Together, Kept]:
    fold = folds(both.scenes)
    expected = np.zeros((len(both), 2, 2))
    for number in range(FOLDS):
        gates = _of_both(pairs, both, fold != number)
        for i in np.flatnonzero(fold == number).tolist():
            expected[i] = gates.expected(both.seen[i])
    tokens = pairs.tokens[both.visible], pairs.tokens[both.amodal]
    gains = pairs.gain[both.visible], pairs.gain[both.amodal], both.carried - pairs.first[both.amodal]

    def opened(price: float) -> tuple[Bools, Bools]:
        worth = expected[:, :, 0] - price * expected[:, :, 1]
        shared = (worth[:, 0] > 0) & (worth[:, 0] >= worth[:, 1])
        return shared, (worth[:, 1] > 0) & ~shared

    def spent(price: float) -> float:
        shared, own = opened(price)
        return float((shared * tokens[0] + own * (tokens[0] + tokens[1])).sum() / (tokens[0] + tokens[1]).sum())

    price = _price(spent, share)
    shared, own = opened(price)
    gain = shared * (gains[0] + gains[2]) + own * (gains[0] + gains[1])
    kept = Kept(_share(gain, gains[0] + gains[1], both.scenes), spent(price))
    found = replace(_of_both(pairs, both, np.ones(len(both), np.bool_)), price=price, engine=engine)
    return replace(found, curve=_curve(pairs, both)), kept


def _of_both(pairs: Pairs, both: Twins, kept: Bools) -> Together:
    def gate(change: Floats, tokens: Floats) -> Gate:
        return _regressed(both.seen, change, tokens, kept)

    return Together(
        gate(pairs.gain[both.visible], pairs.tokens[both.visible]),
        gate(pairs.gain[both.amodal], pairs.tokens[both.amodal]),
        gate(both.carried - pairs.first[both.amodal], np.zeros(len(both))),
    )


def _curve(pairs: Pairs, both: Twins) -> Curve | None:
    """Fit what the score of a carried answer means; None where too few of them have a box and a score."""
    scores = [pairs.thoughts[i].score for i in both.visible.tolist()]
    known = [(s, right == 1) for s, right, moved in zip(scores, both.carried, both.moved, strict=True) if moved and s]
    return Curve.fit([s for s, _ in known], [right for _, right in known]) if len(known) >= FEWEST_SCORES else None


def folds(scenes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Share the scenes out; every question of a scene is in one fold."""
    names, place = np.unique(scenes, return_inverse=True)
    drawn = np.random.default_rng(0).permutation(len(names)) % FOLDS
    return np.asarray(drawn[place.reshape(-1)], np.int64)


def _share(part: Floats, whole: Floats, scenes: NDArray[np.int64]) -> Figure:
    return ratio(part.tolist(), whole.tolist(), scenes.tolist())


def _price(spent: Callable[[float], float], share: float) -> float:
    """Give the least price at which no more than that share of the tokens is spent."""
    low, high = 0.0, 1.0
    if spent(low) <= share:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if spent(middle) <= share else (middle, high)
    return high


def _regressed(seen: Sequence[Mapping[str, float]], change: Floats, spent: Floats, kept: Bools) -> Gate:
    """Fit the three regressions to some questions; features that never differ there are left out."""
    indices = np.flatnonzero(kept)
    names = list(seen[0])
    table = np.array([[seen[i][name] for name in names] for i in indices.tolist()], np.float64)
    known = np.asarray(~np.isnan(table).all(axis=0))
    names, table = [name for name, told in zip(names, known.tolist(), strict=True) if told], table[:, known]
    mean, scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    differs = scale > 1e-9
    names = [name for name, told in zip(names, differs.tolist(), strict=True) if told]
    mean, scale = mean[differs], scale[differs]
    z = np.nan_to_num((table[:, differs] - mean) / scale)
    x = np.hstack([z, np.ones((len(z), 1))])
    mend, spoil = _logistic(x, change[indices] > 0), _logistic(x, change[indices] < 0)
    tokens = np.linalg.solve(x.T @ x + _penalty(x.shape[1]), x.T @ spent[indices])
    columns = [tuple(map(float, column)) for column in (mean, scale, mend[:-1], spoil[:-1], tokens[:-1])]
    weights = {name: Weight(*row) for name, row in zip(names, zip(*columns, strict=True), strict=True)}
    return Gate(weights, Weight(0.0, 1.0, float(mend[-1]), float(spoil[-1]), float(tokens[-1])))


def _logistic(x: Floats, y: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Fit a logistic regression with a ridge by Newton's method; the last column, the constant, is free."""
    penalty = _penalty(x.shape[1])
    w = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -FARTHEST, FARTHEST)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + penalty, x.T @ (p - y) + penalty @ w)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(w, np.float64)


def _penalty(size: int) -> Floats:
    penalty = RIDGE * np.eye(size)
    penalty[-1, -1] = 1e-6
    return penalty

"""Fits a gate: when thinking is worth its tokens, learned from questions that were answered both ways."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from egm_core.evaluate.thinking.pairs import Floats, Pairs
from egm_core.grounder.gate import Gate, Weight

FOLDS = 5
# How strongly coefficients are held near zero, in answers.
RIDGE = 20.0
STEPS = 50
FEWEST = 200
FARTHEST = 30.0


@dataclass(frozen=True)
class Fitted:
    """A gate, and what it kept in cross-validation by scene, as shares of always thinking: of its gain and tokens."""

    gate: Gate
    gain: float
    tokens: float


def fitted(pairs: Pairs, share: float) -> Fitted:
    """Fit a gate that spends at most `share` of the tokens of always thinking, by cross-validation over scenes.

    ValueError where there are too few answers, or thinking never changes one.
    """
    if len(pairs) < FEWEST:
        raise ValueError(f"{len(pairs)} questions are too few to fit a gate: evaluate at least {FEWEST}")
    if not (pairs.gain > 0).any() or not (pairs.gain < 0).any() or not pairs.tokens.any():
        raise ValueError("thinking mends or spoils no answer here, so there is nothing to learn: evaluate more scenes")
    fold = folds(pairs)
    worth = np.zeros(len(pairs))
    for number in range(FOLDS):
        kept = fold != number
        gate = _regressed(pairs, kept)
        worth[~kept] = [ratio(gate, pairs, int(i)) for i in np.flatnonzero(~kept)]
    price = _price(worth, pairs.tokens, share)
    opened = worth > price
    whole = replace(_regressed(pairs, np.ones(len(pairs), bool)), price=price)
    total = float(pairs.gain.sum())
    gain = float(pairs.gain[opened].sum()) / total if total else float("nan")
    return Fitted(whole, gain, float(pairs.tokens[opened].sum() / pairs.tokens.sum()))


def folds(pairs: Pairs) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Share the scenes out; every question of a scene is in one fold."""
    scenes, place = np.unique(pairs.scenes, return_inverse=True)
    drawn = np.random.default_rng(0).permutation(len(scenes)) % FOLDS
    return np.asarray(drawn[place.reshape(-1)], np.int64)


def ratio(gate: Gate, pairs: Pairs, index: int) -> float:
    """Give the expected gain by token of a question: the price up to which it is thought about."""
    free, dear = (replace(gate, price=price).worth(pairs.seen[index]) for price in (0.0, 1.0))
    return free / (free - dear)


def _price(worth: Floats, tokens: Floats, share: float) -> float:
    """Give the price at which the questions that are worth more have that share of the tokens; never below 0."""
    order = np.argsort(-worth)
    spent = np.cumsum(tokens[order]) / tokens.sum()
    last = int(np.searchsorted(spent, share, side="right"))
    return max(0.0, float(worth[order[min(last, len(order) - 1)]]))


def _regressed(pairs: Pairs, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Gate:
    """Fit the three regressions to some questions; features that never differ there are left out."""
    indices = np.flatnonzero(kept)
    names = list(pairs.seen[0])
    table = np.array([[pairs.seen[i][name] for name in names] for i in indices], np.float64)
    known = np.asarray(~np.isnan(table).all(axis=0))
    names, table = [name for name, told in zip(names, known.tolist(), strict=True) if told], table[:, known]
    mean, scale = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
    differs = scale > 1e-9
    names = [name for name, told in zip(names, differs.tolist(), strict=True) if told]
    mean, scale = mean[differs], scale[differs]
    z = np.nan_to_num((table[:, differs] - mean) / scale)
    x = np.hstack([z, np.ones((len(z), 1))])
    gain = pairs.gain[indices]
    mend, spoil = _logistic(x, gain > 0), _logistic(x, gain < 0)
    tokens = np.linalg.solve(x.T @ x + _penalty(x.shape[1]), x.T @ pairs.tokens[indices])
    columns = [tuple(map(float, column)) for column in (mean, scale, mend[:-1], spoil[:-1], tokens[:-1])]
    weights = {name: Weight(*row) for name, row in zip(names, zip(*columns, strict=True), strict=True)}
    return Gate(weights, Weight(0.0, 1.0, float(mend[-1]), float(spoil[-1]), float(tokens[-1])), 0.0)


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

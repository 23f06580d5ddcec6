"""Which samples reinforcement learning gets (paper, section 4.3): what the learner can learn, and what it can do.

Learnable is what the learner gets wrong (IoU < 0.5) and the reference gets right (IoU >= 0.5); as many that the
learner gets right are drawn beside it. Uniformly, as in the paper, or by the released code's shares per IoU. An
absent object has no IoU (these are ours, not the paper's): recognised counts as 1, missed as 0, so a missed one that
the reference recognises is learnable, and recognised ones take their share of the draw. Where nearly all that is hard
is there to be found, a model unlearns to say that something is not, so all absent ones may be kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from egm_core.reward import THRESHOLD

Easy = Literal["uniform", "buckets"]
# Where a bucket begins, and its share of the easy samples (released code, data_preprocess/grounding.py).
BUCKETS = ((0.5, 0.15), (0.6, 0.20), (0.7, 0.20), (0.8, 0.20), (0.9, 0.25))


@dataclass(frozen=True)
class Bucket:
    """How many easy samples of an IoU of at least `low` were wanted, there, and taken."""

    low: float
    wanted: int
    there: int
    taken: int


@dataclass(frozen=True)
class Selection:
    """The rows that were chosen, as sorted indices; the counts say what there was to choose from.

    `besides` are the absent ones that were kept over and above. `unsolved` counts what neither learner nor reference
    gets right, `solved` what the learner does.
    """

    learnable: NDArray[np.int64]
    easy: NDArray[np.int64]
    besides: NDArray[np.int64]
    unsolved: int
    solved: int
    buckets: list[Bucket] = field(default_factory=list)


def choose(
    learner: NDArray[np.float64],
    reference: NDArray[np.float64],
    absent: NDArray[np.bool_],
    rng: np.random.Generator,
    easy: Easy = "uniform",
    all_absent: bool = False,
) -> Selection:
    """Choose among N questions; all arrays are (N,), IoUs or, where `absent`, 1 and 0.

    `all_absent` keeps every question about an absent object that was not chosen otherwise.

    What the reference is worth matters only where the learner fails. Where too few are easy, all of them are
    taken; a bucket that is too small is not made up for by another, as in the released code.
    """
    chosen = _choose(learner, reference, absent, rng, easy)
    if not all_absent:
        return chosen
    taken = np.concatenate([chosen.learnable, chosen.easy])
    return replace(chosen, besides=np.setdiff1d(np.flatnonzero(absent), taken))


def _choose(
    learner: NDArray[np.float64],
    reference: NDArray[np.float64],
    absent: NDArray[np.bool_],
    rng: np.random.Generator,
    easy: Easy,
) -> Selection:
    fails = learner < THRESHOLD
    nothing = np.array([], np.int64)
    learnable = np.flatnonzero(fails & (reference >= THRESHOLD))
    pool = np.flatnonzero(~fails)
    counts = int(fails.sum()) - len(learnable), len(pool)
    if easy == "uniform":
        return Selection(learnable, _draw(rng, pool, len(learnable)), nothing, *counts)
    missing, boxes = pool[absent[pool]], pool[~absent[pool]]
    share = round(len(learnable) * len(missing) / max(len(pool), 1))
    taken = [_draw(rng, missing, share)]
    buckets = []
    wanted = _shares(len(learnable) - share)
    for i, (low, _) in enumerate(BUCKETS):
        high = BUCKETS[i + 1][0] if i + 1 < len(BUCKETS) else np.inf
        inside = boxes[(learner[boxes] >= low) & (learner[boxes] < high)]
        taken.append(_draw(rng, inside, wanted[i]))
        buckets.append(Bucket(low, wanted[i], len(inside), len(taken[-1])))
    return Selection(learnable, np.sort(np.concatenate(taken)), nothing, *counts, buckets)


def _draw(rng: np.random.Generator, pool: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.sort(rng.choice(pool, min(count, len(pool)), replace=False))


def _shares(count: int) -> list[int]:
    """Share a number out among the buckets; the last one gets what rounding leaves."""
    shares = [round(count * share) for _, share in BUCKETS[:-1]]
    return [*shares, max(0, count - sum(shares))]

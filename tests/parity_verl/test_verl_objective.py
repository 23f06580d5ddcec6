"""verl's loss against the paper's formula, written down once more in NumPy, on masked and ragged batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("verl.trainer", reason="verl is not installed here: run make test-verl")

import torch
from numpy.typing import NDArray
from verl.trainer.ppo.core_algos import agg_loss, compute_grpo_outcome_advantage, get_policy_loss_fn, kl_penalty
from verl.workers.config import FSDPActorConfig

from egm_core.train.rl.verl.settings import LOSSES, NO_DUAL_CLIP

Floats = NDArray[np.float64]
GROUP, PROMPTS, LENGTH = 4, 3, 11
CLIP, KL, ENTROPY = 0.2, 0.005, 0.01
OURS, TRL_EPSILON, VERL_EPSILON = 0.0, 1e-4, 1e-6


class Batch:
    """Made-up log-probabilities of answers of different lengths; some ratios are far outside the clip range."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = GROUP * PROMPTS
        self.lengths = rng.integers(1, LENGTH + 1, rows)
        self.mask = (np.arange(LENGTH) < self.lengths[:, None]).astype(np.float64)
        self.mask[0, 0] = 0.0
        self.old = -rng.exponential(1.5, (rows, LENGTH))
        self.new = self.old + rng.normal(0, 0.6, (rows, LENGTH))
        self.reference = self.old + rng.normal(0, 0.5, (rows, LENGTH))
        self.entropy = rng.exponential(1.0, (rows, LENGTH))
        self.rewards = rng.choice([0.0, 0.1, 0.7, 1.0], rows)
        self.rewards[:GROUP] = 0.5
        self.index = np.repeat(np.arange(PROMPTS), GROUP)


def reference_advantages(batch: Batch, epsilon: float) -> Floats:
    groups = batch.rewards.reshape(PROMPTS, GROUP)
    return ((groups - groups.mean(1, keepdims=True)) / (groups.std(1, ddof=1, keepdims=True) + epsilon)).reshape(-1)


def reference_loss(batch: Batch, new: Floats, advantages: Floats) -> float:
    """Equations 3 to 7 of the paper: token mean of clipped gain, minus k3 KL, plus entropy; negated."""
    ratio = np.exp(new - batch.old)
    gain = np.minimum(ratio * advantages[:, None], np.clip(ratio, 1 - CLIP, 1 + CLIP) * advantages[:, None])
    away = batch.reference - new
    divergence = np.exp(away) - away - 1
    each = -(gain - KL * divergence + ENTROPY * batch.entropy)
    return float((each * batch.mask).sum() / batch.mask.sum())


def verl_advantages(batch: Batch) -> torch.Tensor:
    mask = torch.tensor(batch.mask)
    rewards = torch.zeros_like(mask)
    rewards[torch.arange(len(mask)), torch.tensor(batch.lengths) - 1] = torch.tensor(batch.rewards)
    return compute_grpo_outcome_advantage(rewards, mask, batch.index)[0]


def verl_loss(batch: Batch, new: torch.Tensor, advantages: torch.Tensor, **changes: Any) -> torch.Tensor:
    """Put verl's parts together as its actor does (workers/utils/losses.py, ppo_loss)."""
    tensor = {name: torch.tensor(getattr(batch, name)) for name in ("old", "reference", "entropy", "mask")}
    settings = {"clip_ratio": CLIP, "clip_ratio_low": CLIP, "clip_ratio_high": CLIP, "clip_ratio_c": NO_DUAL_CLIP}
    config = FSDPActorConfig(**{**settings, "rollout_n": GROUP, "ppo_micro_batch_size_per_gpu": 1, **changes})
    loss, _ = get_policy_loss_fn("vanilla")(
        old_log_prob=tensor["old"],
        log_prob=new,
        advantages=advantages,
        response_mask=tensor["mask"],
        loss_agg_mode="token-mean",
        config=config,
    )
    entropy = agg_loss(tensor["entropy"], tensor["mask"], "token-mean")
    divergence = agg_loss(kl_penalty(new, tensor["reference"], "low_var_kl"), tensor["mask"], "token-mean")
    return loss - ENTROPY * entropy + KL * divergence


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_are_the_papers(seed: int) -> None:
    batch = Batch(seed)
    advantages = reference_advantages(batch, VERL_EPSILON)
    new = torch.tensor(batch.new, requires_grad=True)
    loss = verl_loss(batch, new, torch.tensor(advantages)[:, None].expand(-1, LENGTH))
    loss.backward()
    gradient, step = np.zeros_like(batch.new), 1e-6
    for place in np.ndindex(*batch.new.shape):
        moved = np.zeros_like(batch.new)
        moved[place] = step
        gradient[place] = (
            reference_loss(batch, batch.new + moved, advantages) - reference_loss(batch, batch.new - moved, advantages)
        ) / (2 * step)
    assert new.grad is not None
    difference = abs(float(loss) - reference_loss(batch, batch.new, advantages))
    off = float(np.abs(new.grad.numpy() - gradient).max())
    print(f"seed {seed}: loss {float(loss):+.6f}, difference {difference:.1e}; largest gradient difference {off:.1e}")
    assert difference < 1e-9 and off < 1e-8
    assert np.abs(gradient).max() > 1e-3, "nothing to compare"


def test_advantages_differ_by_their_epsilon_only() -> None:
    for seed in range(5):
        batch = Batch(seed)
        given = verl_advantages(batch)
        mask = batch.mask.astype(bool)
        expected = np.broadcast_to(reference_advantages(batch, VERL_EPSILON)[:, None], mask.shape)
        assert np.abs(given.numpy() - expected)[mask].max() < 1e-6
        assert np.abs(given.numpy()[~mask]).max() == 0
    batch = Batch(0)
    exact = reference_advantages(Batch(0), 1e-15)
    varied = slice(GROUP, None)
    off = {
        name: float(np.abs(reference_advantages(batch, epsilon) - exact)[varied].max())
        for name, epsilon in (("verl, 1e-6", VERL_EPSILON), ("TRL, 1e-4", TRL_EPSILON))
    }
    groups = batch.rewards.reshape(PROMPTS, GROUP)[1:]
    print(f"advantage against epsilon 0, group deviations {groups.std(1, ddof=1).round(3)}: {off}")
    assert off["verl, 1e-6"] < 1e-5 < off["TRL, 1e-4"] < 1e-3
    assert np.abs(verl_advantages(batch).numpy()[:GROUP]).max() == 0, "a group of equal rewards teaches nothing"


def test_dual_clip_is_off_and_would_matter() -> None:
    """verl's second clip, on by default, changes the loss where a ratio beyond 3 meets a negative advantage."""
    batch = Batch(1)
    batch.new[-1] = batch.old[-1] + 2.0
    advantages = np.full(GROUP * PROMPTS, -1.0)
    spread = torch.tensor(advantages)[:, None].expand(-1, LENGTH)
    expected = reference_loss(batch, batch.new, advantages)
    assert abs(float(verl_loss(batch, torch.tensor(batch.new), spread)) - expected) < 1e-9
    assert abs(float(verl_loss(batch, torch.tensor(batch.new), spread, clip_ratio_c=3.0)) - expected) > 1e-2


def test_gspo_averages_sequences_first() -> None:
    """The released scripts' variant at a ratio of 1: the mean over answers of their token means."""
    batch = Batch(2)
    advantages = reference_advantages(batch, VERL_EPSILON)
    old, mask = torch.tensor(batch.old), torch.tensor(batch.mask)
    config = FSDPActorConfig(clip_ratio=CLIP, rollout_n=GROUP, ppo_micro_batch_size_per_gpu=1)
    spread = torch.tensor(advantages)[:, None].expand(-1, LENGTH)
    losses = {
        mean: float(get_policy_loss_fn("gspo")(old, old, spread, mask, loss_agg_mode=mean, config=config)[0])
        for mean in (LOSSES["gspo"][1], LOSSES["grpo"][1])
    }
    whole = batch.mask.sum(1) > 0
    token_mean = -float((advantages[:, None] * batch.mask).sum() / batch.mask.sum())
    sequence_mean = -float(advantages[whole].mean())
    print(f"gspo {losses}, mean of answers {sequence_mean:+.6f}, mean of tokens {token_mean:+.6f}")
    assert losses["seq-mean-token-mean"] == pytest.approx(sequence_mean, abs=1e-6)
    assert losses["token-mean"] == pytest.approx(token_mean, abs=1e-6)
    assert abs(sequence_mean - token_mean) > 1e-3

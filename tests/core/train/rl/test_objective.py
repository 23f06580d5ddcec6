"""What TRL minimises under our configuration is the paper's objective: held against a NumPy reference in float64.

Reference (paper, Eq. 3 to 7), over the tokens t of all answers i of an update:

    loss = sum_it [ -min(r A, clip(r, 1 - 0.2, 1 + 0.2) A) + beta KL ] / sum_i |o_i|  -  gamma sum_it H / sum_i |o_i|

with r the token's probability ratio to the policy that drew it, KL = q/p - log(q/p) - 1 (k3; p the policy, q the
reference), H the entropy of the next token's distribution. Loss and gradient (central differences) agree to 1e-6 on
given advantages with one micro-batch. Where the engines are known to differ, the difference is measured here:

- the entropy is averaged in each micro-batch, then over them (verl: over all tokens); policy and KL are not;
- the advantage is (r - mean) / (std + 1e-4), in the paper's engine, verl, + 1e-6; std is that of a sample (n - 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from prepared_run import built

from egm_core.sample import Sample, write_samples
from egm_core.train.rl.config import RLConfig

ROWS, LENGTH, WORDS = 4, 6, 7
TEMPERATURE, BETA, GAMMA, CLIP = 0.7, 0.05, 0.01, 0.2
Array = NDArray[np.float64]


def reference_parts(logits: Array, case: dict[str, Any]) -> tuple[Array, Array]:
    """Give each token's policy and KL loss, and its entropy, (B, T)."""
    scaled = logits / TEMPERATURE
    logs = scaled - scaled.max(-1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, case["ids"][..., None], -1)[..., 0]
    ratio = np.exp(chosen - case["old"])
    gain = case["advantages"][:, None]
    policy = -np.minimum(ratio * gain, np.clip(ratio, 1 - CLIP, 1 + CLIP) * gain)
    ahead = case["reference"] - chosen
    return policy + BETA * (np.exp(ahead) - ahead - 1), -(np.exp(logs) * logs).sum(-1)


def reference_loss(logits: Array, case: dict[str, Any]) -> float:
    per_token, entropy = reference_parts(logits, case)
    mask = case["mask"]
    return float(((per_token - GAMMA * entropy) * mask).sum() / mask.sum())


def reference_gradient(logits: Array, case: dict[str, Any], step: float = 1e-6) -> Array:
    gradient = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        moved = logits.copy()
        moved[place] += step
        above = reference_loss(moved, case)
        moved[place] -= 2 * step
        gradient[place] = (above - reference_loss(moved, case)) / (2 * step)
    return gradient


def make_case(seed: int, on_policy: bool) -> tuple[Array, dict[str, Any]]:
    """Draw logits and a ragged batch; off policy, some ratios are beyond the clip on either side."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(ROWS, LENGTH, WORDS))
    ids = rng.integers(0, WORDS, (ROWS, LENGTH))
    mask = np.arange(LENGTH) < np.array([6, 1, 4, 3])[:, None]
    scaled = logits / TEMPERATURE
    logs = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, ids[..., None], -1)[..., 0]
    old = chosen if on_policy else chosen + rng.choice([-0.6, -0.1, 0.1, 0.6], chosen.shape)
    case = {
        "ids": ids,
        "mask": mask.astype(np.float64),
        "advantages": np.array([1.2, -0.4, 0.0, -1.5]),
        "old": old,
        "reference": chosen + rng.normal(size=chosen.shape) * 0.5,
    }
    return logits, case


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory, random_qwen: Path) -> Any:
    folder = tmp_path_factory.mktemp("objective")
    cv2.imwrite(str(folder / "a.png"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    box = (3.2, 3.2, 60.8, 60.8)
    write_samples(folder / "data.jsonl", [Sample(str(folder / "a.png"), "the red mug", box, box, 1.0, 64, 64)])
    config = RLConfig(
        model=str(random_qwen), data=[str(folder / "data.jsonl")], output=str(folder / "run"), tasks=["visible"],
        prompts=1, generations=4, micro_batch=4, max_tokens=6, kl=BETA, entropy=GAMMA, temperature=TEMPERATURE,
        ratio_clip=CLIP, report_to=[],
    )  # fmt: skip
    (folder / "run").mkdir()
    trainer = built(config, folder / "run")
    trainer.model.train()
    # The cases' reference is another model than their policy, as after some updates.
    trainer.state.global_step = 1
    return trainer


def loss_of(trainer: Any, logits: torch.Tensor, case: dict[str, Any], on_policy: bool, rows: slice, parts: int) -> Any:
    """Run TRL's own loss on rows of a case, as one of `parts` micro-batches of an update."""

    def from_logits(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor, None]:
        logs = (logits[rows] / TEMPERATURE).log_softmax(-1)
        ids = torch.from_numpy(case["ids"])[rows]
        return logs.gather(-1, ids[..., None])[..., 0], -(logs.exp() * logs).sum(-1), None

    trainer._get_per_token_logps_and_entropies = from_logits
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = parts
    mask = torch.from_numpy(case["mask"])
    inputs = {
        "prompt_ids": torch.zeros(ROWS, 2, dtype=torch.long)[rows],
        "prompt_mask": torch.ones(ROWS, 2, dtype=torch.long)[rows],
        "completion_ids": torch.from_numpy(case["ids"])[rows],
        "completion_mask": mask.long()[rows],
        "advantages": torch.from_numpy(case["advantages"])[rows],
        "ref_per_token_logps": torch.from_numpy(case["reference"])[rows],
        "num_items_in_batch": mask.sum(),
    }
    if not on_policy:
        inputs["old_per_token_logps"] = torch.from_numpy(case["old"])[rows]
    try:
        return trainer.compute_loss(trainer.model, inputs)
    finally:
        del trainer._get_per_token_logps_and_entropies


@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_are_the_papers(trainer: Any, on_policy: bool, seed: int) -> None:
    values, case = make_case(seed, on_policy)
    logits = torch.from_numpy(values).requires_grad_()
    loss = loss_of(trainer, logits, case, on_policy, slice(None), 1)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(reference_loss(values, case), abs=1e-6)
    np.testing.assert_allclose(logits.grad.numpy(), reference_gradient(values, case), atol=1e-6)
    if not on_policy:
        ratio = np.exp(reference_ratio(values, case))[case["mask"] > 0]
        assert (ratio < 1 - CLIP).any() and (ratio > 1 + CLIP).any(), "the case must reach the clip on both sides"


def reference_ratio(logits: Array, case: dict[str, Any]) -> Array:
    scaled = logits / TEMPERATURE
    logs = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    return np.take_along_axis(logs, case["ids"][..., None], -1)[..., 0] - case["old"]


def test_micro_batches_change_the_entropy_term_alone(trainer: Any) -> None:
    values, case = make_case(0, False)
    logits = torch.from_numpy(values)
    parts = [loss_of(trainer, logits, case, False, slice(i, i + 1), ROWS) for i in range(ROWS)]
    total = float(sum(parts))
    _, entropy = reference_parts(values, case)
    mask = case["mask"]
    by_token = (entropy * mask).sum() / mask.sum()
    by_batch = ((entropy * mask).sum(1) / mask.sum(1)).mean()
    assert total == pytest.approx(reference_loss(values, case) - GAMMA * (by_batch - by_token), abs=1e-9)
    # A hundredth of the entropies' difference: far below the policy's part, and gone where batches are alike.
    assert 0 < abs(GAMMA * (by_batch - by_token)) < 2e-3


def test_advantages_are_normalised_in_their_group(trainer: Any) -> None:
    rewards = [1.0, 0.0, 0.0, 0.5]
    kept = trainer.reward_funcs
    row = trainer.train_dataset[0]
    try:
        for given in (rewards, [0.25] * 4):
            trainer.reward_funcs = [lambda prompts, given=given, **_: given]
            advantages = trainer._generate_and_score_completions([row] * 4)["advantages"].numpy()
            centred = np.array(given) - np.mean(given)
            spread = np.std(given, ddof=1)
            np.testing.assert_allclose(advantages, centred / (spread + 1e-4), rtol=1e-5, atol=1e-7)
            # verl adds 1e-6: the advantages differ by 1e-4 / std, here two in ten thousand.
            np.testing.assert_allclose(advantages, centred / (spread + 1e-6), rtol=3e-4, atol=1e-7)
    finally:
        trainer.reward_funcs = kept

"""A reader without the picture: it can place an object better than by chance only if the words give its place away."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, iou
from egm_core.curate.pictures import asked
from egm_core.curate.prompts import Malformed, Placement, load, parsed
from egm_core.curate.reason.again import Ask
from egm_core.engines.base import Sampling
from egm_core.engines.http.sse import excerpt
from egm_core.families import Task
from egm_core.sample import Sample

PERMUTATIONS = 2000
_log = logging.getLogger("egm.curate")
# A guess from words alone that is this good is looked at by people.
SUSPICIOUS = 0.75


@dataclass(frozen=True)
class Guess:
    """What a reader guessed of one object: from the expression alone, and with the trace."""

    sample: Sample
    truth: Box
    from_expression: Box
    from_trace: Box


def guesses(samples: Sequence[Sample], task: Task, model: str, sampling: Sampling, ask: Ask) -> list[Guess]:
    """Ask a reader where each object is, without and with its trace; answers that are no boxes are left out."""
    prompt = load("place")
    keys: list[tuple[Sample, Box, list[str]]] = []
    jobs = {}
    for sample in samples:
        trace = sample.reasoning if task == "visible" else sample.amodal_reasoning
        truth = sample.truth(task)
        if not trace or truth is None:
            continue
        mine = []
        for told in ("", trace):
            text = prompt.render(expression=sample.sent, trace=told, width=sample.width, height=sample.height)
            job = asked(prompt, text, [], sampling, model)
            jobs[job.key] = job
            mine.append(job.key)
        keys.append((sample, truth, mine))
    came = {job.key: answer.text for job, answer in ask(jobs.values()) if not answer.error}
    unread = [text for text in came.values() if not _said(text)]
    if unread:
        _log.warning(
            "%d of %d answers are no box as it was asked for, and their samples are left out, such as: %s",
            len(unread), len(jobs), excerpt(unread[0]),
        )  # fmt: skip
    found = []
    for sample, truth, (plain, told) in keys:
        alone, read = placed(came.get(plain, ""), sample), placed(came.get(told, ""), sample)
        if alone and read:
            found.append(Guess(sample, truth, alone, read))
    return found


def placed(text: str, sample: Sample) -> Box | None:
    """Read a guess in pixels; None where it is no box."""
    said = _said(text)
    if said is None:
        return None
    across, down = sample.width / 1000, sample.height / 1000
    return said.left * across, said.top * down, said.right * across, said.bottom * down


def _said(text: str) -> Placement | None:
    try:
        said = parsed(text, Placement)
    except Malformed:
        return None
    assert isinstance(said, Placement)
    return said if said.left < said.right and said.top < said.bottom else None


def summary(found: Sequence[Guess], seed: int = 0) -> dict[str, Any]:
    """Hold the guesses against the truth, and against the truths of other samples, which is what chance gives.

    `p` is the share of random pairings that fit at least as well as the true one.
    """
    truths = _shares(found, [guess.truth for guess in found])
    told = {
        "expression": _shares(found, [guess.from_expression for guess in found]),
        "with_trace": _shares(found, [guess.from_trace for guess in found]),
    }
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(found)) for _ in range(PERMUTATIONS if len(found) > 1 else 0)]
    result: dict[str, Any] = {"samples": len(found)}
    for name, boxes in told.items():
        fits = _fits(boxes, truths)
        chance = np.array([_fits(boxes, truths[order]).mean() for order in orders])
        result[name] = {
            "mean_iou": float(fits.mean()) if len(fits) else None,
            "hits": int((fits >= 0.5).sum()),
            "chance": float(chance.mean()) if len(chance) else None,
            "p": float((1 + (chance >= fits.mean()).sum()) / (1 + len(chance))) if len(chance) else None,
        }
    fits = _fits(told["with_trace"], truths)
    result["suspicious"] = [guess.sample.sent for guess, fit in zip(found, fits, strict=True) if fit >= SUSPICIOUS]
    return result


def table(found: dict[str, Any]) -> str:
    """Write the figures for a terminal."""
    lines = [f"{'read from':12} {'mean IoU':>9} {'chance':>8} {'hits':>6} {'p':>8}   of {found['samples']} samples"]
    for name in ("expression", "with_trace"):
        row = found[name]
        figures = ["-" if row[key] is None else f"{row[key]:.3f}" for key in ("mean_iou", "chance")]
        p = "-" if row["p"] is None else f"{row['p']:.4f}"
        lines.append(f"{name.replace('_', ' '):12} {figures[0]:>9} {figures[1]:>8} {row['hits']:>6} {p:>8}")
    return "\n".join(lines)


def _shares(found: Sequence[Guess], boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Give boxes as shares of their pictures, so that boxes of pictures of any size can be compared."""
    sizes = np.array([[g.sample.width, g.sample.height] * 2 for g in found], np.float64).reshape(-1, 4)
    shares: NDArray[np.float64] = np.array(boxes, np.float64).reshape(-1, 4) / sizes
    return shares


def _fits(boxes: NDArray[np.float64], truths: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(iou(boxes, truths), np.float64)

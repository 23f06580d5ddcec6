"""The reward of an answer (paper, Eq. 8): half for a box that fits, half for how well it fits.

`r = w * [IoU >= 0.5] + (1 - w) * IoU`, w = 0.5 in the paper, with the box as the released code reads it, and 0
where it reads none. The paper has no absent objects; of ours, the right `[]` earns 1 and any box 0, and a `[]` for
an object that is there earns 0. A price may be taken off for each token of reasoning, which the paper has not. One
pure function over a batch, and the two signatures that trainers call it by.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import FRAME, Box, area, as_boxes, clip, iou
from egm_core.families import Family, family
from egm_core.families.paper import official_pixels
from egm_core.thought_price import answer_text, priced, reasoned, spelt

THRESHOLD = 0.5
SUCCESS_WEIGHT = 0.5
ABSENT_WORDS = ("", "null", "none", "absent", "[]")
NOWHERE: Box = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Scores:
    """What a batch of N answers earned; every field is an array (N,).

    `iou` is 0 where answer or truth is no box; `correct` means an IoU of at least 0.5, or absence recognised;
    `absent` marks the answers that say so, `malformed` those that say neither that nor a box in the picture.
    """

    reward: NDArray[np.float64]
    iou: NDArray[np.float64]
    correct: NDArray[np.bool_]
    absent: NDArray[np.bool_]
    malformed: NDArray[np.bool_]


def score(
    answers: Sequence[Any],
    truths: Sequence[Sequence[float] | None],
    speaker: Family,
    success_weight: float = SUCCESS_WEIGHT,
    sizes: Sequence[tuple[int, int]] | None = None,
) -> Scores:
    """Score N raw answers against N true boxes; None is the truth of an absent object.

    Truths are in the family's frame, 0 to 1000. With `sizes`, the pictures' (width, height), answer and truth
    become rounded pixels cut to width - 1 and height - 1 first, as in the released code; without, boxes are
    compared as they are written, cut to the picture. Any answer is taken, even one that is no text; ValueError
    for lists of different lengths, for a truth that is no box, and for a weight outside 0..1.
    """
    if not 0 <= success_weight <= 1:
        raise ValueError(f"success_weight is {success_weight}; give a share from 0 to 1")
    if len(answers) != len(truths) or (sizes is not None and len(sizes) != len(truths)):
        raise ValueError(f"{len(answers)} answers and {len(truths)} truths; give one truth (and size) an answer")
    read = [_read(answer, speaker) for answer in answers]
    says_absent = np.array([answer == "absent" for answer in read], bool)
    is_absent = np.array([truth is None for truth in truths], bool)
    said = as_boxes([NOWHERE if isinstance(answer, str) else answer for answer in read])
    true = as_boxes([NOWHERE if truth is None else tuple(truth) for truth in truths])
    said, true = (clip(said, FRAME, FRAME), true) if sizes is None else (_pixels(said, sizes), _pixels(true, sizes))
    found = np.array([not isinstance(answer, str) for answer in read], bool) & (area(said) > 0)
    fit = np.where(found & ~is_absent, iou(said, true), 0.0)
    hit = fit >= THRESHOLD
    recognised = is_absent & says_absent
    earned = np.where(is_absent, recognised.astype(np.float64), success_weight * hit + (1 - success_weight) * fit)
    return Scores(earned, fit, hit | recognised, says_absent, ~says_absent & ~found)


def _read(answer: Any, speaker: Family) -> Box | Literal["absent", "malformed"]:
    """Give the box of an answer, or what it says instead.

    Absence is what the strict parser calls so, for the paper's rules know none: they would take the last four
    numbers of the reasoning. They also take the last brackets of the text, and so those of an expression that holds
    some ("the mug [3]") before the box that training teaches; an answer in the format with one box is that box.
    """
    text = answer_text(answer)
    strict = speaker.parse(text)
    if strict.kind == "absent":
        return "absent"
    if strict.box is not None and strict.boxes_seen == 1:
        return strict.box
    return speaker.parse(text, "paper").box or "malformed"


def _pixels(boxes: NDArray[np.float64], sizes: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
    pairs = zip(boxes.tolist(), sizes, strict=True)
    return as_boxes([official_pixels(box, int(width), int(height)) for box, (width, height) in pairs])


def trl_reward(
    speaker: Family,
    success_weight: float = SUCCESS_WEIGHT,
    pixels: bool = False,
    token_price: float = 0.0,
    spell: Callable[[int], str] | None = None,
) -> Callable[..., list[float]]:
    """Make a reward function as TRL's trainers call it, for answers of one family.

    The data set's columns are `truth`, a box in the family's frame or None; with `pixels`, `width` and `height`
    as the released code needs them; and optionally `task`, `file`, and `direct` for what was asked without thinking.
    Accuracy, IoU, and the shares of absent, malformed and strictly read answers go to TRL's `log_metric`, what each
    answer says to its `log_extra`. `spell` gives a token's text: with it, tokens of reasoning and the share of answers
    that have any are logged, each way apart where there are two. ValueError for a `token_price` without it.
    """
    priced([], [], token_price)
    if token_price and spell is None:
        raise ValueError("a token_price needs spell, which tells the tokens of reasoning from the others")

    def grounding(prompts: Any, completions: Sequence[Any], completion_ids: Any, **columns: Any) -> list[float]:
        sizes = list(zip(columns["width"], columns["height"], strict=True)) if pixels else None
        truths = columns["truth"]
        scores = score(completions, truths, speaker, success_weight, sizes)
        strict = [_strictly(speaker, completion) for completion in completions]
        ways = columns.get("direct") or [False] * len(truths)
        thoughts = [0] * len(truths)
        if spell is not None:
            each = zip(completions, completion_ids, ways, strict=True)
            thoughts = [reasoned(speaker, text, map(spell, ids), way) for text, ids, way in each]
        keep = columns.get("log_extra")
        if keep is not None:
            keep("strict", strict)
            keep("iou", [float(value) for value in scores.iou])
            for name in ("task", "truth", "file", "direct"):
                if name in columns:
                    keep(name, list(columns[name]))
        log = columns.get("log_metric")
        if log is not None:
            shares = {"accuracy": scores.correct, "absent": scores.absent, "malformed": scores.malformed}
            shares["strict"] = np.array([kind in ("box", "absent") for kind in strict])
            for name, values in shares.items():
                for value in values:
                    log(name, float(value))
            for task, truth, value, correct in zip(
                columns.get("task", ["all"] * len(truths)), truths, scores.iou, scores.correct, strict=True
            ):
                log(f"accuracy/{'absent' if truth is None else task}", float(correct))
                if truth is not None:
                    log("iou", float(value))
            if spell is not None:
                _log_thoughts(log, thoughts, scores.correct, columns.get("direct"))
        return priced(scores.reward.tolist(), thoughts, token_price)

    return grounding


def _log_thoughts(
    log: Callable[[str, float], None],
    thoughts: Sequence[int],
    correct: NDArray[np.bool_],
    ways: Sequence[bool] | None,
) -> None:
    for i, count in enumerate(thoughts):
        log("reasoning_tokens", float(count))
        log("thought", float(count > 0))
        if ways is not None:
            way = "direct" if ways[i] else "thinking"
            log(f"reasoning_tokens/{way}", float(count))
            log(f"thought/{way}", float(count > 0))
            log(f"accuracy/{way}", float(correct[i]))


def _strictly(speaker: Family, completion: Any) -> str:
    """Say how the strict parser reads an answer: box, absent, or the reason why neither."""
    answer = speaker.parse(answer_text(completion))
    return answer.reason if answer.kind == "invalid" else answer.kind


def compute_score(
    data_source: str, solution_str: Any, ground_truth: Any, extra_info: Mapping[str, Any] | None = None, **_: Any
) -> float:
    """Give the reward as verl calls it, for one answer.

    `ground_truth` is four numbers in 0..1000 or nothing for an absent object, as a list or as JSON ("[1, 2, 3, 4]",
    "null", "absent"). `extra_info` may name the `family` (default qwen3_vl) and the `success_weight`. Where it has
    `width` and `height`, boxes are rounded to pixels as in the released code, unless `official_pixels` is false;
    and where its `split` is "test", the answer's accuracy is given instead, as there. With a `token_price`, the tokens
    of reasoning are counted by the tokenizer of the model folder `tokenizer`.
    """
    known = extra_info or {}
    truth = _truth(ground_truth)
    sizes = None
    if known.get("width") and known.get("height") and known.get("official_pixels", True):
        sizes = [(int(known["width"]), int(known["height"]))]
    speaker = family(known.get("family") or "qwen3_vl")
    weight = float(known.get("success_weight", SUCCESS_WEIGHT))
    scores = score([solution_str], [truth], speaker, weight, sizes)
    if known.get("split") == "test":
        return float(scores.correct[0])
    price, thoughts = float(known.get("token_price") or 0), 0
    if price:
        if not known.get("tokenizer"):
            raise ValueError("extra_info has a token_price and no tokenizer; name the model folder that has it")
        tokens = spelt(Path(known["tokenizer"]), answer_text(solution_str))
        thoughts = reasoned(speaker, solution_str, tokens)
    return priced([float(scores.reward[0])], [thoughts], price)[0]


def _truth(written: Any) -> Box | None:
    value = written
    if isinstance(value, str):
        if value.strip().lower() in ABSENT_WORDS:
            return None
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"the ground truth {written!r} is neither four numbers nor 'absent'") from error
    if value is None or len(value) == 0:
        return None
    if len(value) != 4:
        raise ValueError(f"the ground truth {written!r} is neither four numbers nor 'absent'")
    x0, y0, x1, y1 = (float(v) for v in value)
    return x0, y0, x1, y1

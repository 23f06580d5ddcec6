"""The questions that vLLM is asked in both ways, by HTTP and in process: of every kind that we ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from egm_core.engines import Request, Sampling
from egm_core.families import family

FOUND, ABSENT = "the red mug", "the green dragon"


def pictures() -> list[NDArray[np.uint8]]:
    """Pictures whose sides the image processors leave as they are, so that both see the same pixels."""
    rng = np.random.default_rng(11)
    shapes = [(96, 128), (128, 128), (64, 96)]
    return [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]


def questions() -> list[Request]:
    """Give questions with and without thinking, grammar, scores and chance, each with an id of its own."""
    speaker = family("qwen3_vl")
    greedy = Sampling(max_tokens=48)
    plain = [speaker.prompt(FOUND, "visible"), speaker.prompt(FOUND, "amodal"), speaker.prompt(ABSENT, "visible")]
    made: list[Request] = []
    for picture in pictures():
        shut = {"template": {"enable_thinking": False}, "reasoning": False}
        made += [Request("", picture, prompt, greedy) for prompt in [*plain, "red green blue"]]
        made += [Request("", picture, plain[0], greedy, regex=speaker.regex(False, "shut"), **shut)]
        made += [Request("", picture, plain[0], greedy, logprobs=False, **shut)]
        made += [Request("", picture, "x", greedy, regex="(yes|no), [0-9]{2}!")]
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        made += [Request("", picture, "x", greedy, json_schema=schema)]
        drawn = Sampling(max_tokens=24, temperature=1.5, top_k=0, seed=5)
        made += [Request("", picture, "x", drawn), Request("", picture, "x", replace(drawn, seed=6, top_p=0.9))]
        made += [Request("", picture, "x y", Sampling(max_tokens=24, repetition_penalty=1.5))]
    return [replace(request, id=f"{number}") for number, request in enumerate(made)]

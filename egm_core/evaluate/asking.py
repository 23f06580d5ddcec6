"""Asking a model: scenes are rendered, their queries put to an engine, and the answers scored."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from egm_core.asking.engine import Answerer
from egm_core.engines import Request, Sampling
from egm_core.evaluate.queries import Query, scene_queries
from egm_core.evaluate.scores import Row, score
from egm_core.families import Family, Mode
from egm_core.families.base import Speaker
from egm_core.grounder.scoring import edge_logprobs, opening_logprob, token_score
from egm_core.models.folder import ModelInfo
from egm_core.scenes.generator import Generator
from egm_core.scenes.truth import Scene

SCENES_AT_ONCE = 32
_MAX_TOKENS = 4096
_generator: Generator | None = None


@dataclass(frozen=True)
class Asked:
    """The scored answers of some scenes, their number, and the seconds that answering took (without rendering)."""

    rows: list[Row]
    seconds: float
    scenes: int


@dataclass(frozen=True)
class Manner:
    """How a model is asked, whatever the question: greedily, and by the grammar where it must not think."""

    sampling: Sampling
    regex: str | None
    template: dict[str, Any]
    reasoning: bool

    @classmethod
    def of(cls, info: ModelInfo, reasoning: bool = True, speaker: Family | None = None) -> Manner:
        """Give the manner of a model; without `reasoning` the family's grammar forbids thinking.

        `speaker` is another family than the model's own, such as its makers' wording.
        """
        speaks = speaker or info.speaker
        thinking = info.thinking or speaks.thinking
        regex = None if reasoning else speaks.regex(False, thinking.opening(False))
        sampling = Sampling(max_tokens=info.max_tokens or _MAX_TOKENS)
        return cls(sampling, regex, thinking.arguments(reasoning), reasoning)

    @classmethod
    def of_speaker(cls, speaker: Speaker, max_tokens: int = _MAX_TOKENS) -> Manner:
        """Give the manner of another vendor's model, whose thinking nothing here can forbid."""
        return cls(Sampling(max_tokens=max_tokens, temperature=speaker.temperature), None, {}, True)

    @property
    def fields(self) -> dict[str, Any]:
        """The manner as fields of a request or a job."""
        return {"sampling": self.sampling, "regex": self.regex, "template": self.template, "reasoning": self.reasoning}


def rendered(first_seed: int, count: int, workers: int = 1) -> Iterator[Scene]:
    """Render scenes in the order of their seeds, in this process or in several of their own."""
    seeds = range(first_seed, first_seed + count)
    if workers <= 1:
        generator = Generator()
        try:
            for seed in seeds:
                yield generator.scene(seed)
        finally:
            generator.close()
        return
    with multiprocessing.get_context("spawn").Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        yield from pool.imap(_render, seeds, chunksize=4)


def _render(seed: int) -> Scene:
    """Render one scene in a worker process, without its depth image, which nobody asks for here."""
    global _generator
    if _generator is None:
        _generator = Generator()
    return replace(_generator.scene(seed), depth=None)


def ask(
    scenes: Iterable[Scene],
    info: ModelInfo,
    answer: Answerer,
    queries_per_scene: int = 3,
    reasoning: bool = True,
    mode: Mode = "paper",
    at_once: int = SCENES_AT_ONCE,
) -> Iterator[Asked]:
    """Put the queries of scenes to a model and score its answers, `at_once` scenes at a time.

    Without `reasoning` the family's grammar forbids thinking. Raises EngineError.
    """
    waiting: list[Scene] = []
    for scene in scenes:
        waiting.append(scene)
        if len(waiting) == at_once:
            yield _asked(waiting, info, answer, queries_per_scene, reasoning, mode)
            waiting = []
    if waiting:
        yield _asked(waiting, info, answer, queries_per_scene, reasoning, mode)


def _asked(
    scenes: Sequence[Scene], info: ModelInfo, answer: Answerer, queries_per_scene: int, reasoning: bool, mode: Mode
) -> Asked:
    speaker = info.speaker
    manner = Manner.of(info, reasoning)
    asked: list[Query] = []
    requests: list[Request] = []
    for scene in scenes:
        picture = info.fit(scene.image)
        for query in scene_queries(scene, queries_per_scene):
            name = f"{scene.seed}:{len(requests)}"
            prompt = info.prompt(query.text, query.task)
            requests.append(Request(name, picture, prompt, **manner.fields))
            asked.append(query)
    began = time.perf_counter()
    completions = answer(requests)
    seconds = time.perf_counter() - began
    rows = []
    for query, completion in zip(asked, completions, strict=True):
        tokens = tuple(token.text for token in completion.tokens) or None
        row = score(query, speaker, completion.text, mode, tokens)
        said = speaker.parse(completion.text, sent=query.text)
        probability, known = token_score(completion, said)
        row = replace(row, edges=edge_logprobs(completion, said), opening=opening_logprob(completion, said))
        rows.append(replace(row, score=probability if known else None))
    return Asked(rows, seconds, len(scenes))

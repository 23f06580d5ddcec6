"""Grounding: an instruction and a picture in, a visible and an amodal box out.

The two queries of a picture go to the engine together. What comes back is checked against the model's answer
format, whatever the engine promised, and reduced to one outcome; every repair and every doubt is listed.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box, area, as_box, clip, contains, intersection, to_pixels, union
from egm_core.engines.base import Chunk, Completion, Engine, EngineError, Request, Sampling, Token, collect
from egm_core.families import Answer, Family, Task
from egm_core.families.parts import THINK_CLOSE
from egm_core.families.thinking import Opening, Thinking
from egm_core.grounder.grounding import Grounding as Grounding
from egm_core.grounder.reading import EXPLANATIONS, label_doubt, markup_doubt, read, salvaged_as, set_apart
from egm_core.grounder.score_bound import bounded
from egm_core.models import calibration
from egm_core.models.domain import Domain
from egm_core.models.folder import ModelInfo

Constrain = Literal["auto", "off", "regex"]
OutOfDomain = Literal["warn", "absent"]
Curves = Mapping[Task, calibration.Curve]
LONGEST = 4096
OUT_OF_DOMAIN = "out_of_domain"
NO_WORDS = "the instruction is empty; name an object, such as 'the red mug'"
_T = TypeVar("_T")
THOUGHT_ALL_THE_SAME = (
    "reasoning_not_forbidden: the model thought although reasoning is off, which costs its time; start the server"
    " without a reasoning parser, or set reasoning to true"
)


@dataclass(frozen=True)
class _Reply:
    """One query's answer: parsed, or the error in its place."""

    completion: Completion | None
    answer: Answer | None
    error: EngineError | None = None


class Grounder:
    """Grounds instructions with an engine and what is known about its model.

    `amodal_engine` and `amodal_info` name another model for amodal boxes (default: the same). `tasks` None asks for
    what the models declare; amodal boxes of a model that does not declare them need `force_amodal`, and come with a
    warning. `max_pixels` None takes the model's budget. A found box whose score is available and below `min_score` is
    withheld: "absent", with the reason "low_score". `reasoning=False` forbids to think, for speed. `constrain` "auto"
    sends the answer's grammar where it is sure to be obeyed, "regex" always, "off" never. Scores are calibrated where
    the model's folder has a calibration for its engine, which was measured with reasoning. `out_of_domain` says what
    becomes of an answer about words or a picture unlike those that the model was trained on, where its folder tells
    them: "warn" keeps it, with a raw score, "absent" takes it back, with that reason. `at_once` pictures are asked
    about at a time, and others wait; those whose abort an engine has not ended count. Usable from several threads.
    """

    def __init__(
        self,
        engine: Engine,
        info: ModelInfo,
        amodal_engine: Engine | None = None,
        amodal_info: ModelInfo | None = None,
        tasks: tuple[Task, ...] | None = None,
        force_amodal: bool = False,
        max_pixels: int | None = None,
        min_score: float = 0.0,
        reasoning: bool = True,
        constrain: Constrain = "auto",
        sampling: Sampling | None = None,
        out_of_domain: OutOfDomain = "warn",
        at_once: int = 4,
    ) -> None:
        self._engines: dict[Task, Engine] = {"visible": engine, "amodal": amodal_engine or engine}
        self._infos: dict[Task, ModelInfo] = {"visible": info, "amodal": amodal_info or info}
        self._max_pixels = max_pixels
        self._min_score = min_score
        self._reasoning = reasoning
        self._constrain = constrain
        self._sampling = sampling
        self.tasks, self._warnings = self._plan(tasks, force_amodal)
        self._domains = {task: Domain.load(path) for task in self.tasks if (path := self._infos[task].domain_path)}
        self._out_of_domain = out_of_domain
        if out_of_domain == "absent" and "visible" not in self._domains:
            blind = (
                f"out_of_domain_unknown: {info.name} does not say what it was trained on, so no answer is taken back"
            )
            self._warnings = (*self._warnings, blind)
        self._pool = ThreadPoolExecutor(max_workers=2 * at_once, thread_name_prefix="grounder")

    def _plan(self, tasks: tuple[Task, ...] | None, force: bool) -> tuple[tuple[Task, ...], tuple[str, ...]]:
        model = self._infos["amodal"]
        declared = model.declares("amodal")
        if not (force or (declared if tasks is None else "amodal" in tasks)):
            return ("visible",), ()
        if declared:
            return ("visible", "amodal"), ()
        if force:
            return ("visible", "amodal"), (f"amodal_forced: {model.name} was not trained for amodal boxes",)
        return ("visible",), (
            f"amodal_undeclared: {model.name} was not trained for amodal boxes; force_amodal asks it",
        )

    def queries(self, image: NDArray[np.uint8], instruction: str) -> dict[Task, Request]:
        """Write the requests for a picture (H, W, 3 uint8 RGB) and an instruction, one per task."""
        sent = worded(instruction)
        if not sent:
            raise ValueError(NO_WORDS)
        pictures: dict[tuple[object, ...], NDArray[np.uint8]] = {}
        return {task: self._query(task, image, set_apart(sent), pictures) for task in self.tasks}

    def _query(
        self,
        task: Task,
        image: NDArray[np.uint8],
        sent: str,
        pictures: dict[tuple[object, ...], NDArray[np.uint8]],
    ) -> Request:
        info = self._infos[task]
        speaker = info.speaker
        key = (info.family, info.factor, info.max_pixels)
        if key not in pictures:
            pictures[key] = info.fit(image, self._max_pixels)
        picture = pictures[key]
        sampling = self._sampling or Sampling(max_tokens=info.max_tokens or LONGEST)
        thinking = self._thinking(task)
        request = Request(
            f"{task}-{uuid.uuid4().hex}",
            picture,
            info.prompt(sent, task),
            sampling,
            template=thinking.arguments(self._reasoning),
            reasoning=self._reasoning,
        )
        return self._constrained(request, self._engines[task], speaker, thinking.opening(self._reasoning))

    def _constrained(self, request: Request, engine: Engine, speaker: Family, opening: Opening) -> Request:
        if not self._reasoning:
            if engine.grammar() == "none":
                return replace(request, json_schema=speaker.json_schema())
            return replace(request, regex=speaker.regex(False, opening))
        if self._constrain == "regex" or (self._constrain == "auto" and engine.grammar() == "enforced"):
            return replace(request, regex=speaker.regex(True, opening))
        return request

    def ground(self, image: NDArray[np.uint8], instruction: str, timeout: float | None = None) -> Grounding:
        """Ground an instruction in a picture (H, W, 3 uint8 RGB), and wait for the answer.

        As `ask`, for callers that wait; also from a notebook, whose thread has an event loop of its own.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.ask(image, instruction, timeout))
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(lambda: asyncio.run(self.ask(image, instruction, timeout))).result()

    async def ask(self, image: NDArray[np.uint8], instruction: str, timeout: float | None = None) -> Grounding:
        """Ground an instruction in a picture (H, W, 3 uint8 RGB).

        Cancelling the task aborts the queries in the engine; after `timeout` seconds they are aborted, too, and the
        answer is the error "timeout". An engine's trouble is an error as well, never an exception; ValueError for an
        empty instruction or a picture of the wrong shape.
        """
        began = time.perf_counter()
        requests, doubts = await self._in_thread(self._prepare, image, instruction)
        sent = time.perf_counter()
        replies = await self._replies(requests, instruction, None if timeout is None else timeout - (sent - began))
        answered = time.perf_counter()
        # In a thread, for calibration reads the weights where it was not asked for them yet.
        size = (image.shape[1], image.shape[0])
        found = await self._in_thread(self._decide, replies, doubts, size, instruction)
        foreign = dict.fromkeys(doubt for told in doubts.values() for doubt in told)
        return replace(
            found,
            warnings=(*self._warnings, *markup_doubt(instruction), *foreign, *found.warnings),
            engine_ms=1000 * (answered - sent),
            total_ms=1000 * (time.perf_counter() - began),
        )

    def _prepare(
        self, image: NDArray[np.uint8], instruction: str
    ) -> tuple[dict[Task, Request], dict[Task, tuple[str, ...]]]:
        requests = self.queries(image, instruction)
        return requests, {task: domain.warnings(image, instruction) for task, domain in self._domains.items()}

    def _decide(
        self,
        replies: dict[Task, _Reply] | None,
        doubts: Mapping[Task, tuple[str, ...]],
        size: tuple[int, int],
        instruction: str,
    ) -> Grounding:
        if replies is None:
            return Grounding("error", "timeout", "the query was given up (timeout)")
        # What a score means was measured inside the model's worlds.
        curves = {task: curve for task, curve in self._curves().items() if not doubts.get(task)}
        found = decide(replies["visible"], replies.get("amodal"), self._infos, size, curves)
        if self._out_of_domain == "absent":
            found = _inside(found, doubts)
        found = bounded(found, self._min_score)
        answer = replies["visible"].answer
        found = replace(found, warnings=(*label_doubt(answer.label if answer else "", instruction), *found.warnings))
        thought = any(reply.answer and reply.answer.reasoning.strip() for reply in replies.values())
        if thought and not self._reasoning:
            found = replace(found, warnings=(*found.warnings, THOUGHT_ALL_THE_SAME))
        return found

    async def _replies(
        self, requests: dict[Task, Request], instruction: str, timeout: float | None
    ) -> dict[Task, _Reply] | None:
        """Send all requests at once; gives the replies, the visible one alone where it failed, None for a timeout.

        An engine's answer comes from a thread of its own, which ends when the request is aborted.
        """
        stop = threading.Event()
        asked = {
            self._in_thread(self._reply, task, request, instruction, stop): task for task, request in requests.items()
        }
        pending: set[asyncio.Future[_Reply]] = set(asked)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while pending:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    return None
                if any(asked[one] == "visible" and one.result().error is not None for one in done):
                    break
            return {task: future.result() for future, task in asked.items() if future not in pending}
        finally:
            stop.set()
            for future in pending:
                future.cancel()
                self._engines[asked[future]].abort(requests[asked[future]].id)

    def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> asyncio.Future[_T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _reply(self, task: Task, request: Request, instruction: str, stop: threading.Event) -> _Reply:
        chunks: list[Chunk] = []
        try:
            for chunk in self._engines[task].generate(request):
                chunks.append(chunk)
                # An abort that came before the engine knew the request has met nobody.
                if stop.is_set():
                    self._engines[task].abort(request.id)
        except EngineError as error:
            return _Reply(None, None, error)
        completion = collect(chunks)
        if completion.finish == "abort":
            return _Reply(completion, None, EngineError("engine_aborted", "the engine gave the query up"))
        opening = self._thinking(task).opening(self._reasoning)
        return _Reply(completion, read(self._infos[task].speaker, completion, opening, instruction))

    def _thinking(self, task: Task) -> Thinking:
        """Tell how the answers to a task begin: as the folder says, else the engine, else the family's own template."""
        info = self._infos[task]
        return info.thinking or self._engines[task].thinking() or info.speaker.thinking

    def _curves(self) -> Curves:
        found: dict[Task, calibration.Curve] = {}
        for task in self.tasks if self._reasoning else ():
            curve = calibration.curve_for(self._infos[task].path, self._engines[task].kind(), task)
            if curve is not None:
                found[task] = curve
        return found

    def close(self) -> None:
        """End the grounder's threads; the engines stay as they are."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def worded(instruction: str) -> str:
    """Give an instruction as it is sent, on one line and without the full stop at its end; empty where no word is."""
    return re.sub(r"\s+", " ", instruction).strip().rstrip(".!").rstrip()


def decide(
    visible: _Reply,
    amodal: _Reply | None,
    infos: dict[Task, ModelInfo],
    size: tuple[int, int],
    curves: Curves,
) -> Grounding:
    """Reduce the replies to one outcome; `size` is (width, height). The visible answer decides."""
    if visible.error is not None or visible.answer is None or visible.completion is None:
        error = visible.error or EngineError("engine_failed", "the engine gave no answer")
        return Grounding("error", error.reason, error.detail)
    answer = visible.answer
    found = Grounding(
        "absent",
        reasoning=answer.reasoning,
        boxes_seen=answer.boxes_seen,
        raw_visible=visible.completion.text,
        raw_amodal=amodal.completion.text if amodal and amodal.completion else None,
        amodal_reasoning=amodal.answer.reasoning if amodal and amodal.answer else "",
    )
    if answer.kind == "invalid":
        return replace(found, outcome="error", reason=answer.reason, detail=EXPLANATIONS[answer.reason])
    found = replace(found, repairs=salvaged_as(answer))
    if answer.kind == "box":
        box = _pixels(answer, infos["visible"], size)
        if box is None:
            return replace(found, outcome="error", reason="no_overlap", detail="the box lies outside the image")
        raw, available = token_score(visible.completion, answer)
        score, calibrated = _meant(raw, available, None if answer.salvaged else curves.get("visible"))
        found = replace(found, outcome="found", visible=box, score=score, raw_score=raw, score_available=available)
        found = replace(found, calibrated=("visible",) if calibrated else ())
    return _with_amodal(found, amodal, infos["amodal"], size, curves.get("amodal")) if amodal is not None else found


def _inside(found: Grounding, doubts: Mapping[Task, tuple[str, ...]]) -> Grounding:
    """Take back what a model says of pictures and words that it was not trained for."""
    if found.outcome != "error" and doubts.get("visible"):
        detail = f"the question is foreign to the model ({'; '.join(doubts['visible'])})"
        found = replace(found, outcome="absent", reason=OUT_OF_DOMAIN, detail=detail, visible=None, amodal=None)
        return replace(found, score=0.0, amodal_score=0.0, score_available=False)
    return replace(found, amodal=None) if doubts.get("amodal") else found


def _meant(raw: float, available: bool, curve: calibration.Curve | None) -> tuple[float, bool]:
    """Give the score to publish for a raw one, and whether it is a probability."""
    return (curve(raw), True) if available and curve is not None else (raw, False)


def _with_amodal(
    found: Grounding, amodal: _Reply, info: ModelInfo, size: tuple[int, int], curve: calibration.Curve | None
) -> Grounding:
    if amodal.error is not None or amodal.answer is None or amodal.completion is None:
        error = amodal.error or EngineError("engine_failed", "no answer")
        return replace(found, warnings=(*found.warnings, f"amodal_failed: {error}"))
    found = replace(found, repairs=(*found.repairs, *(f"amodal_{told}" for told in salvaged_as(amodal.answer))))
    box = _pixels(amodal.answer, info, size) if amodal.answer.kind == "box" else None
    if found.visible is None or box is None or intersection(found.visible, box) <= 0:
        agree = found.visible is None and amodal.answer.kind == "absent"
        return found if agree else replace(found, repairs=(*found.repairs, "amodal_disagrees"))
    raw, available = token_score(amodal.completion, amodal.answer)
    score, calibrated = _meant(raw, available, None if amodal.answer.salvaged else curve)
    if not contains(box, found.visible):
        box = union(box, found.visible)
        found = replace(found, repairs=(*found.repairs, "amodal_union"))
    tasks: tuple[Task, ...] = (*found.calibrated, "amodal") if calibrated else found.calibrated
    return replace(found, amodal=box, amodal_score=score, raw_amodal_score=raw, calibrated=tasks)


def _pixels(answer: Answer, info: ModelInfo, size: tuple[int, int]) -> Box | None:
    """Turn an answer's box into pixels of a picture of (width, height); None where nothing of it lies inside."""
    if answer.box is None:
        return None
    box = clip(as_box(to_pixels(answer.box, *size, info.frame)), *size)
    return box if area(box) > 0 else None


def token_score(completion: Completion, answer: Answer) -> tuple[float, bool]:
    """Give the raw score of an answer's box, and whether the probabilities of the box's tokens are known.

    It is the geometric mean of the probabilities of the tokens that spell the box's numbers, and those that the model
    named while it thought, such as the points of the objects that it saw: a guess at those is a guess at the box.
    """
    if answer.span is None or not completion.tokens:
        return 0.0, False
    box = _spelling(completion.tokens, completion.text, answer.span)
    if not box or None in box:
        return 0.0, False
    # Some servers log no probabilities of reasoning.
    thought = _spelling(completion.tokens, completion.text, (0, max(completion.text.find(THINK_CLOSE), 0)))
    known = [logprob for logprob in (*thought, *box) if logprob is not None]
    return min(1.0, math.exp(min(0.0, sum(known) / len(known)))), True


def _spelling(tokens: tuple[Token, ...], text: str, span: tuple[int, int]) -> list[float | None]:
    """List the log-probabilities of the tokens that hold a digit of text[span]."""
    digits = {place for place in range(*span) if text[place].isdigit()}
    found: list[float | None] = []
    start = 0
    for token in tokens:
        end = start + len(token.text)
        if any(place in digits for place in range(max(start, span[0]), min(end, span[1]))):
            found.append(token.logprob)
        start = end
    return found

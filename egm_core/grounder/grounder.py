"""Grounding: an instruction and a picture in, a visible and an amodal box out.

The two queries of a picture go to the engine together. What comes back is checked against the model's answer
format, whatever the engine promised, and reduced to one outcome; every repair and every doubt is listed.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Chunk, Engine, EngineError, Request, Sampling, collect
from egm_core.families import Task
from egm_core.families.thinking import Thinking
from egm_core.grounder.closing_time import ClosingTime
from egm_core.grounder.decision import OUT_OF_DOMAIN as OUT_OF_DOMAIN
from egm_core.grounder.decision import Curves, Replies, Reply, better, decide, inside
from egm_core.grounder.grounding import Grounding as Grounding
from egm_core.grounder.question.constraint import Constrain as Constrain
from egm_core.grounder.question.constraint import constrained
from egm_core.grounder.question.sentences import NO_GATE, THOUGHT_ALL_THE_SAME
from egm_core.grounder.question.sentences import NO_WORDS as NO_WORDS
from egm_core.grounder.question.tasks import planned
from egm_core.grounder.reading import markup_doubt, read, set_apart
from egm_core.grounder.reconsider import Wish, carried, carried_curve, wished
from egm_core.grounder.score_bound import bounded
from egm_core.grounder.scoring import token_score as token_score
from egm_core.grounder.several.deciding import decide_several, doubts_of, limited
from egm_core.grounder.several.reading import read_several
from egm_core.grounder.several.wanted import ONE, Question, question
from egm_core.grounder.thought_time import ThoughtTime
from egm_core.models import calibration
from egm_core.models.domain import Domain
from egm_core.models.folder import ModelInfo

OutOfDomain = Literal["warn", "absent"]
LONGEST = 4096
_T = TypeVar("_T")
_Hear = Callable[[Reply], None]
TOO_LATE = EngineError("deadline", "the amodal box was not there at the deadline")
_NONE = Reply(None, None)


class Grounder:
    """Grounds instructions with an engine and what is known about its model.

    `amodal_engine` and `amodal_info` name another model for amodal boxes (default: the same), `adapters` the LoRA
    adapters of an engine that answer a task. `tasks` None asks for
    what the models declare; amodal boxes of a model that does not declare them need `force_amodal`, and come with a
    warning. `max_pixels` None takes the model's budget. A found box whose score is available and below `min_score` is
    withheld: "absent", with the reason "low_score". `reasoning=False` forbids to think, for speed. `constrain` "auto"
    sends the answer's grammar where it is sure to be obeyed, "regex" always, "off" never. Scores are calibrated where
    the model's folder has a calibration for its engine and for answers with reasoning, or without. `out_of_domain` says
    what becomes of an answer about words or a picture unlike those that the model was trained on, where its folder
    tells them: "warn" keeps it, with a raw score, "absent" takes it back, with that reason. `at_once` pictures are
    asked about at a time, and others wait; those whose abort an engine has not ended count. Usable from several
    threads.

    With a `deadline` in seconds (0: none) the model answers without thinking first. Then it thinks where the model's
    gate says that this will probably change the answer, and where there is time; see `ask`.

    `max_objects` is how many objects an answer holds at most: 1, another number, 0 for every match, or -1 for as many
    as the instruction's words ask for, see `several.wanted`. Several are asked for in the family's prompt for them.
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
        deadline: float = 0.0,
        adapters: Mapping[Task, str] | None = None,
        max_objects: int = ONE,
    ) -> None:
        self._engines: dict[Task, Engine] = {"visible": engine, "amodal": amodal_engine or engine}
        self._infos: dict[Task, ModelInfo] = {"visible": info, "amodal": amodal_info or info}
        self._adapters = dict(adapters or {})
        self._infos |= {task: self._infos[task].adapted(name, task) for task, name in self._adapters.items()}
        self._max_pixels = max_pixels
        self._min_score = min_score
        self._reasoning = reasoning
        self._constrain = constrain
        self._sampling = sampling
        self._deadline, self._max_objects = deadline, max_objects
        self.tasks, self._warnings = planned(self._infos["amodal"], tasks, force_amodal)
        self._domains = {
            task: (path, Domain.load(path)) for task in self.tasks if (path := self._infos[task].domain_path)
        }
        self._thought_time, self._closing_time = ThoughtTime(), ClosingTime()
        self._out_of_domain = out_of_domain
        if out_of_domain == "absent" and "visible" not in self._domains:
            blind = (
                f"out_of_domain_unknown: {info.name} does not say what it was trained on, so no answer is taken back"
            )
            self._warnings = (*self._warnings, blind)
        self._pool = ThreadPoolExecutor(max_workers=3 * at_once, thread_name_prefix="grounder")

    def queries(
        self, image: NDArray[np.uint8], asked: str | Question, thinking: bool | None = None
    ) -> dict[Task, Request]:
        """Write the requests for a picture (H, W, 3 uint8 RGB) and an instruction, one per task.

        `thinking` leaves the model free to think, or forbids it (None: as `reasoning` says).
        """
        asked = Question(asked) if isinstance(asked, str) else asked
        sent = asked.sent
        if not sent:
            raise ValueError(NO_WORDS)
        free = self._reasoning if thinking is None else thinking
        pictures: dict[tuple[object, ...], NDArray[np.uint8]] = {}
        written = {}
        for task in self.tasks:
            info = self._infos[task]
            key = (info.family, info.factor, info.max_pixels)
            if key not in pictures:
                pictures[key] = info.fit(image, self._max_pixels)
            written[task] = self._request(
                task, pictures[key], info.prompt(set_apart(sent), task, asked.several), free, asked.several
            )
        return written

    def _request(
        self, task: Task, picture: NDArray[np.uint8], prompt: str, thinking: bool, several: bool = False
    ) -> Request:
        """Write a request; two of one picture and prompt that differ in `thinking` share all that an engine caches."""
        info, habit = self._infos[task], self._thinking(task)
        request = Request(
            f"{task}-{uuid.uuid4().hex}",
            picture,
            prompt,
            self._sampling or Sampling(max_tokens=info.max_tokens or LONGEST),
            template=habit.arguments(thinking),
            reasoning=thinking,
            adapter=self._adapters.get(task, ""),
        )
        opening = habit.opening(thinking)
        return constrained(request, self._engines[task], info.speaker, opening, self._constrain, several)

    def ground(
        self,
        image: NDArray[np.uint8],
        instruction: str,
        timeout: float | None = None,
        deadline: float | None = None,
    ) -> Grounding:
        """Ground an instruction in a picture (H, W, 3 uint8 RGB), and wait for the answer.

        As `ask`, for callers that wait; also from a notebook, whose thread has an event loop of its own.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.ask(image, instruction, timeout, deadline))
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(lambda: asyncio.run(self.ask(image, instruction, timeout, deadline))).result()

    async def ask(
        self,
        image: NDArray[np.uint8],
        instruction: str,
        timeout: float | None = None,
        deadline: float | None = None,
        heard: Callable[[Grounding], None] | None = None,
        max_objects: int | None = None,
    ) -> Grounding:
        """Ground an instruction in a picture (H, W, 3 uint8 RGB); `heard` gets the first visible answer ahead.

        `max_objects` (None: the grounder's own) says how many objects the answer may hold.

        Cancelling the task aborts the queries in the engine; after `timeout` seconds they are aborted, too, and the
        answer is the error "timeout". An engine's trouble is an error as well, never an exception; ValueError for an
        empty instruction or a picture of the wrong shape.

        With a `deadline` (None: the grounder's own) a thought that has not ended shortly before is cut, and the first
        box is the answer; never the thought's beginning. A first box that comes later is the answer all the same, and
        `missed`.
        """
        began = time.monotonic()
        limit = self._deadline if deadline is None else deadline
        end = math.inf if timeout is None else began + timeout
        due = began + limit if limit else math.inf
        # From then on nothing is waited for: deciding takes time as well, the more on a busy machine.
        last = due - self._closing_time.margin(limit) if limit else math.inf
        gated = self._reasoning and math.isfinite(due)
        most = self._max_objects if max_objects is None else max_objects
        # What is trained here, and so knows its own worlds, learns to name one object.
        asked, guessed = question(instruction, most, "visible" in self._domains)
        requests = await self._in_thread(self.queries, image, asked, False if gated else None)
        sent = time.monotonic()
        # Nothing is asked by it, so the engine need not wait for it.
        looking = self._in_thread(self._foreign, image, asked.words)
        size, hearing = (image.shape[1], image.shape[0]), list[asyncio.Future[None]]()

        async def tell(reply: Reply, told: Callable[[Grounding], None]) -> None:
            told(await self._in_thread(self._decide, {"visible": reply}, await looking, size, asked))

        def hear(reply: Reply) -> None:
            if heard is not None:
                hearing.append(asyncio.ensure_future(tell(reply, heard)))

        replies = await self._first(requests, asked, end, last, hear)
        came = time.monotonic()
        late: tuple[Task, ...] = ()
        failed: tuple[str, ...] = ()
        if gated and asked.several:
            failed = (NO_GATE,)
        elif gated and replies is not None and replies["visible"].error is None:
            replies, late, failed = await self._reconsidered(requests, replies, asked, min(end, last))
        answered = time.monotonic()
        doubts = await looking
        # In a thread, for calibration reads the weights where it was not asked for them yet.
        await asyncio.gather(*hearing)
        found = await self._in_thread(self._decide, replies, doubts, size, asked)
        foreign = dict.fromkeys(doubt for told in doubts.values() for doubt in told)
        if replies is not None:
            thoughts = {task: "late" if task in late else reply.thought for task, reply in replies.items()}
            found = replace(found, thought=thoughts["visible"], amodal_thought=thoughts.get("amodal", ""))
        now = time.monotonic()
        # A first box that came after all of that is late by itself, and nothing was cut for it.
        cut = came <= last <= answered or (replies or {}).get("amodal", _NONE).error is TOO_LATE
        self._closing_time.took(now - last if cut else None)
        return replace(
            found,
            warnings=(*self._warnings, *markup_doubt(instruction), *guessed, *foreign, *found.warnings, *failed),
            missed=now > due,
            engine_ms=1000 * (answered - sent),
            total_ms=1000 * (now - began),
        )

    def _foreign(self, image: NDArray[np.uint8], words: str) -> dict[Task, tuple[str, ...]]:
        """Say for each task what its model was not trained on; one model looks at a picture once."""
        told: dict[Path, tuple[str, ...]] = {}
        for path, domain in self._domains.values():
            if path not in told:
                told[path] = domain.warnings(image, words)
        return {task: told[path] for task, (path, _) in self._domains.items()}

    def _decide(
        self, replies: Replies | None, doubts: Mapping[Task, tuple[str, ...]], size: tuple[int, int], asked: Question
    ) -> Grounding:
        if replies is None:
            return Grounding("error", "timeout", "the query was given up (timeout)")
        if asked.several:
            found = decide_several(replies["visible"], replies.get("amodal"), self._infos, size)
        else:
            # What a score means was measured inside the model's worlds.
            curves = {task: curve for task, curve in self._curves(replies).items() if not doubts.get(task)}
            found = decide(replies["visible"], replies.get("amodal"), self._infos, size, curves)
        if self._out_of_domain == "absent":
            found = inside(found, doubts)
        found = limited(bounded(found, self._min_score), asked.most)
        found = replace(found, warnings=(*doubts_of(found, replies["visible"].answer, asked), *found.warnings))
        if any(reply.thought_all_the_same for reply in replies.values()):
            found = replace(found, warnings=(*found.warnings, THOUGHT_ALL_THE_SAME))
        return found

    async def _first(
        self, requests: dict[Task, Request], asked: Question, end: float, due: float, hear: _Hear | None
    ) -> Replies | None:
        """Send all requests at once; gives the replies, the visible one alone where it failed, None for a timeout.

        Where the visible box is there at the deadline and the amodal one is not, nothing waits for that.
        """
        replies = await self._replies(requests, asked, end, due, hear)
        if "visible" not in replies:
            return None
        if len(replies) < len(requests) and replies["visible"].error is None:
            return replies | {"amodal": Reply(None, None, TOO_LATE)} if time.monotonic() < end else None
        return replies

    async def _reconsidered(
        self, requests: dict[Task, Request], first: Replies, asked: Question, end: float
    ) -> tuple[Replies, tuple[Task, ...], tuple[str, ...]]:
        """Have the model think about the answers where that is worth its time, until `end`.

        Gives the better replies, the tasks whose thought did not end in time, or could not, and what failed in words.
        """
        wish: Wish = await self._in_thread(wished, first, self._infos, asked.sent)
        began = time.monotonic()
        if not wish.tasks or not self._thought_time.fits(end - began):
            return first, wish.tasks, ()
        again = {task: self._request(task, requests[task].image, requests[task].prompt, True) for task in wish.tasks}
        thoughts = await self._replies(again, asked, end, None, None)
        late = tuple(task for task in wish.tasks if task not in thoughts)
        note = self._thought_time.cut if late else self._thought_time.ended
        note(time.monotonic() - began)
        curves = await self._in_thread(self._curves, first), await self._in_thread(self._curves, thoughts)
        chosen = {task: better(task, first[task], thought, *curves) for task, thought in thoughts.items()}
        other = carried(first, thoughts, self._infos) if wish.shared else None
        if other is not None:
            chosen["amodal"], late = other, tuple(task for task in late if task != "amodal")
        failed = tuple(
            f"thought_failed: {task}, {thought.trouble}" for task, thought in thoughts.items() if thought.trouble
        )
        return first | chosen, late, failed

    async def _replies(
        self, requests: dict[Task, Request], asked: Question, end: float, due: float | None, hear: _Hear | None
    ) -> Replies:
        """Send requests at once and give the replies that came by `end`; `hear` gets the visible one when it comes.

        Where `due` is given the visible reply leads: nothing more is waited for once it failed, and from `due` on once
        it is there. An engine's answer comes from a thread of its own, which ends when the request is aborted.
        """
        stop = threading.Event()
        sent = {self._in_thread(self._reply, task, request, asked, stop): task for task, request in requests.items()}
        came: Replies = {}
        pending: set[asyncio.Future[Reply]] = set(sent)
        try:
            while pending:
                lead = came.get("visible") if due is not None else None
                if lead is not None and lead.error is not None:
                    break
                until = end if lead is None or due is None else min(end, due)
                left = None if math.isinf(until) else max(0.0, until - time.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                came |= {sent[one]: one.result() for one in done}
                if hear and any(sent[one] == "visible" for one in done):
                    hear(came["visible"])
                if not done:
                    break
            return {task: came[task] for task in requests if task in came}
        finally:
            stop.set()
            for future in pending:
                future.cancel()
                self._engines[sent[future]].abort(requests[sent[future]].id)

    def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> asyncio.Future[_T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _reply(self, task: Task, request: Request, asked: Question, stop: threading.Event) -> Reply:
        info, opening, whole = self._infos[task], self._thinking(task).opening(request.reasoning), None
        # What a model makes of words that it never saw is told by its label.
        foreign = task in self._domains and self._domains[task][1].unknown_words(asked.words)
        stops = info.stop_at_box and not foreign and not asked.several
        chunks: list[Chunk] = []
        try:
            for chunk in self._engines[task].generate(request):
                chunks.append(chunk)
                if stops and "]" in chunk.text and chunk.finish is None:
                    whole = info.speaker.closed("".join(each.text for each in chunks), opening)
                    if whole is not None:
                        self._engines[task].abort(request.id)
                        break
                # An abort that came before the engine knew the request has met nobody.
                if stop.is_set():
                    self._engines[task].abort(request.id)
        except EngineError as error:
            return Reply(None, None, error)
        completion = collect(chunks)
        if completion.finish == "abort":
            return Reply(completion, None, EngineError("engine_aborted", "the engine gave the query up"))
        said = completion if whole is None else replace(completion, text=whole)
        answer = (read_several if asked.several else read)(info.speaker, said, opening, asked.words)
        return Reply(completion, answer, thinking=request.reasoning)

    def _thinking(self, task: Task) -> Thinking:
        """Tell how the answers to a task begin: as the folder says, else the engine, else the family's own template."""
        info = self._infos[task]
        return info.thinking or self._engines[task].thinking() or info.speaker.thinking

    def _curves(self, replies: Replies) -> Curves:
        """Give the curves of these replies' scores, each for its task and for how the answer came about."""
        found: dict[Task, calibration.Curve] = {}
        for task, reply in replies.items():
            info, engine = self._infos[task], self._engines[task].kind()
            if reply.carried:
                curve = carried_curve(info, engine)
            else:
                curve = calibration.curve_for(info.path, engine, task, reply.thinking)
            if curve is not None:
                found[task] = curve
        return found

    def close(self) -> None:
        """End the grounder's threads; the engines stay as they are."""
        self._pool.shutdown(wait=False, cancel_futures=True)

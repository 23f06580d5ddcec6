"""Grounding: an instruction and a picture in, a visible and an amodal box out.

The two queries of a picture go to the engine together. What comes back is checked against the model's answer
format, whatever the engine promised, and reduced to one outcome; every repair and every doubt is listed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Engine, Request, Sampling
from egm_core.families import Task
from egm_core.grounder.closing_time import ClosingTime
from egm_core.grounder.decision import OUT_OF_DOMAIN as OUT_OF_DOMAIN
from egm_core.grounder.decision import Reply
from egm_core.grounder.grounding import Grounding as Grounding
from egm_core.grounder.question.constraint import Constrain as Constrain
from egm_core.grounder.question.models import Models, domains_of
from egm_core.grounder.question.queries import Queries
from egm_core.grounder.question.sentences import NO_GATE
from egm_core.grounder.question.sentences import NO_WORDS as NO_WORDS
from egm_core.grounder.question.tasks import planned
from egm_core.grounder.reading import markup_doubt
from egm_core.grounder.replies.second_thoughts import SecondThoughts
from egm_core.grounder.replies.verdict import Verdict
from egm_core.grounder.replies.waiting import TOO_LATE, Waiting
from egm_core.grounder.scoring import token_score as token_score
from egm_core.grounder.several.wanted import ONE, Question, question
from egm_core.grounder.thought_time import ThoughtTime
from egm_core.models.folder import ModelInfo

OutOfDomain = Literal["warn", "absent"]
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
        engines: dict[Task, Engine] = {"visible": engine, "amodal": amodal_engine or engine}
        infos: dict[Task, ModelInfo] = {"visible": info, "amodal": amodal_info or info}
        adapters = dict(adapters or {})
        infos |= {task: infos[task].adapted(name, task) for task, name in adapters.items()}
        self.tasks, self._warnings = planned(infos["amodal"], tasks, force_amodal)
        self._models = Models(self.tasks, engines, infos, adapters, domains_of(infos, self.tasks))
        if out_of_domain == "absent" and not self._models.tells_domain:
            blind = (
                f"out_of_domain_unknown: {info.name} does not say what it was trained on, so no answer is taken back"
            )
            self._warnings = (*self._warnings, blind)
        self._reasoning = reasoning
        self._deadline, self._max_objects = deadline, max_objects
        self._thought_time, self._closing_time = ThoughtTime(), ClosingTime()
        self._pool = ThreadPoolExecutor(max_workers=3 * at_once, thread_name_prefix="grounder")
        self._queries = Queries(self._models, max_pixels, reasoning, constrain, sampling)
        self._waiting = Waiting(self._models, self._pool)
        self._second_thoughts = SecondThoughts(self._queries, self._waiting, self._thought_time)
        self._verdict = Verdict(self._models, min_score, out_of_domain == "absent")

    def queries(
        self, image: NDArray[np.uint8], asked: str | Question, thinking: bool | None = None
    ) -> dict[Task, Request]:
        """Write the requests for a picture (H, W, 3 uint8 RGB) and an instruction, one per task.

        `thinking` leaves the model free to think, or forbids it (None: as `reasoning` says).
        """
        return self._queries.written(image, Question(asked) if isinstance(asked, str) else asked, thinking)

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
        began, in_thread = time.monotonic(), self._waiting.in_thread
        limit = self._deadline if deadline is None else deadline
        end = math.inf if timeout is None else began + timeout
        due = began + limit if limit else math.inf
        # From then on nothing is waited for: deciding takes time as well, the more on a busy machine.
        last = due - self._closing_time.margin(limit) if limit else math.inf
        gated = self._reasoning and math.isfinite(due)
        most = self._max_objects if max_objects is None else max_objects
        # What is trained here, and so knows its own worlds, learns to name one object.
        asked, guessed = question(instruction, most, self._models.tells_domain)
        requests = await in_thread(self._queries.written, image, asked, False if gated else None)
        sent = time.monotonic()
        # Nothing is asked by it, so the engine need not wait for it.
        looking = in_thread(self._models.foreign, image, asked.words)
        size, hearing = (image.shape[1], image.shape[0]), list[asyncio.Future[None]]()

        async def tell(reply: Reply, told: Callable[[Grounding], None]) -> None:
            told(await in_thread(self._verdict.decided, {"visible": reply}, await looking, size, asked))

        def hear(reply: Reply) -> None:
            if heard is not None:
                hearing.append(asyncio.ensure_future(tell(reply, heard)))

        replies = await self._waiting.first(requests, asked, end, last, hear)
        came = time.monotonic()
        late: tuple[Task, ...] = ()
        failed: tuple[str, ...] = ()
        if gated and asked.several:
            failed = (NO_GATE,)
        elif gated and replies is not None and replies["visible"].error is None:
            replies, late, failed = await self._second_thoughts.about(requests, replies, asked, min(end, last))
        answered = time.monotonic()
        doubts = await looking
        # In a thread, for calibration reads the weights where it was not asked for them yet.
        await asyncio.gather(*hearing)
        found = await in_thread(self._verdict.decided, replies, doubts, size, asked)
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

    def close(self) -> None:
        """End the grounder's threads; the engines stay as they are."""
        self._pool.shutdown(wait=False, cancel_futures=True)

"""The thread that asks the engine: newest image, current instruction, one query at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from egm_core.engines.base import EngineError
from egm_core.grounder import Grounder
from egm_ros import images
from egm_ros.engine_link import EngineLink
from egm_ros.engine_query import ask
from egm_ros.mailbox import Frame, Mailbox
from egm_ros.orders import Order
from egm_ros.outcomes import Result
from egm_ros.parameters import Settings

DEATH_PATIENCE = 0.5


class Worker:
    """Takes the newest frame whenever an order stands, the engines are ready and the rate allows it.

    Every method may be called from the executor's thread and returns at once.  `post` gets each result, and
    `age_of` says how old a frame is by its stamp in seconds; both are called from the worker's thread.
    """

    def __init__(
        self,
        links: Sequence[EngineLink],
        settings: Settings,
        age_of: Callable[[Frame], float],
        post: Callable[[Result], None],
    ) -> None:
        self._links = tuple(links)
        self._settings = settings
        self._age_of = age_of
        self._post = post
        self._condition = threading.Condition()
        self.mailbox = Mailbox(self._condition)
        self._order: Order | None = None
        self._cancel = threading.Event()
        self._closing = False
        self._due = 0.0
        self._grounder: tuple[tuple[object, ...], Grounder] | None = None
        self._thread = threading.Thread(target=self._run, name="grounding-worker", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Hand in a frame; it replaces the one that waits."""
        self.mailbox.put(frame)

    def order(self, order: Order | None) -> None:
        """Ask this from now on (None: nothing), and abort the running query if it asks something else."""
        with self._condition:
            if order != self._order:
                self._order = order
                self._cancel.set()
            self._condition.notify_all()

    def update(self, settings: Settings) -> None:
        """Work with these settings from the next query on."""
        with self._condition:
            self._settings = settings
            self._due = 0.0
            self._condition.notify_all()

    def wake(self) -> None:
        """Look again whether a query can start; an engine's state has changed."""
        with self._condition:
            self._condition.notify_all()

    def close(self) -> None:
        """Abort the running query and end the thread."""
        with self._condition:
            self._closing = True
            self._order = None
            self._cancel.set()
            self.mailbox.clear()
            self._condition.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of a closed worker's thread; False if it still runs after `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _ready(self) -> bool:
        return (
            self._order is not None
            and self.mailbox.full
            and all(link.state.state == "ready" for link in self._links)
        )

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._closing:
                    wait = self._due - time.monotonic()
                    if self._ready() and wait <= 0.0:
                        break
                    self._condition.wait(wait if self._ready() else None)
                if self._closing:
                    self._drop_grounder()
                    return
                frame, order, settings = self.mailbox.take(), self._order, self._settings
                self._cancel = cancel = threading.Event()
            assert frame is not None and order is not None
            started = time.monotonic()
            self._due = started + (1.0 / settings.max_rate if settings.max_rate else 0.0)
            try:
                result = self._query(order, frame, settings, started, cancel)
            except Exception as error:  # the thread's edge: whatever happened becomes a status
                result = Result(order, frame, started, 1000.0 * (started - frame.arrived),
                                reason="internal_error", detail=f"{type(error).__name__}: {error}")
            self._post(result)

    def _query(
        self, order: Order, frame: Frame, settings: Settings, started: float, cancel: threading.Event
    ) -> Result:
        queue_ms = 1000.0 * (started - frame.arrived)

        def failure(reason: str, detail: str = "") -> Result:
            return Result(order, frame, started, queue_ms, reason=reason, detail=detail)

        if settings.max_result_age and self._age_of(frame) > settings.max_result_age:
            return failure("max_result_age")
        try:
            image = images.decode(frame.message)
        except images.ImageError as error:
            return failure("bad_image", str(error))
        try:
            grounding = ask(self._links, lambda pixels: self._current_grounder(replace(settings, max_pixels=pixels)),
                            image, order.instruction, settings, cancel)
        except EngineError as error:
            return failure(self._cause(error.reason), error.detail)
        except ValueError as error:
            return failure("refused", str(error))
        if grounding.outcome == "error":
            cause = self._cause(grounding.reason)
            if cause != grounding.reason:
                return failure(cause, "the engine was lost during the query")
        return Result(order, frame, started, queue_ms, grounding=grounding)

    def _cause(self, reason: str) -> str:
        """Tell an engine that is dead, hangs or is being replaced from one that merely failed."""
        if not reason.startswith("engine"):
            return reason
        return next(filter(None, (link.cause(DEATH_PATIENCE) for link in self._links)), reason)

    def _current_grounder(self, settings: Settings) -> Grounder:
        """Make a grounder for the engines and settings of now, or take the last one if they are the same."""
        models = [(link.engine, link.plan.info) for link in self._links]
        present = [(engine, info) for engine, info in models if engine is not None and info is not None]
        if len(present) < len(models):
            raise EngineError("engine_unreachable", "the engine went away")
        key = (*(id(engine) for engine, _ in present), settings.force_amodal, settings.max_pixels, settings.reasoning)
        if self._grounder is None or self._grounder[0] != key:
            self._drop_grounder()
            (engine, info), *others = present
            amodal_engine, amodal_info = others[0] if others else (None, None)
            self._grounder = key, Grounder(
                engine,
                info,
                amodal_engine=amodal_engine,
                amodal_info=amodal_info,
                force_amodal=settings.force_amodal,
                max_pixels=settings.max_pixels or None,
                reasoning=settings.reasoning,
            )
        return self._grounder[1]

    def _drop_grounder(self) -> None:
        if self._grounder is not None:
            self._grounder[1].close()
            self._grounder = None

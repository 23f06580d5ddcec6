"""The threads that ask the engine: newest images, current instruction, so many queries at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from egm_core.supervise.link import EngineLink
from egm_ros.grounding.orders import Order
from egm_ros.grounding.outcomes import Result
from egm_ros.grounding.queries.lane import Lane
from egm_ros.grounding.queries.mailbox import Frame
from egm_ros.grounding.queries.pace import Pace
from egm_ros.grounding.queries.rota import Rota
from egm_ros.interface.settings import Settings

# The thread of this number asks one-shot queries only, so that a slow stream can't hold them up, nor they the stream.
SHOTS_ONLY = 0
SHOTS_WAITING = 16


@dataclass(frozen=True, eq=False)
class Query:
    """A query to be asked: what of which frame, and who is told; `shot`: it was asked for once, by a service."""

    order: Order
    frame: Frame
    post: Callable[[Result], None]
    shot: bool = False
    cancel: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Takes the newest frames whenever an order stands, the engines are ready and the rate allows it.

    `max_batch` queries run at a time, each on a thread of its own and about another camera; a one-shot query runs
    beside them, and after it the stream has a turn before the next, so that the stream keeps half its rate or more.
    Every method may be called from the executor's thread and returns at once. `post` gets each result, and `age_of`
    says how old a frame is by its stamp in seconds; both are called from the worker's threads.
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
        self.rota = Rota(settings.cameras, self._condition)
        self._pace = Pace()
        self._order: Order | None = None
        self._shots: deque[Query] = deque()
        self._running: set[Query] = set()
        self._stream_owed = False
        self._closing = False
        self._threads: dict[int, threading.Thread] = {}
        self._grow()

    def offer(self, frame: Frame) -> None:
        """Hand in a frame; it replaces the one of its camera that waits.

        Where time went back, what is asked about the camera's image of before is aborted, and this one is next.
        """
        with self._condition:
            before = self.rota.mailboxes[frame.camera].newest
            if before is not None and before.lap < frame.lap:
                for query in self._running:
                    if query.frame.camera == frame.camera and not query.shot:
                        query.cancel.set()
                self.refresh(frame.camera)
            self.rota.put(frame)

    def order(self, order: Order | None) -> None:
        """Ask this from now on (None: nothing), and abort the running queries if it asks something else.

        What is new is asked ahead of the rate, as after a refresh: whoever gave it waits for its answer.
        """
        with self._condition:
            if order != self._order:
                self._order = order
                self._pace.forget()
                for camera in self.rota.mailboxes if order is not None else ():
                    self._pace.refresh(camera, time.monotonic(), self._settings.refresh_interval)
                for query in self._running:
                    if not query.shot:
                        query.cancel.set()
            self._condition.notify_all()
        if order is None:
            for link in self._links:
                link.rest()

    def refresh(self, camera: str) -> None:
        """Ask about a camera's next frame ahead of the rate; of no effect while nothing is to be asked."""
        with self._condition:
            if self._order is not None:
                self._pace.refresh(camera, time.monotonic(), self._settings.refresh_interval)
                self._condition.notify_all()

    def shoot(self, order: Order, frame: Frame, post: Callable[[Result], None]) -> bool:
        """Ask this once, whatever stands otherwise; False, and nothing is asked, where too many such wait already."""
        with self._condition:
            if self._closing or len(self._shots) >= SHOTS_WAITING:
                return False
            self._shots.append(Query(order, frame, post, shot=True))
            self._start(SHOTS_ONLY)
            self._condition.notify_all()
            return True

    def update(self, settings: Settings) -> None:
        """Work with these settings from the next query on."""
        with self._condition:
            self._settings = settings
            self._pace.restart()
            self._grow()
            self._condition.notify_all()

    def wake(self) -> None:
        """Look again whether a query can start; an engine's state has changed."""
        with self._condition:
            self._condition.notify_all()

    def rest(self) -> None:
        """Abort everything, the one-shot queries too, and forget the frames."""
        with self._condition:
            self.order(None)
            self.rota.clear()
            for query in (*self._running, *self._shots):
                query.cancel.set()

    def close(self) -> None:
        """Abort everything and end the threads."""
        with self._condition:
            self._closing = True
            self.rest()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of a closed worker's threads; False if one still runs after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads.values():
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads.values())

    def _grow(self) -> None:
        for number in range(1, 1 + min(self._settings.max_batch, len(self.rota.mailboxes))):
            self._start(number)

    def _start(self, number: int) -> None:
        if number not in self._threads:
            name = f"grounding-worker-{number}"
            self._threads[number] = threading.Thread(target=self._run, args=(number,), name=name, daemon=True)
            self._threads[number].start()

    def _run(self, number: int) -> None:
        lane = Lane(self._links, self._age_of)
        while True:
            with self._condition:
                query, wait = self._next(number)
                while query is None and not self._closing:
                    self._condition.wait(wait)
                    query, wait = self._next(number)
                if query is None:
                    lane.close()
                    return
                self._running.add(query)
                settings = self._settings
            result = self._ask(lane, query, settings)
            with self._condition:
                self._running.discard(query)
                self._stream_owed = query.shot
                if not query.shot:
                    self.rota.done(query.frame.camera)
                self._condition.notify_all()
            query.post(result)

    @staticmethod
    def _ask(lane: Lane, query: Query, settings: Settings) -> Result:
        order, frame, started = query.order, query.frame, time.monotonic()
        failed = Result(order, frame, started, 1000.0 * (started - frame.arrived), reason="cancelled")
        try:
            return failed if query.cancel.is_set() else lane.query(order, frame, settings, started, query.cancel)
        except Exception as error:  # the thread's edge: whatever happened becomes a status
            return replace(failed, reason="internal_error", detail=f"{type(error).__name__}: {error}")

    def _shot_may_run(self, number: int) -> bool:
        """Tell whether a thread may ask a one-shot query now: one at a time, and not twice before the stream."""
        if self._order is None:
            return number <= self._settings.max_batch
        if number != SHOTS_ONLY:
            return False
        now = time.monotonic()
        streaming = any(not query.shot for query in self._running) or any(
            self._pace.due(camera) <= now for camera in self.rota.waiting())
        return not (self._stream_owed and streaming and all(link.state.state == "ready" for link in self._links))

    def _next(self, number: int) -> tuple[Query | None, float | None]:
        """Give the query that a thread is to ask now, or the seconds until there may be one (None: unknown)."""
        if self._shots and self._shot_may_run(number):
            query = self._shots.popleft()
            # What waited for its turn is about now, too.
            return replace(query, frame=self.rota.mailboxes[query.frame.camera].newest or query.frame), None
        order, settings, now = self._order, self._settings, time.monotonic()
        idle = number == SHOTS_ONLY or number > settings.max_batch or order is None
        if idle or not all(link.state.state == "ready" for link in self._links):
            return None, None
        waiting = self.rota.waiting()
        for camera in waiting:
            if self._pace.due(camera) <= now and (frame := self.rota.take(camera)) is not None:
                self._pace.started(camera, now, settings.max_rate)
                return Query(order, frame, self._post), None
        return None, min((self._pace.due(camera) - now for camera in waiting), default=None)

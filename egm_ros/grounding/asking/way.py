"""The way of a picture: from the newest image of the camera whose turn it is to the result that the node judges.

One event loop on a thread of its own; read `Way` from top to bottom. The node's callbacks leave notes (`offer`,
`order`, `refresh`, `shoot`), `_serve` picks what is asked next by `egm_core.targets`, `Answering` takes one picture
all its way, and the result goes back to the node, which judges it once, on the executor's thread, and publishes.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from egm_core.grounder.grounder import Grounding
from egm_core.supervise.link import EngineLink
from egm_core.targets.board import Place
from egm_core.targets.pace import Pace
from egm_core.targets.turns import Turns
from egm_ros.grounding.asking.answering import Answering
from egm_ros.grounding.asking.frames import Frame, Slot
from egm_ros.grounding.asking.outcomes import Result
from egm_ros.interface.settings import Settings

SHOTS_WAITING = 16
HELPERS = 2


@dataclass(frozen=True, eq=False)
class Query:
    """A query to be asked: what of which frame, and who is told; `shot`: it was asked for once, by a service.

    `kept`: it is about this frame, even if newer ones come before its turn. `settings` take the place of the node's.
    `begun` is told that its turn has come, and `heard` gets the first visible answer ahead of the rest.
    """

    place: Place
    frame: Frame
    post: Callable[[Result], None]
    shot: bool = False
    kept: bool = False
    settings: Settings | None = None
    begun: Callable[[], None] | None = None
    heard: Callable[[Grounding], None] | None = None


class Way:
    """Asks about the newest frames whenever something is to be asked, the engines are ready and the rate allows it.

    `max_batch` queries run at a time, each about another target or camera; a one-shot query runs beside them, and
    after it the stream has a turn before the next, so that the stream keeps half its rate or more. Every method may be
    called from the executor's thread and returns at once. `post` gets each result, and `age_of` says how old a frame is
    by its stamp in seconds; both are called from the loop's thread.
    """

    def __init__(
        self,
        links: Sequence[EngineLink],
        settings: Settings,
        age_of: Callable[[Frame], float],
        post: Callable[[Result], None],
    ) -> None:
        self.slots = {camera: Slot() for camera in settings.cameras}
        self._links = tuple(links)
        self._settings = settings
        self._answering = Answering(links, age_of)
        self._post = post
        self._turns, self._pace = Turns(), Pace()
        self._shots: deque[Query] = deque()
        self._running: dict[asyncio.Task[Result], Query] = {}
        self._stream_owed = False
        self._closing = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(HELPERS, "grounding-helper"))
        self._news = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="grounding-way", daemon=True)
        self._thread.start()

    # Notes from the executor's thread.

    def offer(self, frame: Frame) -> None:
        """Take in a camera's newest frame; an older one that waits is dropped.

        Where time went back, what is asked about the camera's image of before is aborted, and this one is next.
        """
        self._note(lambda: self._take_in(frame))

    def order(self, places: Sequence[Place]) -> None:
        """Ask these from now on (none: nothing), and abort the running queries about what is not among them.

        What is new is asked first, as after a refresh: whoever gave it waits for its answer.
        """
        self._note(lambda: self._obey(tuple(places)))

    def refresh(self, places: Sequence[Place]) -> None:
        """Ask these first, of their cameras' next frames; of no effect on what is not to be asked."""
        self._note(lambda: self._wish(place for place in places if place in self._turns.places))

    @property
    def crowded(self) -> bool:
        """Whether too many wait already to be asked once."""
        return self._closing or len(self._shots) >= SHOTS_WAITING

    def shoot(self, query: Query) -> None:
        """Ask this once, whatever stands otherwise."""
        # At once, so that the next call counts it.
        self._shots.append(replace(query, shot=True))
        self._note(lambda: None)

    def drop(self, post: Callable[[Result], None]) -> None:
        """Abort the one-shot query whose answer goes there, or let it not begin; it ends as cancelled."""

        def drop() -> None:
            for query in [waiting for waiting in self._shots if waiting.post is post]:
                self._shots.remove(query)
                query.post(_cancelled(query))
            self._cancel(lambda query: query.post is post)

        self._note(drop)

    def update(self, settings: Settings) -> None:
        """Work with these settings from the next query on."""

        def update() -> None:
            self._settings = settings
            self._pace = self._pace.restarted()

        self._note(update)

    def wake(self) -> None:
        """Look again whether a query can start; an engine's state has changed."""
        self._note(lambda: None)

    def rest(self) -> None:
        """Abort everything, the one-shot queries too, and forget the frames."""
        self._note(self._rest)

    def close(self) -> None:
        """Abort everything and end the thread."""

        def close() -> None:
            self._closing = True
            self._rest()

        self._note(close)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of a closed way's thread; False if it still runs after `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _note(self, change: Callable[[], None]) -> None:
        """Have something changed on the loop's thread, which then looks what is next; nothing once it has ended."""

        def noted() -> None:
            change()
            self._news.set()

        try:
            self._loop.call_soon_threadsafe(noted)
        except RuntimeError:
            if not self._loop.is_closed():
                raise

    # On the loop's thread: what is asked next.

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._answering.close()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        """Begin a query whenever one is due, until the way is closed and its last query has ended."""
        while not self._closing or self._running:
            self._news.clear()
            query = self._next()
            if query is not None:
                settings = query.settings or self._settings
                answer = self._answering.answer(query.place, query.frame, time.monotonic(), settings, query.heard)
                if query.begun is not None:
                    query.begun()
                task = self._loop.create_task(answer)
                self._running[task] = query
                task.add_done_callback(self._ended)
                continue
            await _within(self._news.wait(), self._due_in())

    def _next(self) -> Query | None:
        """Give the query that is to be asked now."""
        now, rate = time.monotonic(), self._settings.max_rate
        if self._shots and (self._closing or self._shot_may_run(now)):
            query = self._shots.popleft()
            if not self._shots_ahead:
                self._pace = self._pace.started(None, now, rate)
            if query.kept:
                return query
            # What waited for its turn is about now, too.
            return replace(query, frame=self.slots[query.frame.camera].newest or query.frame)
        if self._closing or not self._ready() or self._streaming() >= self._settings.max_batch:
            return None
        for place in self._pace.in_order(self._turns.able(), now):
            if self._due_at(place) <= now and (frame := self._take(place.camera)) is not None:
                self._turns = self._turns.begun(place)
                self._pace = self._pace.started(place, now, rate)
                return Query(place, frame, self._post)
        return None

    def _take(self, camera: str) -> Frame | None:
        """Give the frame that a camera is asked about next: the one under way, or else the newest."""
        if self._turns.busy(camera):
            frames = (query.frame for query in self._running.values() if not query.shot)
            return next((frame for frame in frames if frame.camera == camera), None)
        return self.slots[camera].take() or self.slots[camera].newest

    def _due_in(self) -> float | None:
        """Give the seconds until the rate allows the next query; None where something else must happen first."""
        now, due = time.monotonic(), []
        if self._ready() and self._streaming() < self._settings.max_batch:
            due = [self._due_at(place) for place in self._turns.able()]
        if self._shots and not self._shots_ahead and self._pace.due > now:
            due.append(self._pace.due)
        return min((max(0.0, each - now) for each in due), default=None)

    def _due_at(self, place: Place) -> float:
        return self._pace.due_at(place, self._settings.ahead_of_rate == "all")

    @property
    def _shots_ahead(self) -> bool:
        """Whether one-shot queries need not wait for the rate, nor count in it."""
        return self._settings.ahead_of_rate != "none"

    def _shot_may_run(self, now: float) -> bool:
        """Tell whether a one-shot query may run now: one at a time, and not twice before the stream had its turn."""
        if not self._shots_ahead and self._pace.due > now:
            return False
        shots = len(self._running) - self._streaming()
        if not self._turns.places:
            return shots <= self._settings.max_batch
        streaming = self._streaming() > 0 or any(self._due_at(place) <= now for place in self._turns.able())
        return shots == 0 and not (self._stream_owed and streaming and self._ready())

    def _streaming(self) -> int:
        return sum(not query.shot for query in self._running.values())

    def _ready(self) -> bool:
        return all(link.state.state == "ready" for link in self._links)

    def _take_in(self, frame: Frame) -> None:
        before = self.slots[frame.camera].newest
        anew = before is not None and before.lap < frame.lap
        self.slots[frame.camera].put(frame)
        self._turns = self._turns.came(frame.camera, anew)
        if anew:
            self._cancel(lambda query: query.frame.camera == frame.camera and not query.shot)
            self._wish(place for place in self._turns.places if place.camera == frame.camera)

    def _obey(self, places: tuple[Place, ...]) -> None:
        before = self._turns.places
        if places != before:
            self._turns, self._pace = self._turns.serving(places), self._pace.kept(places)
            self._wish(place for place in places if place not in before)
            self._cancel(lambda query: not query.shot and query.place not in places)
        if not places:
            for link in self._links:
                link.rest()

    def _wish(self, places: Iterable[Place]) -> None:
        self._pace = self._pace.wished(places, time.monotonic(), self._settings.refresh_interval)

    def _rest(self) -> None:
        self._obey(())
        self.slots.update({camera: Slot() for camera in self.slots})
        self._turns = self._turns.cleared()
        waiting = list(self._shots)
        self._shots.clear()
        self._cancel(lambda query: True)
        for query in waiting:
            query.post(_cancelled(query))

    def _cancel(self, which: Callable[[Query], bool]) -> None:
        for task, query in self._running.items():
            if which(query):
                task.cancel()

    def _ended(self, task: asyncio.Task[Result]) -> None:
        query = self._running.pop(task)
        self._stream_owed = query.shot
        if not query.shot:
            self._turns = self._turns.ended(query.place)
        self._news.set()
        query.post(_cancelled(query) if task.cancelled() else task.result())


def _cancelled(query: Query) -> Result:
    now = time.monotonic()
    return Result(query.place.target, query.frame, now, 1000.0 * (now - query.frame.arrived), reason="cancelled")


async def _within(happening: Coroutine[Any, Any, Any], seconds: float | None) -> None:
    """Wait for something, but so many seconds at most (None: without end)."""
    try:
        await asyncio.wait_for(happening, seconds)
    except asyncio.TimeoutError:  # another class than TimeoutError on Python 3.10
        return

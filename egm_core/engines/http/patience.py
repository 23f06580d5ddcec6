"""Bounds what a task waits for, as `asyncio.timeout` does, which Python 3.10 lacks."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """A block that ends in TimeoutError after so many seconds (None: never); `end_in` sets another end meanwhile."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._over = False
        self._wanted = 0

    def end_in(self, seconds: float | None) -> None:
        """End the block so many seconds from now; None: never."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._end)

    async def __aenter__(self) -> Patience:
        self._task = asyncio.current_task()
        # Since 3.11 a task counts who wants its end: somebody else may, too.
        self._wanted = getattr(self._task, "cancelling", int)()
        self.end_in(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end_in(None)
        if not self._over:
            return
        others = getattr(self._task, "uncancel", int)() > self._wanted
        if kind is asyncio.CancelledError and not others:
            raise TimeoutError from error

    def _end(self) -> None:
        self._over = True
        if self._task is not None:
            self._task.cancel()

"""How many questions are under way at a server: more while it answers, half as many when it is busy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """A limit that adapts, from `start` and never above `most`: one more each round, half at trouble.

    Troubles of questions that were sent before the last cut are of that cut, and do not cut again.
    """

    def __init__(self, start: int, most: int) -> None:
        self.limit = float(min(start, most))
        self.most = most
        self.under_way = 0
        self.highest = 0
        self._cuts = 0
        self._room = asyncio.Condition()

    async def enter(self, most: Callable[[], int | None] = lambda: None) -> int:
        """Wait for room, within what `most` says while it waits, if anything; gives what `leave` needs to know."""
        async with self._room:
            await self._room.wait_for(lambda: self.under_way < min(int(self.limit), most() or self.most))
            self.under_way += 1
            self.highest = max(self.highest, self.under_way)
            return self._cuts

    async def leave(self, entered: int, trouble: bool | None) -> None:
        """Make room; `trouble` None says nothing of the server."""
        async with self._room:
            self.under_way -= 1
            if trouble is False:
                self.limit = min(self.most, self.limit + 1 / self.limit)
            elif trouble and entered == self._cuts:
                self.limit = max(1.0, self.limit / 2)
                self._cuts += 1
            self._room.notify_all()

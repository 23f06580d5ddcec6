"""Keeps pictures until their answer comes, bounded in time and in bytes, and knows why one is gone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from egm_core.streams.timeline import Stamp

LIMIT = 256 * 10**6
# Pictures stay as they came while these take no more than this part of the memory.
AS_THEY_CAME = 0.25


class PictureMemory:
    """The pictures of one camera by their moments, for `seconds` and in `limit` bytes at most.

    The newest stay as they came; older ones are replaced by what `pack` makes of them (None: they are of no use).
    """

    def __init__(
        self, seconds: float, limit: int = LIMIT, pack: Callable[[Any], Any | None] = lambda message: message
    ) -> None:
        self.seconds, self.limit = seconds, limit
        self.bytes = 0
        self._pack = pack
        self._pictures: OrderedDict[Stamp, Any] = OrderedDict()
        self._loose: OrderedDict[Stamp, int] = OrderedDict()
        self._crowded_out: Stamp | None = None

    def __len__(self) -> int:
        return len(self._pictures)

    def size(self, message: Any) -> int:
        """Give the bytes that a picture takes."""
        return len(message.data)

    def keep(self, moment: Stamp, message: Any) -> None:
        """Take in a picture; one of the same moment is replaced."""
        self._remove(moment)
        self._pictures[moment] = message
        self._loose[moment] = self.size(message)
        self.bytes += self._loose[moment]
        while len(self._loose) > 1 and sum(self._loose.values()) > AS_THEY_CAME * self.limit:
            self._make_small(next(iter(self._loose)))
        newest = max(self._pictures)
        while newest - next(iter(self._pictures)) > self.seconds * 1e9:
            self._remove(next(iter(self._pictures)))
        while len(self._pictures) > 1 and self.bytes > self.limit:
            self._crowded_out = next(iter(self._pictures))
            self._remove(self._crowded_out)

    @property
    def moments(self) -> tuple[Stamp, ...]:
        """The moments of the pictures that are here, as they came."""
        return tuple(self._pictures)

    @property
    def rate(self) -> float:
        """Pictures a second by their moments; 0 where that is not known yet."""
        span = (max(self._pictures) - min(self._pictures)) / 1e9 if self._pictures else 0.0
        return (len(self._pictures) - 1) / span if span else 0.0

    def at(self, moment: Stamp) -> Any | None:
        """Give the picture of a moment, if it is still here."""
        return self._pictures.get(moment)

    def crowded_out(self, moment: Stamp) -> bool:
        """Tell whether pictures of this moment had to go for want of memory."""
        return self._crowded_out is not None and moment <= self._crowded_out

    def fate(self, moment: Stamp) -> str:
        """Say why the picture of a moment is not here, with the remedy."""
        if not self._pictures:
            return "no picture has come"
        if self.crowded_out(moment):
            return f"its picture is gone: {len(self._pictures)} pictures fill {self.limit / 1e6:.0f} MB; raise memory"
        age = (max(self._pictures) - moment) / 1e9
        if age > self.seconds:
            return f"its picture is gone: it came {age:.1f} s before the newest; raise buffer ({self.seconds:g} s)"
        return "its picture never came here: images get lost on their way, or the image topic is another one"

    def clear(self) -> None:
        """Forget all pictures."""
        self._pictures.clear()
        self._loose.clear()
        self.bytes, self._crowded_out = 0, None

    def _make_small(self, moment: Stamp) -> None:
        message = self._pictures[moment]
        self.bytes -= self._loose.pop(moment)
        small = self._pack(message)
        if small is None:
            del self._pictures[moment]
            return
        self._pictures[moment] = small
        self.bytes += self.size(small)

    def _remove(self, moment: Stamp) -> None:
        message = self._pictures.pop(moment, None)
        if message is not None:
            self._loose.pop(moment, None)
            self.bytes -= self.size(message)

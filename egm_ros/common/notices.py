"""Logs a text once, at most so often, or where something has changed, by a clock that never jumps.

rclpy's own throttle is one for every line of code, whatever the text, and goes by a clock that may be set back.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Literal

Level = Literal["debug", "info", "warning", "error", "fatal"]
# What would move a terminal's cursor, or turn its letters around.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# No text is longer in the log (characters).
LONGEST = 4000
# The ROS logger that stands for every node of this package.
LOGGER = "egm"
# Seconds between two texts of one kind.
QUIET = 5.0
# So many changes of one thing within so many seconds are told.
CHANGES, CHANGES_SECONDS = 5, 10.0


def write(logger: Any, level: Level, text: str) -> None:
    """Log a text at a level; each level has a line of its own, for rclpy refuses a second level from one line.

    Instructions are other people's texts: what a terminal would obey is written out, and what is long is cut.
    """
    over = len(text) - LONGEST
    text = f"{text[: LONGEST // 2]}... ({over} characters left out) ...{text[-LONGEST // 2 :]}" if over > 0 else text
    text = _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text.encode("utf-8", "backslashreplace").decode())
    if level == "debug":
        logger.debug(text)
    elif level == "info":
        logger.info(text)
    elif level == "warning":
        logger.warning(text)
    elif level == "error":
        logger.error(text)
    else:
        logger.fatal(text)


class Notices:
    """What a node logs, and when it said so last; `key` names the kind of a text, and an empty text says nothing."""

    def __init__(self, logger: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.logger = logger
        self._clock = clock
        self._told: set[Hashable] = set()
        self._last: dict[Hashable, float] = {}
        self._kept_back: dict[Hashable, int] = {}
        self._states: dict[Hashable, Hashable] = {}
        self._changes: dict[Hashable, deque[float]] = {}

    def once(self, key: Hashable, text: str, level: Level = "warning") -> None:
        """Log a text, and never again one of this kind."""
        if text and key not in self._told:
            self._told.add(key)
            write(self.logger, level, text)

    def seldom(self, key: Hashable, text: str, level: Level = "warning", seconds: float = QUIET) -> None:
        """Log a text if none of its kind was logged within so many seconds; the next one says how many were not."""
        if not text:
            return
        now = self._clock()
        if key in self._last and now - self._last[key] < seconds:
            self._kept_back[key] = self._kept_back.get(key, 0) + 1
            return
        self._last[key] = now
        more = self._kept_back.pop(key, 0)
        write(self.logger, level, f"{text} (and {more} more of this kind before)" if more else text)

    def change(self, key: Hashable, state: Hashable, text: str, level: Level = "info") -> bool:
        """Log a text where this is another state than before, and say if it is.

        Where states alternate fast, not each change is told. A text told here counts for `seldom` too.
        """
        if key in self._states and self._states[key] == state:
            return False
        self._states[key] = state
        now, told = self._clock(), self._changes.setdefault(key, deque(maxlen=CHANGES))
        self._last[key] = now
        if not text or (len(told) == CHANGES and now - told[0] < CHANGES_SECONDS):
            return True
        told.append(now)
        often = len(told) == CHANGES and now - told[0] < CHANGES_SECONDS
        write(self.logger, level, f"{text} (it changes often, not every change is told)" if often else text)
        return True

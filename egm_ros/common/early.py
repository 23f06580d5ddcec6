"""Has a node end quietly when it is told to while its modules are still being imported.

Nothing is set up then that would have to be put away; Python itself would print a traceback from the middle of an
import. `StopRequest` takes over once the node starts.
"""

from __future__ import annotations

import os
import signal
from types import FrameType


def end_quietly() -> None:
    """Have SIGINT and SIGTERM end this process at once, with status 0, until other handlers are set."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(0)

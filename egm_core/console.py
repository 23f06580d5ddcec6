"""Ends a command as its user expects: a reader that has seen enough, and Ctrl-C, are no errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

# What a shell reports of a program that SIGPIPE or SIGINT ended.
CLOSED_PIPE, INTERRUPTED = 141, 130


def finish(main: Callable[[], int | None]) -> int:
    """Run a command and give its exit status; a closed pipe (`| head`) ends it quietly, and Ctrl-C in a word."""
    try:
        try:
            return main() or 0
        finally:
            # What is still in the buffer would fail in Python's own end, out of reach.
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _silence() -> None:
    """Send what is still to be written nowhere, for nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())

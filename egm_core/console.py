"""Ends a command as its user expects, with one rule of exit statuses for all of them.

0: done. 2: what was typed or given cannot be used, or a library for it is missing. 1: it failed while it worked.
130: Ctrl-C. 141: whoever read the output closed it (`| head`).
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable

FAILED, WRONG = 1, 2
# What a shell reports of a program that SIGPIPE or SIGINT ended.
CLOSED_PIPE, INTERRUPTED = 141, 130
# Values, and files and folders of which a name was given.
GIVEN = (
    ValueError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# What the system says of a file, in plain words, and what to do.
_TOLD: dict[type[OSError], str] = {
    FileNotFoundError: "no such file or folder",
    IsADirectoryError: "that is a folder",
    NotADirectoryError: "a part of that path is a file, not a folder",
}
_REMEDIES: dict[type[OSError], str] = {
    FileNotFoundError: "; look at how it is written, and from which folder",
    IsADirectoryError: "; name a file in it",
    PermissionError: "; this user may not",
}
_FULL = dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "; make room there, and run the same command again")
_log = logging.getLogger("egm.command")


def attempt(work: Callable[[], int | None]) -> int:
    """Do a command's work and give its exit status; an error is said in the command's own words."""
    try:
        return work() or 0
    except BrokenPipeError:
        raise
    except (OSError, ValueError, ArithmeticError, RuntimeError) as error:
        _log.error("%s", in_words(error))
        _log.debug("%s", traceback.format_exc())
        return WRONG if isinstance(error, GIVEN) else FAILED


def in_words(error: Exception) -> str:
    """Say an error for people: one of the system's as its file and what is wrong with it, without its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        remedy = next((words for kind, words in _REMEDIES.items() if isinstance(error, kind)), "")
        remedy = remedy or _FULL.get(error.errno or 0, "")
        return f"{names}: {_TOLD.get(type(error)) or error.strerror.lower()}{remedy}"
    return str(error) or type(error).__name__


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
        _log.error("interrupted")
        return INTERRUPTED
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing.startswith("egm_"):
            raise
        _log.error("needs %s, which this Python lacks; egm doctor says what each job needs", missing)
        return WRONG


def _silence() -> None:
    """Send what is still to be written nowhere, for nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())

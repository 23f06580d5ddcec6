"""Files that appear when they are complete, and that one command writes at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass
class _Set:
    """Files of one set that are complete and wait for each other, and files that do not belong to it any more."""

    parts: list[tuple[Path, Path, int]] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)


_set: ContextVar[_Set | None] = ContextVar("set", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Have all files that are `written` in the block take their names at its end, one right after the other.

    Until then the files of an earlier run stay as they are, and they do where the block fails or is killed. The first
    that was written takes its name last. A kill in the few microseconds between the first and the last name leaves
    files of both runs: no file system renames several at once.
    """
    mine = _Set()
    token = _set.set(mine)
    try:
        yield
        for path in mine.gone:
            path.unlink(missing_ok=True)
        for path, part, _ in reversed(mine.parts):
            os.replace(part, path)
    except BaseException:
        for _, part, _ in mine.parts:
            part.unlink(missing_ok=True)
        raise
    finally:
        _set.reset(token)
        for _, _, descriptor in mine.parts:
            os.close(descriptor)


def dropped(path: Path) -> None:
    """Delete a file that an earlier run left, with the others of its set where there is one."""
    waiting = _set.get()
    if waiting is None:
        path.unlink(missing_ok=True)
    else:
        waiting.gone.append(path)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes its own name when the block ends well and goes away when it does not.

    In a block of `together` it takes its name when that ends. BlockingIOError where another process is writing the same
    file.
    """
    part = path.with_name(path.name + ".part")
    descriptor = _held(path, part)
    waiting, held = _set.get(), False
    try:
        try:
            yield part
        except BaseException as error:
            part.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
                # Where a disk is full, the system does not say which file was written.
                error.filename = str(path)
            raise
        if waiting is None:
            os.replace(part, path)
        else:
            waiting.parts.append((path, part, descriptor))
            held = True
    finally:
        if not held:
            os.close(descriptor)


def _held(path: Path, part: Path) -> int:
    while True:
        descriptor = os.open(part, os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise BlockingIOError(
                f"{path}: another command is writing this file; wait until it ends, or give another name"
            ) from error
        # The other may have ended in between, and its part has the file's name now.
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(part)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)

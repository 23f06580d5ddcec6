"""Files that appear when they are complete, and that one command writes at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes its own name when the block ends well and goes away when it does not.

    BlockingIOError where another process is writing the same file.
    """
    part = path.with_name(path.name + ".part")
    descriptor = _held(path, part)
    try:
        try:
            yield part
        except BaseException as error:
            part.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None and error.errno in FULL:
                # Where a disk is full, the system does not say which file was written.
                error.filename = str(path)
            raise
        os.replace(part, path)
    finally:
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

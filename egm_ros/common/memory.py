"""Reads how much memory processes hold, from Linux's /proc, and keeps this one's from going up and down."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

# Numbers of glibc's mallopt(3), and the most that it takes for the second.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 256 * 1024 * 1024
_LARGEST = 32 * 1024 * 1024


def keep_freed() -> bool:
    """Have memory that was freed kept for the next image, not given back to the system and asked for again.

    An image is megabytes, and sixty of them a second come and go. False where the C library is another than glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT) and mallopt(_MMAP_THRESHOLD, _LARGEST))


def resident(pid: int) -> int:
    """Give a process's resident memory in bytes; 0 where it is gone or there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def below(pid: int) -> list[int]:
    """List the processes that descend from one; empty where there is no /proc."""
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end meanwhile; the others have children, too.
            with suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return [process for child in children for process in (child, *below(child))]


def resident_tree(pid: int) -> int:
    """Give the resident memory in bytes of a process and all that descends from it; shared pages count each time."""
    return sum(resident(process) for process in (pid, *below(pid))) if pid else 0

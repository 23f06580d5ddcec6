"""What tests ask about processes and time, with or without ROS."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

# Not a claim of any test: DDS may need several of its periods of 3 s until a busy machine's nodes know each other.
PATIENCE = 60.0


def wait_for(what: str, condition: Callable[[], Any], timeout: float = PATIENCE) -> Any:
    """Wait until a condition gives something true and return that; fail by name after the timeout."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise AssertionError(f"{what}: not within {timeout:g} s")


def alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """List the processes below a process, children first."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end meanwhile; the others have children, too.
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found + [below for child in found for below in descendants(child)]

"""Says whether the process that started this one has ended, so that a node does not outlive its launch.

`ros2 launch` and `ros2 run` take nobody with them when they are killed, or told to end by SIGTERM. A node therefore
ends with its parent, except where it is common to leave a process behind: one that a shell started (`... &` in a
script that ends), one that leads a session of its own (`setsid`), and one that the system's first process started.
"""

from __future__ import annotations

import os
from pathlib import Path

# Read as early as this package is imported: a parent that ends while rclpy is loaded has ended, too.
FIRST = os.getppid()
SHELLS = ("sh", "ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "tcsh", "zsh")


def ends_with_parent() -> bool:
    """Say whether this process is to end when its parent does."""
    return FIRST > 1 and os.getsid(0) != os.getpid() and _name(FIRST) not in (*SHELLS, "")


def parent_gone() -> bool:
    """Say whether the parent has ended: its children then belong to another process."""
    return os.getppid() != FIRST


def _name(pid: int) -> str:
    """Give a process's name; empty where it has ended, or where the system has no /proc."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        # An ended parent is seen by `parent_gone`, whatever it was.
        return "" if not parent_gone() else "ended"

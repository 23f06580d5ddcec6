"""What is called when a process or the launch ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class OnProcessExit:
    """Called when an action's process has ended."""

    def __init__(self, *, target_action: Any, on_exit: Callable[[Any, Any], Any]) -> None:
        self.target_action, self.call = target_action, on_exit


class OnShutdown:
    """Called when the launch begins to end."""

    def __init__(self, *, on_shutdown: Callable[[Any, Any], Any]) -> None:
        self.call = on_shutdown

"""Text that is known once the launch runs."""

from __future__ import annotations

import os
from typing import Any

from launch import LaunchContext


class LaunchConfiguration:
    """An argument's value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def perform(self, context: LaunchContext) -> str:
        """Give the text."""
        if self.name not in context.launch_configurations:
            raise RuntimeError(f"launch configuration '{self.name}' does not exist")
        return context.launch_configurations[self.name]


class PathJoinSubstitution:
    """Parts of a path."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts

    def perform(self, context: LaunchContext) -> str:
        """Give the text."""
        return os.path.join(*(context.text(part) for part in self.parts))

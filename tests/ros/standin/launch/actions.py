"""Actions that start no process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from launch import LaunchContext, LaunchDescriptionEntity


class DeclareLaunchArgument(LaunchDescriptionEntity):
    """An argument: its default holds unless it is given, and its value is one of the choices."""

    def __init__(self, name: str, *, default_value: Any, description: str, choices: list[str] | None = None) -> None:
        self.name, self.default_value, self.choices = name, default_value, choices
        self.description = description + (f" Valid choices are: {choices}" if choices else "")
        if choices and default_value not in choices:
            raise ValueError(f"Provided default_value '{default_value}' is not in provided choices '{choices}'.")

    def execute(self, context: LaunchContext) -> None:
        """Check the value that was given, or take the default."""
        values = context.launch_configurations
        values.setdefault(self.name, context.text(self.default_value))
        if self.choices and values[self.name] not in self.choices:
            raise RuntimeError(
                f'Argument "{self.name}" provided value "{values[self.name]}" is not valid. Valid'
                f" options are: {self.choices}"
            )


class OpaqueFunction(LaunchDescriptionEntity):
    """A function that gives entities."""

    def __init__(self, *, function: Callable[[LaunchContext], list[LaunchDescriptionEntity] | None]) -> None:
        self.function = function

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Call it."""
        return self.function(context)


class SetEnvironmentVariable(LaunchDescriptionEntity):
    """A variable for the processes that are started after it."""

    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        os.environ[self.name] = context.text(self.value)


class LogInfo(LaunchDescriptionEntity):
    """A line of the log."""

    def __init__(self, *, msg: Any) -> None:
        self.msg = msg

    def execute(self, context: LaunchContext) -> None:
        """Print it."""
        print(f"[INFO] [launch.user]: {context.text(self.msg)}", flush=True)


class RegisterEventHandler(LaunchDescriptionEntity):
    """Has a handler called from now on."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def execute(self, context: LaunchContext) -> None:
        """Register it."""
        context.handlers.append(self.handler)


class Shutdown(LaunchDescriptionEntity):
    """Ends the launch; the exit status stays what it was."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason

    def execute(self, context: LaunchContext) -> None:
        """Ask for it."""
        context.is_shutdown = True

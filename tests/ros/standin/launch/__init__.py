"""Stand-in of ROS 2's launch; see the README beside it."""

from __future__ import annotations

from typing import Any


class LaunchContext:
    """What actions see: the command line, the arguments' values, and whether the launch ends."""

    def __init__(self, argv: list[str]) -> None:
        self.argv = argv
        self.noninteractive = False
        self.is_shutdown = False
        self.launch_configurations: dict[str, str] = {}
        self.processes: list[Any] = []
        self.handlers: list[Any] = []

    def text(self, value: Any) -> str:
        """Resolve text, a substitution, or a list of them."""
        if isinstance(value, (list, tuple)):
            return "".join(self.text(each) for each in value)
        return value if isinstance(value, str) else value.perform(self)


class LaunchDescriptionEntity:
    """Anything that can be executed; what it gives is executed next."""

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity] | None:
        """Do it."""
        return None


class LaunchDescription(LaunchDescriptionEntity):
    """A list of entities."""

    def __init__(self, entities: list[LaunchDescriptionEntity]) -> None:
        self.entities = entities

    def execute(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Give the entities."""
        return self.entities

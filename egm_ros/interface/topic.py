"""What a topic, a service and an action of a node is; the tables of this package list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
BOXES_TYPE = "vision_msgs/msg/Detection2DArray"


@dataclass(frozen=True)
class Topic:
    """One topic: its name, type, direction, quality of service and meaning.

    It is `asked` for by a parameter where it is not there by itself.

    In a name, `<cam>` stands for a camera's name where `cameras` gives one, and vanishes otherwise.
    """

    name: str
    type: str
    direction: Literal["in", "out"]
    description: str
    reliable: bool = True
    latched: bool = False
    depth: int = 1
    asked: bool = False

    def of(self, camera: str) -> str:
        """Give the topic's name for a camera; an empty name is the one camera without a name."""
        return self.name.replace("<cam>/", f"{camera}/" if camera else "")

    @property
    def quality(self) -> str:
        """Say the quality of service in words."""
        reliability = "reliable" if self.reliable else "best effort"
        return f"{reliability}, {'transient local' if self.latched else 'volatile'}, last {self.depth}"


@dataclass(frozen=True)
class Service:
    """One service: its name, type and meaning."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Action:
    """One action: its name, type and meaning."""

    name: str
    type: str
    description: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Name the topics and services that it is made of, which are what a remapping renames."""
        ends = ("send_goal", "cancel_goal", "get_result", "feedback", "status")
        return tuple(f"{self.name}/_action/{end}" for end in ends)

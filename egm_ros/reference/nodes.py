"""The reference page of each node: topics, services, actions, parameters, keys of its status."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from egm_ros.interface import camera, grounding, lifting, overlay, propagation
from egm_ros.interface.parameter import ParameterSpec, Value
from egm_ros.interface.tables import TABLES
from egm_ros.interface.topic import Action, Service, Topic
from egm_ros.reference.markdown import code, page, section, table


@dataclass(frozen=True)
class Node:
    """What a node's page is made of."""

    name: str
    summary: str
    topics: tuple[Topic, ...]
    services: tuple[Service, ...] = ()
    actions: tuple[Action, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)

    def page(self) -> str:
        """Make the node's page."""
        start = f"```\nros2 run egm_ros {self.name}\npython -m egm_ros.{self.name}     # without colcon\n```"
        return page(
            f"The {self.name} node",
            f"{self.summary}\n\n{start}",
            section("Subscribes to", topics(self.topics, "in")),
            section("Publishes", topics(self.topics, "out")),
            section("Services", calls("Service", self.services)),
            section("Actions", calls("Action", self.actions)),
            section("Parameters", f"{LIVE}\n\n{parameters(TABLES[self.name])}"),
            section("Keys of its status", keys(self.keys)),
        )


LIVE = "*Live* parameters can be changed while the node runs. All others are read when the process starts."
NODES = (
    Node(
        "grounding",
        "Asks the engine about the newest image, and publishes the visible box and the amodal box. "
        "`<cam>` stands for a camera's name, and vanishes where `cameras` gives none.",
        grounding.TOPICS,
        grounding.SERVICES,
        grounding.ACTIONS,
        grounding.STATUS_KEYS,
    ),
    Node(
        "propagation",
        "Carries the boxes of an answer to every newer image.",
        propagation.PROPAGATION_TOPICS,
        keys=propagation.PROPAGATION_KEYS,
    ),
    Node("lifting", "Makes 3D boxes from boxes and depth.", lifting.LIFTING_TOPICS, keys=lifting.LIFTING_KEYS),
    Node("overlay", "Draws boxes into the camera's images.", overlay.OVERLAY_TOPICS),
    Node("camera", "Publishes images of a clip, a file, a bag, a webcam or a rendered scene.", camera.CAMERA_TOPICS),
)


def topics(entries: Iterable[Topic], direction: str) -> str:
    """Make the table of the topics of one direction."""
    return table(
        ("Topic", "Type and quality of service", "Meaning"),
        (
            (code(topic.name), f"{topic.type.replace('/msg/', '/')}; {topic.quality}", topic.description)
            for topic in entries
            if topic.direction == direction
        ),
    )


def calls(kind: str, entries: Iterable[Service | Action]) -> str:
    """Make the table of services, or of actions."""
    return table(
        (kind, "Type", "Meaning"),
        ((code(entry.name), re.sub("/(srv|action)/", "/", entry.type), entry.description) for entry in entries),
    )


def parameters(entries: Iterable[ParameterSpec]) -> str:
    """Make the table of parameters."""
    return table(
        ("Parameter", "Default", "Allowed", "Live", "Meaning"),
        (
            (
                code(spec.name),
                code(literal(spec.default)),
                spec.constraint,
                "yes" if spec.live else "",
                spec.description,
            )
            for spec in entries
        ),
    )


def keys(entries: Mapping[str, str]) -> str:
    """Make the table of a status's keys."""
    return table(("Key", "Meaning"), ((code(name), meaning) for name, meaning in entries.items()))


def literal(value: Value) -> str:
    """Write a default as a parameter file would."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(f"'{entry}'" for entry in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)

"""What each node of this package has, by the node's name: parameters, topics, services, actions. No ROS here."""

from __future__ import annotations

from egm_ros.interface.camera import CAMERA_PARAMETERS, CAMERA_TOPICS
from egm_ros.interface.grounding import ACTIONS, SERVICES, TOPICS
from egm_ros.interface.lifting import LIFTING_PARAMETERS, LIFTING_TOPICS
from egm_ros.interface.overlay import OVERLAY_PARAMETERS, OVERLAY_TOPICS
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.propagation import PROPAGATION_PARAMETERS, PROPAGATION_TOPICS
from egm_ros.interface.settings import GROUNDING
from egm_ros.interface.topic import Action, Service, Topic

TABLES: dict[str, tuple[ParameterSpec, ...]] = {
    "grounding": GROUNDING,
    "overlay": OVERLAY_PARAMETERS,
    "propagation": PROPAGATION_PARAMETERS,
    "lifting": LIFTING_PARAMETERS,
    "camera": CAMERA_PARAMETERS,
}
NAMES: dict[str, tuple[Topic | Service | Action, ...]] = {
    "grounding": (*TOPICS, *SERVICES, *ACTIONS),
    "overlay": OVERLAY_TOPICS,
    "propagation": PROPAGATION_TOPICS,
    "lifting": LIFTING_TOPICS,
    "camera": CAMERA_TOPICS,
}
EVERY = tuple(spec for table in TABLES.values() for spec in table)


def owners(name: str) -> list[str]:
    """Name the nodes that have a parameter of this name."""
    return [node for node, table in TABLES.items() if any(spec.name == name for spec in table)]

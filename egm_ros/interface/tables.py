"""The parameter table of each node of this package, by the node's name; nothing here imports ROS."""

from __future__ import annotations

from egm_ros.interface.camera import CAMERA_PARAMETERS
from egm_ros.interface.lifting import LIFTING_PARAMETERS
from egm_ros.interface.overlay import OVERLAY_PARAMETERS
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.propagation import PROPAGATION_PARAMETERS
from egm_ros.interface.settings import GROUNDING

TABLES: dict[str, tuple[ParameterSpec, ...]] = {
    "grounding": GROUNDING,
    "overlay": OVERLAY_PARAMETERS,
    "propagation": PROPAGATION_PARAMETERS,
    "lifting": LIFTING_PARAMETERS,
    "camera": CAMERA_PARAMETERS,
}
EVERY = tuple(spec for table in TABLES.values() for spec in table)


def owners(name: str) -> list[str]:
    """Name the nodes that have a parameter of this name."""
    return [node for node, table in TABLES.items() if any(spec.name == name for spec in table)]

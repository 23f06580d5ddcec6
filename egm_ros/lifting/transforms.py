"""Where one frame lies in another at a stamp, from tf2, which a ROS installation brings."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from egm_core.lifting.box3d import Quaternion, Vector3


class Transforms:
    """Listens to /tf and /tf_static for a node."""

    def __init__(self, node: Node) -> None:
        """Start listening; raise ValueError, naming the remedy, where there is no tf2_ros."""
        try:
            self._tf2 = importlib.import_module("tf2_ros")
        except ImportError as error:
            raise ValueError(
                f"target_frame: needs tf2_ros ({error}): sudo apt install ros-$ROS_DISTRO-tf2-ros-py, or leave"
                " target_frame empty for boxes in the camera's optical frame"
            ) from error
        self._buffer: Any = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, node)
        self.problem = ""

    def clear(self) -> None:
        """Forget what moves: tf2 would refuse what comes after time went back, as older than what it has."""
        self._buffer.clear()

    def at(self, target: str, header: Header) -> tuple[Vector3, Quaternion] | None:
        """Give where a header's frame lies in `target` at its stamp, and how it is turned.

        None where that is not known, or not yet; `problem` says why.
        """
        try:
            found = self._buffer.lookup_transform(target, header.frame_id, Time.from_msg(header.stamp)).transform
        except self._tf2.TransformException as error:
            self.problem = str(error)
            return None
        shift, turn = found.translation, found.rotation
        return (shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w)

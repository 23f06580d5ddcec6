"""The verbs that this package adds to the command `egm`; they are offered where ROS is."""

from __future__ import annotations

from egm_core.command.verbs import Verb

_ROS = ("rclpy",)
_REMEDY = "source /opt/ros/DISTRO/setup.bash first, or run make setup in a checkout"

VERBS = (
    Verb("demo", "show grounding on two clips, with a robot's processes", "egm_ros.demo.__main__", _ROS, _REMEDY),
    Verb("record", "record what the demonstration's nodes publish, as MCAP", "egm_ros.demo.record", _ROS, _REMEDY),
)

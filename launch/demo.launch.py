"""Starts a camera that replays a clip, the grounding node and the overlay.

For example:

    ros2 launch egm_ros demo.launch.py instruction:="the red mug"
    ros2 launch egm_ros demo.launch.py source:=scene world:=street rate:=2.0 lift:=true instruction:="the bus"
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction

from egm_ros.launching.arguments import given
from egm_ros.launching.camera import ARGUMENTS, camera, demonstration
from egm_ros.launching.grounding import nodes
from egm_ros.launching.large_images import large_images


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the nodes once the arguments' values are known."""
    robot = demonstration(given(context, ARGUMENTS, __file__))
    return [*large_images(robot, context), *camera(robot), *nodes(robot)]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch to `ros2 launch`."""
    return LaunchDescription([*(argument.declare() for argument in ARGUMENTS), OpaqueFunction(function=start)])

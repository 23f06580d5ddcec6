"""Starts the grounding node, and the nodes that follow it: overlay, propagation and lifting.

    ros2 launch egm_ros grounding.launch.py image:=/camera/image default_instruction:="the red mug"
    ros2 launch egm_ros grounding.launch.py cameras:=front,left image:=/{camera}/image_raw

With `cameras` the followers are started for each camera, in a namespace of its name: /front/overlay/image. Every
parameter of the grounding node is an argument; those of the others come from `params_file`.
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import OpaqueFunction

from egm_ros.launching.arguments import given
from egm_ros.launching.grounding import ARGUMENTS, Robot, nodes
from egm_ros.launching.large_images import large_images


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the nodes once the arguments' values are known."""
    robot = Robot.of(given(context, ARGUMENTS, __file__))
    return [*large_images(robot, context), *nodes(robot)]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch to `ros2 launch`."""
    return LaunchDescription([*(argument.declare() for argument in ARGUMENTS), OpaqueFunction(function=start)])

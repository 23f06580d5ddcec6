"""Shared memory for large images, by a profile of Fast DDS's own."""

from __future__ import annotations

from launch import LaunchDescriptionEntity
from launch.actions import SetEnvironmentVariable
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from egm_ros.launching.grounding import Robot

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def large_images(robot: Robot) -> list[LaunchDescriptionEntity]:
    """Set the profile for the nodes that are started after this, where it is asked for."""
    profile = PathJoinSubstitution([FindPackageShare("egm_ros"), "config", "fastdds_shm.xml"])
    return [SetEnvironmentVariable(name, profile) for name in VARIABLES if robot.true("large_images")]

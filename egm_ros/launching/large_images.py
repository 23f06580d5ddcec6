"""Room for large images, by settings of the middleware's own."""

from __future__ import annotations

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescriptionEntity
from launch.actions import LogInfo, SetEnvironmentVariable
from launch_ros.substitutions import FindPackageShare

from egm_ros.common.pictures.shared_memory import VARIABLES, profile_for
from egm_ros.launching.grounding import Robot


def large_images(robot: Robot, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Set the profile for the nodes that are started after this, where it is asked for."""
    if not robot.true("large_images"):
        return []
    middleware = os.environ.get("RMW_IMPLEMENTATION", "")
    folder = Path(FindPackageShare("egm_ros").perform(context)) / "config"
    settings = profile_for(middleware, str(folder), os.environ)
    if not settings:
        raise ValueError(f"large_images: there is no profile for {middleware}; leave it out, and see its documentation")
    said = ", ".join(f"{name}={value}" for name, value in settings.items())
    told = [] if VARIABLES[0] in settings else [LogInfo(msg=f"large_images, not measured with {middleware}: {said}")]
    return [*told, *(SetEnvironmentVariable(name, value) for name, value in settings.items())]

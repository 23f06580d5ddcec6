"""RViz, with this package's view of a robot."""

from __future__ import annotations

from collections.abc import Mapping

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from egm_ros.launching.topics import Topics


def viewer(texts: Mapping[str, str], topics: Topics, camera: str) -> Node:
    """Make RViz, its topics moved to the namespace and, of several cameras, the first."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise ValueError(
            "rviz:=true needs RViz, which is not installed: sudo apt install ros-$ROS_DISTRO-rviz2, or leave it out"
        ) from error
    outer = f"/{texts['namespace'].strip('/')}".rstrip("/")
    inner = f"{outer}/{camera}".rstrip("/")
    shown = {
        "/overlay/image": f"{inner}/overlay/image",
        "/lifting/markers": f"{inner}/lifting/markers",
        "/depth": topics.depth if topics.depth.startswith("/") else f"{outer}/{topics.depth}",
    }
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        namespace=texts["namespace"],
        remappings=[*shown.items()],
        arguments=[
            "-d",
            PathJoinSubstitution([FindPackageShare("egm_ros"), "config", "egm_ros.rviz"]),
            *(["-f", texts["target_frame"]] if texts["target_frame"] else []),
        ],
        output="screen",
    )

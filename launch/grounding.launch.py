"""Starts the grounding node, and the overlay with it.

    ros2 launch egm_ros grounding.launch.py image:=/camera/image default_instruction:="the red mug"
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("egm_ros")
# Arguments that stand for parameters of the same name; an empty one leaves the parameter file's value alone.
PARAMETERS = {
    "model": "Model: a folder, egm_tiny, or the name that the server at engine_url knows.",
    "engine_url": "OpenAI-compatible server to connect to; empty: start one.",
    "engine_command": "Command that starts the server, with {port} and {model} in it; empty: this package's own.",
    "default_instruction": "What to find until an instruction comes on the topic.",
}


def nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the nodes once the arguments' values are known."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    transport = value("transport")
    image = value("image") + ("/compressed" if transport == "compressed" else "")
    common = {"transport": transport, "use_sim_time": value("use_sim_time").lower() in ("true", "1")}
    given = {name: value(name) for name in PARAMETERS if value(name)}
    level = ["--ros-args", "--log-level", value("log_level")]
    return [
        Node(
            package="egm_ros",
            executable="grounding",
            name="grounding",
            namespace=value("namespace"),
            parameters=[value("params_file"), common | given],
            remappings=[("image", image), ("instruction", value("instruction"))],
            arguments=level,
            output="screen",
        ),
        Node(
            package="egm_ros",
            executable="overlay",
            name="overlay",
            namespace=value("namespace"),
            parameters=[
                PathJoinSubstitution([SHARE, "config", "overlay.yaml"]),
                common | {"propagated": value("propagate") == "true"},
            ],
            remappings=[("image", image)],
            arguments=level,
            output="screen",
            condition=IfCondition(LaunchConfiguration("overlay")),
        ),
        Node(
            package="egm_ros",
            executable="propagation",
            name="propagation",
            namespace=value("namespace"),
            parameters=[PathJoinSubstitution([SHARE, "config", "propagation.yaml"]), common],
            remappings=[("image", image)],
            arguments=level,
            output="screen",
            condition=IfCondition(LaunchConfiguration("propagate")),
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch to `ros2 launch`."""
    default_parameters = PathJoinSubstitution([SHARE, "config", "grounding.yaml"])
    profile = PathJoinSubstitution([SHARE, "config", "fastdds_shm.xml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
            DeclareLaunchArgument("image", default_value="image", description="Image topic."),
            DeclareLaunchArgument("instruction", default_value="instruction", description="Instruction topic."),
            DeclareLaunchArgument(
                "transport",
                default_value="raw",
                choices=["raw", "compressed"],
                description="Subscribe the image topic itself, or JPEG and PNG on <image>/compressed.",
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=description)
                for name, description in PARAMETERS.items()
            ),
            DeclareLaunchArgument(
                "params_file", default_value=default_parameters, description="Parameter file of the grounding node."
            ),
            DeclareLaunchArgument(
                "overlay", default_value="true", choices=["true", "false"], description="Start the overlay, too."
            ),
            DeclareLaunchArgument(
                "propagate",
                default_value="false",
                choices=["true", "false"],
                description="Start the propagation node, too: boxes carried to the newest image.",
            ),
            DeclareLaunchArgument(
                "large_images",
                default_value="false",
                choices=["true", "false"],
                description="Take 64 MB of shared memory for each node, so that large images get through Fast DDS.",
            ),
            DeclareLaunchArgument(
                "use_sim_time", default_value="false", choices=["true", "false"], description="Use /clock."
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="Least severe message that is logged.",
            ),
            *(
                SetEnvironmentVariable(name, profile, condition=IfCondition(LaunchConfiguration("large_images")))
                for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
            ),
            OpaqueFunction(function=nodes),
        ]
    )

"""Starts a camera that replays a clip, the grounding node and the overlay.

    ros2 launch egm_ros demo.launch.py instruction:="the red mug"
"""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("egm_ros")
CAMERA = {
    "source": "clip, folder, video, bag, webcam or scene.",
    "path": "Clip, folder, video or bag.",
    "world": "World of a rendered scene.",
}
PASSED_ON = ("namespace", "use_sim_time", "log_level", "params_file", "model", "engine_url", "propagate", "lift")


def camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Make the camera once the arguments' values are known."""
    given = {name: LaunchConfiguration(name).perform(context) for name in CAMERA}
    parameters = {name: value for name, value in given.items() if value}
    parameters["use_sim_time"] = LaunchConfiguration("use_sim_time").perform(context) == "true"
    return [
        Node(
            package="egm_ros",
            executable="camera",
            name="camera",
            namespace=LaunchConfiguration("namespace"),
            parameters=[PathJoinSubstitution([SHARE, "config", "camera.yaml"]), parameters],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the launch to `ros2 launch`."""
    grounding = PathJoinSubstitution([SHARE, "launch", "grounding.launch.py"])
    default_parameters = PathJoinSubstitution([SHARE, "config", "grounding.yaml"])
    passed_on = {name: LaunchConfiguration(name) for name in PASSED_ON}
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "instruction", default_value="the red mug", description="What to find until another comes on the topic."
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=f"Of the camera: {description}")
                for name, description in CAMERA.items()
            ),
            DeclareLaunchArgument("model", default_value="", description="Model: a folder, or egm_tiny."),
            DeclareLaunchArgument("engine_url", default_value="", description="Server to use; empty: start one."),
            DeclareLaunchArgument(
                "propagate",
                default_value="false",
                choices=["true", "false"],
                description="Carry boxes to the newest image, and draw them, too.",
            ),
            DeclareLaunchArgument(
                "lift",
                default_value="false",
                choices=["true", "propagated", "false"],
                description="Lift boxes to 3D, where the source knows its depth: source:=scene.",
            ),
            DeclareLaunchArgument(
                "params_file", default_value=default_parameters, description="Parameter file of the grounding node."
            ),
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
            DeclareLaunchArgument(
                "use_sim_time", default_value="false", choices=["true", "false"], description="Use /clock."
            ),
            DeclareLaunchArgument(
                "log_level",
                default_value="info",
                choices=["debug", "info", "warn", "error", "fatal"],
                description="Least severe message that is logged.",
            ),
            OpaqueFunction(function=camera),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(grounding),
                launch_arguments={
                    **passed_on,
                    "default_instruction": LaunchConfiguration("instruction"),
                    # The argument `instruction` of the included file is a topic, and is not to inherit ours.
                    "instruction": "instruction",
                }.items(),
            ),
        ]
    )

"""Starts the grounding node, and the nodes that follow it: overlay, propagation and lifting.

    ros2 launch egm_ros grounding.launch.py image:=/camera/image default_instruction:="the red mug"
    ros2 launch egm_ros grounding.launch.py cameras:=front,left image:=/{camera}/image_raw

With `cameras` the followers are started for each camera, in a namespace of its name: /front/overlay/image.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("egm_ros")
# Seconds; the node waits that long for its engine's end, a large model's memory takes its time to be freed.
ENGINE_ENDS = "12"
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

    common: dict[str, Any] = {
        "transport": value("transport"),
        "use_sim_time": value("use_sim_time").lower() in ("true", "1"),
    }
    given: dict[str, Any] = {name: value(name) for name in PARAMETERS if value(name)}
    cameras = [name for name in value("cameras").strip("[]").replace(",", " ").split() if name]
    if cameras:
        given["cameras"] = cameras
    images = [(image_of(camera), topic(value, "image", camera)) for camera in cameras or [""]]
    return [
        Node(
            package="egm_ros",
            executable="grounding",
            name="grounding",
            namespace=value("namespace"),
            parameters=[value("params_file"), common | given],
            remappings=[*images, ("instruction", value("instruction"))],
            arguments=["--ros-args", "--log-level", value("log_level")],
            output="screen",
            sigterm_timeout=ENGINE_ENDS,
        ),
        *(node for camera in cameras or [""] for node in followers(value, camera, common)),
        *([viewer(value, (cameras or [""])[0])] if value("rviz") == "true" else []),
    ]


def image_of(camera: str) -> str:
    """Give the grounding node's image topic for a camera."""
    return f"{camera}/image" if camera else "image"


def topic(value: Callable[[str], str], name: str, camera: str) -> str:
    """Give the topic that an argument names, for a camera: {camera} in it, or front/ before it, says whose it is."""
    given = value(name)
    if camera and "{camera}" not in given:
        if given.startswith("/"):
            raise ValueError(f"{name}: {given} is one topic for several cameras; write it as in /{{camera}}/{name}_raw")
        given = f"{camera}/{given}"
    suffix = "/compressed" if name == "image" and value("transport") == "compressed" else ""
    return given.replace("{camera}", camera) + suffix


def followers(value: Callable[[str], str], camera: str, common: dict[str, Any]) -> list[LaunchDescriptionEntity]:
    """Make the nodes that follow the grounding node, for one camera; those of a named one live in its namespace."""
    namespace = value("namespace").strip("/")

    def outer(name: str) -> str:
        """Give the name as seen from the namespace that the grounding node is in."""
        return "/".join(["", namespace, name] if namespace else ["", name]) if camera and name[0] != "/" else name

    def node(executable: str, remappings: dict[str, str], **parameters: Any) -> Node:
        boxes = {f"grounding/{kind}": outer(f"grounding/{camera}/{kind}") for kind in ("visible", "amodal") if camera}
        shared = {"grounding/instruction_active": outer("grounding/instruction_active")} if camera else {}
        return Node(
            package="egm_ros",
            executable=executable,
            name=executable,
            namespace="/".join(filter(None, (value("namespace"), camera))),
            parameters=[PathJoinSubstitution([SHARE, "config", f"{executable}.yaml"]), common | parameters],
            remappings=[*(boxes | shared | remappings).items()],
            arguments=["--ros-args", "--log-level", value("log_level")],
            output="screen",
        )

    image = {"image": outer(topic(value, "image", camera))}
    refresh = f"grounding/{camera}/refresh" if camera else "grounding/refresh"
    wanted = {name: value(name) == "true" for name in ("overlay", "propagate")}
    made = []
    if wanted["overlay"]:
        made.append(node("overlay", image, propagated=wanted["propagate"]))
    if wanted["propagate"]:
        made.append(node("propagation", image | {"~/lost": outer(refresh)}))
    if value("lift") != "false":
        depth = {name: outer(topic(value, name, camera)) for name in ("depth", "camera_info")}
        frame = {"target_frame": value("target_frame")} if value("target_frame") else {}
        carried = {f"grounding/{kind}": f"propagation/{kind}" for kind in ("visible", "amodal")}
        made.append(node("lifting", depth | (carried if value("lift") == "propagated" else {}), **frame))
    return made


def viewer(value: Callable[[str], str], camera: str) -> Node:
    """Make RViz with this package's view, its topics moved to the namespace and, of several cameras, the first."""
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        raise RuntimeError(
            "rviz:=true needs RViz, which is not installed: sudo apt install ros-$ROS_DISTRO-rviz2, or leave it out"
        ) from error
    outer = f"/{value('namespace').strip('/')}".rstrip("/")
    inner = f"{outer}/{camera}".rstrip("/")
    depth = topic(value, "depth", camera)
    shown = {
        "/overlay/image": f"{inner}/overlay/image",
        "/lifting/markers": f"{inner}/lifting/markers",
        "/depth": depth if depth.startswith("/") else f"{outer}/{depth}",
    }
    frame = ["-f", value("target_frame")] if value("target_frame") else []
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz",
        namespace=value("namespace"),
        remappings=[*shown.items()],
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "egm_ros.rviz"]), *frame],
        output="screen",
    )


def generate_launch_description() -> LaunchDescription:
    """Describe the launch to `ros2 launch`."""
    default_parameters = PathJoinSubstitution([SHARE, "config", "grounding.yaml"])
    profile = PathJoinSubstitution([SHARE, "config", "fastdds_shm.xml"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
            DeclareLaunchArgument(
                "cameras", default_value="", description="Cameras, such as front,left; empty: one without a name."
            ),
            DeclareLaunchArgument(
                "image",
                default_value="image",
                description="Image topic; with cameras {camera} stands for the name, else it comes first: front/image.",
            ),
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
                "lift",
                default_value="false",
                choices=["true", "propagated", "false"],
                description="Start the lifting node, too: 3D boxes from depth, of answers or of propagated boxes.",
            ),
            DeclareLaunchArgument(
                "depth", default_value="depth", description="Depth aligned to the image, for lift; named as image is."
            ),
            DeclareLaunchArgument(
                "camera_info", default_value="camera_info", description="Camera info of the image, for lift."
            ),
            DeclareLaunchArgument(
                "target_frame",
                default_value="",
                description="TF frame of the 3D boxes (needs tf2_ros); empty: the camera's optical frame.",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="false",
                choices=["true", "false"],
                description="Start RViz with the overlay's picture and the 3D boxes; needs rviz2.",
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

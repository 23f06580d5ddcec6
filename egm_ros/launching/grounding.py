"""The grounding node and those that follow it, as the launch files start them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from launch import LaunchDescriptionEntity
from launch.actions import LogInfo
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from egm_ros.common.notices import LOGGER
from egm_ros.interface.settings import GROUNDING
from egm_ros.launching import endings, presets
from egm_ros.launching.arguments import BOOLEAN, Argument, listed, namespace_name, parameter, truth, typed
from egm_ros.launching.parameter_file import ParameterFile
from egm_ros.launching.presets import PRESETS, Preset
from egm_ros.launching.topics import Topics
from egm_ros.launching.viewer import viewer

SHARE = FindPackageShare("egm_ros")
# Seconds; the node waits that long for its engine's end, a large model's memory takes its time to be freed.
ENGINE_ENDS = "12"
LONGEST_DELAY = 600.0
PARAMETERS = {spec.name: spec for spec in GROUNDING}

COMMON = (
    Argument("namespace", "Namespace of the nodes."),
    Argument(
        "params_file",
        "Parameter file of all the nodes, for what no argument is given.",
        PathJoinSubstitution([SHARE, "config", "grounding.yaml"]),
    ),
    Argument("use_sim_time", "Use /clock. Not given: as in params_file, else false.", choices=("", *BOOLEAN)),
    Argument(
        "log_level",
        "Least severe message that is logged; debug: of these nodes, without rcl's own.",
        "info",
        choices=("debug", "info", "warn", "error", "fatal"),
    ),
    Argument("overlay", "Start the overlay, too.", "true", BOOLEAN),
    Argument("propagate", "Start the propagation node, too: boxes carried to the newest image.", "false", BOOLEAN),
    Argument(
        "lift",
        "Start the lifting node, too: 3D boxes from depth, of answers or of propagated boxes.",
        "false",
        ("true", "propagated", "false", "True", "False"),
    ),
    Argument("target_frame", "TF frame of the 3D boxes (needs tf2_ros); empty: the camera's optical frame."),
    Argument("rviz", "Start RViz with the overlay's picture and the 3D boxes; needs rviz2.", "false", BOOLEAN),
    Argument(
        "large_images",
        "Get large images through: 64 MB of shared memory for each node with Fast DDS and Zenoh, a larger receive"
        " buffer with Cyclone DDS (only Fast DDS was measured). RMW_IMPLEMENTATION says which.",
        "false",
        BOOLEAN,
    ),
    Argument(
        "on_exit",
        "What follows when the grounding node ends: the launch ends, with exit status 1 unless the"
        " node's was 0, or nothing.",
        "shutdown",
        ("shutdown", "ignore"),
    ),
    Argument(
        "respawn",
        "Start a node anew when it ends; not the grounding node if it refuses its parameters.",
        "false",
        BOOLEAN,
    ),
    Argument("respawn_delay", "Seconds from a node's end until it is started anew (0 to 600), with respawn.", "2.0"),
)
STREAMS = (
    Argument(
        "camera",
        "Driver whose topics are taken for image, camera_info and depth where those are not given; cameras has the"
        " names that it gives several. docs/reference/presets.md lists them.",
        choices=("", *PRESETS),
    ),
    Argument(
        "image",
        "Image topic; with cameras {camera} stands for the name, else it comes first: front/image."
        " Not given: that of camera, else image.",
    ),
    Argument("compressed_image", "Image topic with transport:=compressed; empty: <image>/compressed."),
    Argument("instruction", "Instruction topic.", "instruction"),
    Argument(
        "depth",
        "Depth aligned to the image, for lift; named as image is. Not given: that of camera, else depth.",
    ),
    Argument("camera_info", "Camera info of the image, for lift. Not given: that of camera, else camera_info."),
)
ARGUMENTS = (*COMMON, *STREAMS, *(parameter(spec) for spec in GROUNDING))


@dataclass(frozen=True)
class Robot:
    """What is to be started: the arguments' text, and what the parameter file says.

    An argument that is not given leaves the parameter file's value alone.
    """

    texts: dict[str, str]
    file: ParameterFile

    @classmethod
    def of(cls, texts: dict[str, str]) -> Robot:
        """Read the parameter file and check all arguments; raise ValueError in one line."""
        robot = cls(texts, ParameterFile.read(texts["params_file"]))
        namespace_name(texts["namespace"])
        if robot.respawn_delay != 2.0 and not robot.true("respawn"):
            raise ValueError("respawn_delay: does nothing without respawn:=true")
        if texts["lift"] == "propagated" and not robot.true("propagate"):
            raise ValueError("lift: propagated boxes come from the propagation node: pass propagate:=true as well")
        lifts = texts["lift"].lower() != "false"
        needed = {
            "target_frame": lifts or robot.true("rviz"),
            "depth": lifts or robot.true("rviz"),
            "camera_info": lifts,
        }
        defaults = {argument.name: argument.default for argument in ARGUMENTS}
        for name, used in needed.items():
            if not used and texts.get(name, defaults[name]) != defaults[name]:
                raise ValueError(f"{name}: does nothing without lift:=true")
        robot.file.require(
            robot.full(name, camera)
            for name in ("grounding", "camera", *robot.followers)
            for camera in ("", *robot.cameras)
        )
        return robot.with_preset()

    def with_preset(self) -> Robot:
        """Take the topics of the driver that is named, where none is given by hand."""
        compressed = self.shared(self.full("grounding")).get("transport") == "compressed"
        robot = replace(self, texts=presets.filled(self.texts, any(self.cameras), compressed))
        preset = robot.preset
        if preset is not None and "lifting" in robot.followers and not robot.texts["depth"]:
            raise ValueError(
                f"lift: camera:={self.texts['camera']} has no depth: give depth, aligned to the image, or leave"
                " lift out"
            )
        return robot

    @property
    def preset(self) -> Preset | None:
        """The driver that is named."""
        return PRESETS.get(self.texts.get("camera", ""))

    def true(self, name: str) -> bool:
        """Say whether an argument is true."""
        return truth(self.texts[name])

    @property
    def respawn_delay(self) -> float:
        """How long after its end a node is started anew (seconds)."""
        text = self.texts["respawn_delay"]
        try:
            seconds = float(text)
        except ValueError:
            raise ValueError(f"respawn_delay: {text!r} is no number of seconds") from None
        if not 0.0 <= seconds <= LONGEST_DELAY:
            raise ValueError(f"respawn_delay: {text} is outside 0 to {LONGEST_DELAY:g} s")
        return seconds

    @property
    def given(self) -> dict[str, Any]:
        """The grounding node's parameters that were given as arguments, of their types."""
        return {name: typed(spec, self.texts[name]) for name, spec in PARAMETERS.items() if self.texts.get(name)}

    @property
    def cameras(self) -> list[str]:
        """The cameras' names; one without a name is empty."""
        if self.texts.get("cameras"):
            return listed(self.texts["cameras"]) or [""]
        return self.file.of(self.full("grounding")).get("cameras") or [""]

    @property
    def followers(self) -> list[str]:
        """The nodes that follow the grounding node, for each camera."""
        wanted = {
            "overlay": self.true("overlay"),
            "propagation": self.true("propagate"),
            "lifting": self.texts["lift"].lower() != "false",
        }
        return [name for name, start in wanted.items() if start]

    def full(self, name: str, camera: str = "") -> str:
        """Give a node's full name."""
        return "/" + "/".join(filter(None, (self.texts["namespace"].strip("/"), camera, name)))

    def shared(self, node: str) -> dict[str, Any]:
        """Give the settings that all nodes share, for one by its full name: the argument's, its own, or grounding's."""
        grounding, own = self.file.of(self.full("grounding")), self.file.of(node)
        values: dict[str, Any] = {}
        for name in ("transport", "use_sim_time", "autostart"):
            text, kept = self.texts.get(name), own.get(name, grounding.get(name))
            if text:
                values[name] = text if name == "transport" else truth(text)
            elif kept is not None:
                values[name] = kept
        return values

    def topics(self, node: str, camera: str) -> Topics:
        """Give the names of the topics of one camera, for a node by its full name."""
        return Topics(self.texts, camera, self.shared(node).get("transport") or "raw")

    def node(
        self, name: str, camera: str, parameters: dict[str, Any], remappings: dict[str, str], **options: Any
    ) -> Node:
        """Make a node of this package."""
        values = {
            name: ParameterValue(value, value_type=str) if isinstance(value, str) else value
            for name, value in parameters.items()
        }
        return Node(
            package="egm_ros",
            executable=name,
            name=name,
            namespace="/".join(filter(None, (self.texts["namespace"], camera))),
            parameters=[self.file.path, *([values] if values else [])],
            remappings=[*remappings.items()],
            arguments=["--ros-args", "--log-level", logged(self.texts["log_level"])],
            output="screen",
            respawn=self.true("respawn"),
            respawn_delay=self.respawn_delay,
            **options,
        )


def logged(level: str) -> str:
    """Give the option for a level: of debug, what nodes and core say; rcl's own would be hundreds of lines a second."""
    return f"{LOGGER}:={level}" if level == "debug" else level


def nodes(robot: Robot) -> list[LaunchDescriptionEntity]:
    """Make the grounding node and its followers, and what ends them."""
    full = robot.full("grounding")
    images = {topics.own_image: topics.image for topics in (robot.topics(full, camera) for camera in robot.cameras)}
    instruction = {"instruction": robot.topics(full, "").instruction}
    grounding = robot.node(
        "grounding", "", robot.shared(full) | robot.given, images | instruction, sigterm_timeout=ENGINE_ENDS
    )
    started = [grounding, *(follower(robot, name, camera) for camera in robot.cameras for name in robot.followers)]
    if robot.true("rviz"):
        started.append(viewer(robot.texts, robot.topics(full, robot.cameras[0]), robot.cameras[0]))
    guard = (
        [] if robot.texts["on_exit"] == "ignore" else [endings.with_node(grounding, "grounding", robot.true("respawn"))]
    )
    return [*heading(robot), *guard, endings.on_interrupt(started), *started]


def heading(robot: Robot) -> list[LaunchDescriptionEntity]:
    """Say which driver's topics are taken, and how that has to be started."""
    preset = robot.preset
    if preset is None:
        return []
    taken = ", ".join(f"{name} {robot.texts[name]}" for name in presets.STREAMS if robot.texts[name])
    return [LogInfo(msg=f"camera:={robot.texts['camera']}: {taken}; start the driver by: {preset.start}")]


def follower(robot: Robot, name: str, camera: str) -> Node:
    """Make a node that follows the grounding node, for one camera; that of a named one lives in its namespace."""
    full = robot.full(name, camera)
    topics, parameters = robot.topics(full, camera), robot.shared(full)
    remappings = topics.answers
    if name == "lifting":
        parameters.pop("transport", None)
        remappings |= {"depth": topics.depth, "camera_info": topics.camera_info}
        if robot.texts["lift"] == "propagated":
            remappings |= topics.carried
        if robot.texts["target_frame"]:
            parameters["target_frame"] = robot.texts["target_frame"]
        if robot.preset is not None and robot.preset.holds(robot.texts):
            kept = robot.file.of(full)
            parameters |= {name: value for name, value in robot.preset.parameters.items() if name not in kept}
    else:
        remappings |= {"image": topics.outer_image}
    if name == "overlay" and robot.true("propagate"):
        parameters["propagated"] = True
    if name == "propagation":
        remappings |= {"~/lost": topics.refresh}
    return robot.node(name, camera, parameters, remappings)

"""The camera of the demonstration's launch file, and that file's arguments."""

from __future__ import annotations

from typing import Any

from launch import LaunchDescriptionEntity

from egm_ros.interface.camera import CAMERA_PARAMETERS, HEEDED
from egm_ros.launching import endings
from egm_ros.launching.arguments import Argument, parameter, typed
from egm_ros.launching.grounding import COMMON, PARAMETERS, Robot

CAMERA = {spec.name: spec for spec in CAMERA_PARAMETERS}
# The demonstration has one camera and one phrase; the words of `transport` are those that all nodes know.
LEFT_OUT = ("cameras", "default_instruction", *CAMERA)
PHRASE = "the red mug"
ARGUMENTS = (
    Argument(
        "instruction",
        f"What to find until another comes on the topic. Not given: that of params_file, else {PHRASE}.",
    ),
    *(
        Argument(entry.name, f"Of the camera: {entry.description}", entry.default, entry.choices)
        for entry in map(parameter, CAMERA.values())
        if entry.name != "transport"
    ),
    *COMMON,
    *(parameter(spec) for name, spec in PARAMETERS.items() if name not in LEFT_OUT or name == "transport"),
)


def demonstration(texts: dict[str, str]) -> Robot:
    """Read and check the demonstration's arguments."""
    asked = {"default_instruction": texts["instruction"]}
    rest = {name: text for name, text in texts.items() if name != "instruction"}
    robot = Robot.of(rest | asked)
    kept = robot.file.of(robot.full("grounding"))
    known = texts["instruction"] or texts["instructions"] or kept.get("default_instruction") or kept.get("instructions")
    return robot if known else Robot.of(rest | {"default_instruction": PHRASE})


def camera(robot: Robot) -> list[LaunchDescriptionEntity]:
    """Make the camera; raise ValueError for an argument that its source does not heed."""
    full = robot.full("camera")
    values = {name: typed(spec, robot.texts[name]) for name, spec in CAMERA.items() if robot.texts.get(name)}
    kept = robot.file.of(full)
    source = values.get("source", kept.get("source", CAMERA["source"].default))
    for name, sources in HEEDED.items():
        if name in values and source not in sources:
            raise ValueError(f"{name}: does nothing with source:={source}; it is for source:={' or '.join(sources)}")
    if robot.texts["lift"].lower() != "false" and source != "scene":
        raise ValueError(f"lift: source:={source} knows no depth; source:=scene does")
    parameters: dict[str, Any] = robot.shared(full) | values
    parameters.pop("autostart", None)
    made = robot.node("camera", "", parameters, {})
    return [endings.on_interrupt([made]), made]

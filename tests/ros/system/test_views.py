"""The RViz and Foxglove views: every topic in them is published by a node, in that type, and can be subscribed so."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from egm_ros.interface import camera as camera_interface
from egm_ros.interface import grounding as interface
from egm_ros.interface import lifting as lifting_interface
from egm_ros.interface import overlay as overlay_interface
from egm_ros.interface import propagation as propagation_interface
from egm_ros.interface.topic import Topic

CONFIG = Path(__file__).resolve().parents[3] / "config"
NODES = {
    "camera": camera_interface.CAMERA_TOPICS,
    "grounding": interface.TOPICS,
    "propagation": propagation_interface.PROPAGATION_TOPICS,
    "overlay": overlay_interface.OVERLAY_TOPICS,
    "lifting": lifting_interface.LIFTING_TOPICS,
}
TYPES = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
}
WITHOUT_TOPIC = {"rviz_default_plugins/Axes", "rviz_default_plugins/TF"}
FRAME = next(spec.default for spec in camera_interface.CAMERA_PARAMETERS if spec.name == "frame_id")


def topics(direction: str) -> dict[str, Topic]:
    """The nodes' topics by their names without a namespace."""
    found = {}
    for node, table in NODES.items():
        for topic in table:
            if topic.direction == direction:
                name = topic.of("").replace("~", f"/{node}")
                found[name if name.startswith("/") else f"/{name}"] = topic
    return found


PUBLISHED = topics("out")


def test_rviz_shows_published_topics_as_they_are_offered() -> None:
    manager = yaml.safe_load((CONFIG / "egm_ros.rviz").read_text())["Visualization Manager"]
    shown = set()
    for display in manager["Displays"]:
        assert display["Enabled"] == display["Value"], display["Name"]
        if display["Class"] in WITHOUT_TOPIC:
            assert "Topic" not in display and display.get("Reference Frame", FRAME) == FRAME
            continue
        wanted = display["Topic"]
        offered = PUBLISHED[wanted["Value"]]
        assert offered.type == TYPES[display["Class"]]
        assert wanted["Reliability Policy"] == "Best Effort" or offered.reliable, wanted
        assert wanted["Durability Policy"] == "Volatile" or offered.latched, wanted
        shown.add(wanted["Value"])
    assert {"/overlay/image", "/lifting/markers"} <= shown
    assert manager["Global Options"]["Fixed Frame"] == FRAME
    assert manager["Views"]["Current"]["Target Frame"] == "<Fixed Frame>"


def layout() -> dict[str, Any]:
    return dict(json.loads((CONFIG / "egm_ros.foxglove.json").read_text()))


def leaves(tree: Any) -> Iterator[str]:
    """The panels of a layout's tree."""
    if isinstance(tree, str):
        yield tree
        return
    assert tree["direction"] in ("row", "column") and 10 <= tree["splitPercentage"] <= 90
    yield from leaves(tree["first"])
    yield from leaves(tree["second"])


def paths(panel: str, config: dict[str, Any]) -> list[str]:
    """The topics and message paths that a panel reads."""
    match panel.split("!")[0]:
        case "Image":
            return [config["imageMode"]["imageTopic"]]
        case "3D":
            return list(config["topics"])
        case "Plot":
            return [path["value"] for path in config["paths"]]
        case "DiagnosticSummary":
            return [config["topicToRender"]]
        case "Table":
            # It shows the first of what a path gives, so that this is the list itself.
            assert not config["topicPath"].endswith("]")
            return [f"{config['topicPath']}[:]"]
        case "RawMessages":
            return [config["topicPath"]]
        case "Publish":
            return []
    raise AssertionError(f"a panel that is not known here: {panel}")


def kind_at(kind: str, steps: str) -> str:
    """Follow a message path such as .detections[0].results[:] from a type to that of what is there."""
    for name, index in re.findall(r"\.(\w+)(\[(?:\d+|:)\])?", steps):
        package, _, message = kind.replace("/msg/", "/").rpartition("/")
        fields = getattr(importlib.import_module(f"{package}.msg"), message).get_fields_and_field_types()
        field = fields[name]
        inner = re.fullmatch(r"sequence<(.+)>", field)
        assert bool(inner) == bool(index), f"{name} is {field}"
        kind = inner[1] if inner else field
    return kind


def test_every_panel_of_the_layout_is_placed_once_and_reads_what_is_published() -> None:
    whole = layout()
    panels = list(leaves(whole["layout"]))
    assert len(panels) == len(set(panels)) and set(panels) == set(whole["configById"])
    read = set()
    for panel in panels:
        for path in paths(panel, whole["configById"][panel]):
            topic, steps = re.fullmatch(r"(/[\w/]+)(.*)", path).groups()  # type: ignore[union-attr]
            kind = kind_at(PUBLISHED[topic].type, steps)
            if panel.startswith("Plot!"):
                assert kind in ("float", "double"), path
            read.add(topic)
    assert {"/overlay/image/compressed", "/diagnostics", "/grounding/status", "/lifting/markers"} <= read
    assert any("score" in path["value"] for path in whole["configById"]["Plot!scores"]["paths"])


def test_the_publish_panel_gives_an_instruction() -> None:
    config = layout()["configById"]["Publish!instruction"]
    taken = topics("in")[config["topicName"]]
    assert taken.type == config["datatype"]
    assert set(json.loads(config["value"])) == {"data"}
    assert layout()["configById"]["3D!boxes"]["followTf"] == FRAME

"""The launch files: over the stand-in everywhere, and under the real `ros2 launch` from a colcon workspace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from launched import NOWHERE, Start, names
from launches import processes_with, wait_until
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from running import ScriptedEngine
from sensor_msgs.msg import CompressedImage
from vision_msgs.msg import Detection2DArray

from egm_ros.interface.tables import TABLES

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def ends(bench: Any, kind: str, topic: str) -> set[str]:
    """Name the nodes that publish or subscribe a topic."""
    found = getattr(bench.node, f"get_{kind}_info_by_topic")(topic)
    return {f"{end.node_namespace.rstrip('/')}/{end.node_name}" for end in found}


def parameters(bench: Any, node: str, *wanted: str) -> list[Any]:
    """Ask a node for its parameters' values."""
    client = bench.node.create_client(GetParameters, f"{node}/get_parameters")
    bench.until(client.service_is_ready, 60)
    asked = client.call_async(GetParameters.Request(names=list(wanted)))
    bench.until(asked.done)
    kinds = {1: "bool_value", 2: "integer_value", 3: "double_value", 4: "string_value", 9: "string_array_value"}
    return [getattr(value, kinds[value.type]) for value in asked.result().values]


@pytest.mark.parametrize("name", ["grounding", "demo"])
def test_every_argument_is_described(start: Start, name: str) -> None:
    launched = start(name, "--show-args")
    launched.ended(60)
    described = dict(re.findall(r"^ {4}'(\w+)':\n {8}(.+)$", launched.output, re.MULTILINE))
    assert {"namespace", "params_file", "use_sim_time", "log_level", "on_exit", "respawn"} <= set(described)
    assert "No description given" not in launched.output
    assert re.search(r"Valid choices are: \['debug'", described["log_level"])
    tables = {"grounding": TABLES["grounding"], "demo": (*TABLES["grounding"], *TABLES["camera"])}
    left_out = {"grounding": set(), "demo": {"cameras", "default_instruction"}}
    assert {spec.name for spec in tables[name]} - left_out[name] <= set(described)
    assert not left_out[name] & set(described)


def test_the_demo_launch_grounds_in_a_namespace_and_ends_on_interrupt(bench: Any, start: Start) -> None:
    boxes = bench.collect(Detection2DArray, "/robot/grounding/visible")
    drawn = bench.collect(CompressedImage, "/robot/overlay/image/compressed")
    engine = ScriptedEngine(bench.domain)
    try:
        settings = {"namespace": "robot", "instruction": "the white car", "path": "street", "engine_url": engine.url}
        launched = start("demo", "log_level:=warn", *(f"{name}:={value}" for name, value in settings.items()))
        bench.until(lambda: boxes and drawn, 60)
        (found,) = boxes[0].detections
        assert found.results[0].hypothesis.class_id == "the white car"
        assert boxes[0].header.frame_id == drawn[0].header.frame_id == "camera_optical_frame"
        launched.interrupt()
        assert launched.ended(40) == 0, launched.output
        assert "Traceback" not in launched.output
    finally:
        engine.stop()


def test_compressed_pictures_go_through_the_demo_launch(bench: Any, start: Start) -> None:
    start("demo", "transport:=compressed", NOWHERE, "log_level:=warn")
    bench.until(lambda: ends(bench, "subscriptions", "/image/compressed") >= {"/grounding"}, 60)
    bench.until(lambda: ends(bench, "publishers", "/image/compressed") == {"/camera"}, 60)
    assert not ends(bench, "publishers", "/image") and not ends(bench, "subscriptions", "/image")


def test_debug_is_what_the_nodes_say_and_not_rcl(bench: Any, start: Start) -> None:
    bench.collect(CompressedImage, "/robot/overlay/image/compressed")
    launched = start("grounding", NOWHERE, "namespace:=robot", "log_level:=debug")
    wait_until(lambda: "someone looks at the pictures" in launched.output, 60)
    told = [line for line in launched.output.splitlines() if "[DEBUG]" in line]
    assert any("[robot.overlay]" in line for line in told), launched.output
    assert not [line for line in told if "[robot." not in line]


FILE = """
/**/grounding:
  ros__parameters: {max_rate: 7.5, engine_url: 'http://127.0.0.1:9', transport: compressed, cameras: [front, left]}
/**:
  ros__parameters: {use_sim_time: true}
front:
  overlay:
    ros__parameters: {show: live}
/*/propagation:
  ros__parameters: {max_propagation: 4.5}
"""


def test_what_the_file_says_holds_for_all_nodes(bench: Any, start: Start) -> None:
    file = bench.folder / "mine.yaml"
    file.write_text(FILE)
    start("grounding", f"params_file:={file}", "propagate:=True")
    wanted = ("max_rate", "use_sim_time", "transport", "cameras")
    assert parameters(bench, "/grounding", *wanted) == [7.5, True, "compressed", ["front", "left"]]
    assert parameters(bench, "/front/overlay", "show", "transport", "use_sim_time") == ["live", "compressed", True]
    assert parameters(bench, "/left/overlay", "show", "propagated") == ["all", True]
    assert parameters(bench, "/left/propagation", "max_propagation", "transport") == [4.5, "compressed"]
    bench.until(lambda: ends(bench, "subscriptions", "/left/image/compressed") >= {"/grounding", "/left/propagation"})


def test_nodes_wait_for_a_manager_where_they_are_told_to(bench: Any, start: Start) -> None:
    start("grounding", "autostart:=false", "lift:=true")
    found = []
    for node in ("/grounding", "/overlay", "/lifting"):
        client = bench.node.create_client(GetState, f"{node}/get_state")
        bench.until(client.service_is_ready, 60)
        asked = client.call_async(GetState.Request())
        bench.until(asked.done)
        found.append(asked.result().current_state.label)
    assert found == ["unconfigured"] * 3


def test_large_images_get_their_profile(bench: Any, start: Start, mark: str) -> None:
    start("grounding", "large_images:=true", "overlay:=false", "autostart:=false")
    bench.until(lambda: "/grounding" in names(bench), 60)
    environments = [Path(f"/proc/{pid}/environ").read_bytes().decode() for pid in processes_with(mark)]
    assert any("config/fastdds_shm.xml" in text for text in environments)


def test_arguments_come_before_the_file(bench: Any, start: Start) -> None:
    file = bench.folder / "mine.yaml"
    file.write_text(FILE)
    start(
        "grounding",
        f"params_file:={file}",
        "overlay:=False",
        "use_sim_time:=False",
        "transport:=raw",
        "cameras:=[rear]",
        "max_rate:=3",
        "offline:=False",
        "family:=qwen3_vl",
        "engine_python:=/nowhere",
        "default_instruction:=7: the mug, [red]",
        "failure_limit:=2",
    )
    wanted = (
        "max_rate",
        "use_sim_time",
        "transport",
        "cameras",
        "offline",
        "family",
        "default_instruction",
        "failure_limit",
        "engine_python",
    )
    assert parameters(bench, "/grounding", *wanted) == [
        3.0,
        False,
        "raw",
        ["rear"],
        False,
        "qwen3_vl",
        "7: the mug, [red]",
        2,
        "/nowhere",
    ]
    bench.until(lambda: ends(bench, "subscriptions", "/rear/image") == {"/grounding"})
    assert not {name for name in names(bench) if "overlay" in name}


def test_a_compressed_topic_of_any_name_can_be_named(bench: Any, start: Start) -> None:
    start("grounding", "transport:=compressed", "compressed_image:=/eye/jpeg", "propagate:=true", NOWHERE)
    bench.until(lambda: ends(bench, "subscriptions", "/eye/jpeg") == {"/grounding", "/propagation"}, 60)


def test_every_camera_has_followers_in_a_namespace_of_its_name(bench: Any, start: Start) -> None:
    start(
        "grounding",
        "namespace:=robot",
        "cameras:=front,left",
        "image:=/{camera}/image_raw",
        "propagate:=true",
        NOWHERE,
        "log_level:=warn",
    )
    wanted = {
        "/robot/grounding",
        *(f"/robot/{camera}/{name}" for camera in ("front", "left") for name in ("overlay", "propagation")),
    }
    bench.until(lambda: wanted <= names(bench), 60)
    for camera in ("front", "left"):
        image, boxes = f"/{camera}/image_raw", f"/robot/grounding/{camera}/visible"
        refresh = f"/robot/grounding/{camera}/refresh"
        follower = f"/robot/{camera}/propagation"
        links = (
            ("subscriptions", image, {"/robot/grounding", follower}),
            ("publishers", boxes, {"/robot/grounding"}),
            ("subscriptions", boxes, {follower}),
            ("publishers", refresh, {follower}),
            ("subscriptions", refresh, {"/robot/grounding"}),
        )
        # The graph knows of an end before it knows whose it is.
        for kind, topic, owners in links:
            bench.until(lambda kind=kind, topic=topic, owners=owners: ends(bench, kind, topic) == owners)
        active = f"/robot/grounding/{camera}/instruction_active"
        bench.until(
            lambda active=active, owner=follower: ends(bench, "subscriptions", active) == {owner}  # of its camera alone
        )


def test_a_lost_track_asks_the_grounding_node_for_a_refresh(bench: Any, start: Start) -> None:
    start("grounding", "propagate:=true", "overlay:=false", NOWHERE, "log_level:=warn")
    bench.until(lambda: ends(bench, "publishers", "/grounding/refresh") == {"/propagation"}, 60)
    bench.until(lambda: ends(bench, "subscriptions", "/grounding/refresh") == {"/grounding"}, 60)


@pytest.mark.parametrize(("camera", "lift"), [("", "propagated"), ("left", "true")])
def test_lifting_gets_the_depth_and_the_boxes_of_its_camera(bench: Any, start: Start, camera: str, lift: str) -> None:
    inner = f"/{camera}" if camera else ""
    source = "/propagation" if lift == "propagated" else f"/grounding{inner}"
    start(
        "grounding",
        f"lift:={lift}",
        "overlay:=false",
        f"depth:=/eye{'{camera}' if camera else ''}/depth",
        NOWHERE,
        "log_level:=warn",
        *([f"cameras:={camera}"] if camera else []),
        *(["propagate:=true"] if lift == "propagated" else []),
    )
    for topic in (f"/eye{camera}/depth", f"{inner}/camera_info"):
        bench.until(lambda topic=topic: ends(bench, "subscriptions", topic) == {f"{inner}/lifting"}, 60)
    for topic in (f"{source}/visible", f"{source}/amodal"):
        bench.until(lambda topic=topic: f"{inner}/lifting" in ends(bench, "subscriptions", topic), 60)
    bench.until(lambda: ends(bench, "publishers", f"{inner}/lifting/amodal") == {f"{inner}/lifting"}, 60)

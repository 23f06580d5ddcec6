"""The launch files: over the stand-in everywhere, and under the real `ros2 launch` from a colcon workspace."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import launches
import pytest
import robot
from launches import Launch, wait_until
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CompressedImage
from vision_msgs.msg import Detection2DArray

from egm_ros.interface.tables import TABLES

Start = Callable[..., Launch]
NOWHERE = "engine_url:=http://127.0.0.1:9"

pytestmark = [pytest.mark.ros, pytest.mark.slow]


@pytest.fixture(scope="module", params=["stand-in", "ros2"])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """A workspace built by colcon, for the real launch; none for the stand-in."""
    if request.param == "stand-in":
        return None
    missing = launches.lacking()
    if missing:
        pytest.skip(f"not installed here: {missing}; they come with a ROS installation")
    return launches.build(tmp_path_factory.mktemp("workspace"))


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word in the environment of every process that the test starts."""
    value = uuid.uuid4().hex
    monkeypatch.setenv("EGM_TEST", value)
    return f"EGM_TEST={value}"


@pytest.fixture
def start(domain: int, mark: str, workspace: Path | None, tmp_path: Path) -> Iterator[Start]:
    """Start launches; they, and what they leave behind, end with the test."""
    started: list[Launch] = []

    def launch(file: str, *words: str) -> Launch:
        started.append(Launch(workspace, tmp_path / f"launch_{len(started)}.txt", f"{file}.launch.py", *words))
        return started[-1]

    yield launch
    for each in started:
        each.close()
    assert wait_until(lambda: not launches.processes_with(mark), 15), launches.processes_with(mark)


def names(bench: Any) -> set[str]:
    """Name the nodes on the test's domain."""
    found = bench.node.get_node_names_and_namespaces()
    return {f"{namespace.rstrip('/')}/{name}" for name, namespace in found}


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
    engine = robot.ScriptedEngine(bench.domain)
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
    followers = {"/robot/front/propagation", "/robot/left/propagation"}
    bench.until(lambda: ends(bench, "subscriptions", "/robot/grounding/instruction_active") == followers)


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


REFUSED = {
    "famly:=qwen3_vl": "famly: no argument of this launch file; did you mean family?",
    "max_propagation:=9.0": "max_propagation: no argument of this launch file, but a parameter of propagation",
    "lift:=propagated": "lift: propagated boxes come from the propagation node: pass propagate:=true as well",
    "image:=/eye/compressed": "image: /eye/compressed has compressed images: pass transport:=compressed as well",
    "image:=/eye/theora": "image: /eye/theora is a stream of the kind theora",
    "compressed_image:=/eye/jpeg": "compressed_image: does nothing without transport:=compressed",
    "image:=/eye//image": "image: '/eye//image' is no name of a topic",
    "instruction:=say it": "instruction: 'say it' is no name of a topic",
    "image:=/{camera}/image": "image: '/{camera}/image' is no name of a topic",
    "namespace:=my-robot": "namespace: 'my-robot' is no namespace",
    "depth:=/eye/depth": "depth: does nothing without lift:=true",
    "target_frame:=map": "target_frame: does nothing without lift:=true",
    "max_rate:=often": "max_rate: 'often' is not of type float",
    "max_rate:=99": "max_rate: 99.0 is outside 0 to 30 Hz",
    "use_sim_time:=maybe": '"use_sim_time" provided value "maybe" is not valid',
    "params_file:=/nowhere.yaml": "params_file: /nowhere.yaml: No such file or directory",
    "cameras:=front,left image:=/camera/image": "image: /camera/image is one topic for several cameras",
}


@pytest.mark.parametrize("words", REFUSED)
def test_arguments_that_cannot_hold_are_refused_in_one_line(start: Start, words: str) -> None:
    refused(start("grounding", *re.split(r" (?=\w+:=)", words)), REFUSED[words])


def refused(launched: Launch, said: str) -> None:
    assert launched.ended(60) == 1
    lines = [line for line in launched.output.splitlines() if said in line]
    assert lines, launched.output
    assert "Traceback" not in launched.output and "process started" not in launched.output


WRONG_FILES = {
    "/**/grounding:\n  ros__parameters: {max_rat: 3.0}": "max_rat: there is no such parameter; did you mean max_rate?",
    "/**:\n  ros__parameters: {no_such_thing: 3.0}": "/**: no_such_thing: there is no such parameter",
    "/**/overlay:\n  ros__parameters: {transprt: raw}": "/**/overlay: transprt: there is no such parameter",
    "grounding:\n  max_rate: 3.0": "/grounding/max_rate holds no ros__parameters",
    "/other/grounding:\n  ros__parameters: {max_rate: 3.0}": "is about /other/grounding; the nodes here are /grounding",
    "max_rate": "has no section such as /**/grounding",
    "a: [": "is not YAML",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_files_that_no_node_would_heed_are_refused(start: Start, tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    refused(start("grounding", f"params_file:={file}"), WRONG_FILES[text])


USELESS = {
    "image:=/eye": "image: no argument of this launch file",
    "cameras:=front": "cameras: no argument of this launch file",
    "default_instruction:=mug": "default_instruction: no argument of this launch file",
    "world:=street": "world: does nothing with source:=clip; it is for source:=scene",
    "topic:=/eye": "topic: does nothing with source:=clip; it is for source:=bag",
    "source:=webcam path:=street": "path: does nothing with source:=webcam",
    "lift:=true": "lift: source:=clip knows no depth; source:=scene does",
}


@pytest.mark.parametrize("words", USELESS)
def test_arguments_of_the_demo_that_would_do_nothing_are_refused(start: Start, words: str) -> None:
    refused(start("demo", *words.split()), USELESS[words])


def test_rviz_shows_what_the_nodes_publish_or_is_said_to_be_missing(start: Start) -> None:
    if shutil.which("rviz2"):
        launched = start("grounding", "rviz:=true", "namespace:=robot", "--print-description")
        launched.ended(60)
        assert "rviz" in launched.output and "Traceback" not in launched.output
        return
    refused(start("grounding", "rviz:=true", "namespace:=robot"), "sudo apt install ros-$ROS_DISTRO-rviz2")


def pid_of(mark: str, executable: str) -> int:
    """Give the process id of a node's program, once it runs."""

    def found() -> list[int]:
        running = []
        for pid in launches.processes_with(mark):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(word.endswith(f"__node:={executable}".encode()) for word in words):
                running.append(pid)
        return running

    assert wait_until(found, 60)
    return found()[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_launch_ends_with_its_grounding_node(bench: Any, start: Start, mark: str, number: signal.Signals) -> None:
    launched = start("grounding", NOWHERE)
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    os.kill(pid_of(mark, "grounding"), number)
    assert launched.ended(20) == (1 if number == signal.SIGKILL else 0), launched.output
    if number == signal.SIGKILL:
        assert "the grounding node ended by signal 9, so the launch ends" in launched.output
    assert "Traceback" not in launched.output


def test_a_launch_that_ignores_the_end_goes_on(bench: Any, start: Start, mark: str) -> None:
    launched = start("grounding", NOWHERE, "on_exit:=ignore")
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    os.kill(pid_of(mark, "grounding"), signal.SIGKILL)
    assert wait_until(lambda: "process has died" in launched.output, 20)
    bench.holds(lambda: launched.process.poll() is None, 1.0)
    os.kill(pid_of(mark, "overlay"), 0)


def test_a_node_that_died_is_started_anew_where_that_is_asked_for(bench: Any, start: Start, mark: str) -> None:
    launched = start("grounding", NOWHERE, "respawn:=true")
    bench.until(lambda: {"/grounding", "/overlay"} <= names(bench), 60)
    first = pid_of(mark, "grounding")
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: launched.output.count("[grounding-1]: process started") == 2, 20), launched.output
    assert pid_of(mark, "grounding") != first
    assert launched.process.poll() is None


def test_a_node_that_refuses_its_parameters_is_not_started_anew(start: Start) -> None:
    launched = start("grounding", NOWHERE, "engine_command:=serve {port}", "respawn:=true")
    assert launched.ended(60) == 1
    assert "the grounding node ended with exit status 2" in launched.output
    assert launched.output.count("[grounding-1]: process started") == 1


def test_a_launch_without_an_engine_says_so_once_and_ends(start: Start) -> None:
    launched = start("grounding", "engine_python:=/bin/false")
    assert launched.ended(60) == 1
    assert launched.output.count("engine_python: '/bin/false' cannot be run") == 1
    assert "Traceback" not in launched.output


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that describes a model; the scripted server needs no more of it."""
    return robot.folder_of(tmp_path / "model", "visible")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nodes_and_engine_end_with_a_launch_that_is_killed(
    bench: Any, start: Start, mark: str, model: Path, number: signal.Signals
) -> None:
    launched = start("grounding", f"model:={model}", f"engine_command:={robot.COMMAND}", "propagate:=true")
    bench.until(lambda: "the engine is ready" in launched.output, 60)
    bench.until(lambda: {"/grounding", "/overlay", "/propagation"} <= names(bench), 60)
    os.kill(launched.process.pid, number)
    launched.ended(10)
    assert wait_until(lambda: not launches.processes_with(mark), 15), launches.processes_with(mark)


def test_an_interrupt_of_the_launch_alone_ends_it_at_once(bench: Any, start: Start, model: Path) -> None:
    launched = start("grounding", f"model:={model}", f"engine_command:={robot.COMMAND}")
    bench.until(lambda: "the engine is ready" in launched.output, 60)
    began = time.monotonic()
    os.kill(launched.process.pid, signal.SIGINT)
    assert launched.ended(30) == 0, launched.output
    assert time.monotonic() - began < 5.0, launched.output
    assert "Traceback" not in launched.output and "SIGTERM" not in launched.output

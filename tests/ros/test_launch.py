"""The launch files under the real `ros2 launch`, from a colcon workspace."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import robot
from rcl_interfaces.srv import GetParameters
from sensor_msgs.msg import CompressedImage
from vision_msgs.msg import Detection2DArray

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def lacking() -> str:
    """Name what is missing for launching; all of it comes with a ROS installation."""
    tools = [name for name in ("ros2", "colcon") if shutil.which(name) is None]
    packages = [name for name in ("launch", "launch_ros") if installed_elsewhere(name) is None]
    return ", ".join(tools + packages)


def installed_elsewhere(name: str) -> Any:
    """Find a package, leaving out this checkout's folder of the same name."""
    spec = importlib.util.find_spec(name)
    return spec if spec is not None and spec.origin is not None else None


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with this package, built by colcon."""
    missing = lacking()
    if missing:
        pytest.skip(f"not installed here: {missing}; they come with a ROS installation")
    folder = tmp_path_factory.mktemp("workspace")
    package = folder / "src" / "egm_ros"
    kept = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", "install", "log", "out", "tests")
    shutil.copytree(ROOT, package, ignore=kept)
    subprocess.run(["colcon", "build"], cwd=folder, check=True, capture_output=True)
    return folder


def ros2(workspace: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    """Start `ros2 ...` in the workspace, as a user's shell would."""
    script = 'source install/local_setup.bash && export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST && exec ros2 "$@"'
    return subprocess.Popen(
        ["bash", "-c", script, "ros2", *words],
        cwd=workspace,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,
    )


@pytest.mark.parametrize("name", ["grounding", "demo"])
def test_every_argument_is_described(domain: int, workspace: Path, name: str) -> None:
    output, _ = ros2(workspace, "launch", "egm_ros", f"{name}.launch.py", "--show-args").communicate(timeout=60)
    described = dict(re.findall(r"^ {4}'(\w+)':\n {8}(.+)$", output, re.MULTILINE))
    assert {"namespace", "params_file", "use_sim_time", "log_level"} <= set(described), output
    assert "No description given" not in output
    assert re.search(r"Valid choices are: \['debug'", described["log_level"])


def test_the_demo_launch_grounds_in_a_namespace_and_ends_on_interrupt(bench: Any, workspace: Path) -> None:
    boxes = bench.collect(Detection2DArray, "/robot/grounding/visible")
    drawn = bench.collect(CompressedImage, "/robot/overlay/image/compressed")
    engine = robot.ScriptedEngine(bench.domain)
    try:
        settings = {"namespace": "robot", "instruction": "the white car", "path": "street", "engine_url": engine.url}
        words = [f"{name}:={value}" for name, value in settings.items()]
        launched = ros2(workspace, "launch", "egm_ros", "demo.launch.py", "log_level:=warn", *words)
        try:
            bench.until(lambda: boxes and drawn, 60)
            (found,) = boxes[0].detections
            assert found.results[0].hypothesis.class_id == "the white car"
            assert boxes[0].header.frame_id == drawn[0].header.frame_id == "camera_optical_frame"
        finally:
            launched.send_signal(signal.SIGINT)
            output, _ = launched.communicate(timeout=40)
        assert launched.returncode == 0, output
        assert "Traceback" not in output
    finally:
        engine.stop()


def test_parameters_come_from_the_file_unless_an_argument_is_given(bench: Any, workspace: Path) -> None:
    parameters = bench.folder / "mine.yaml"
    parameters.write_text("/**/grounding:\n  ros__parameters:\n    max_rate: 7.5\n    engine_url: http://127.0.0.1:9\n")
    words = (f"params_file:={parameters}", "overlay:=false", "use_sim_time:=true", "transport:=compressed")
    launched = ros2(workspace, "launch", "egm_ros", "grounding.launch.py", *words)
    try:
        bench.until(lambda: "/grounding" in {f"{n.rstrip('/')}/{m}" for m, n in names(bench)}, 40)
        client = bench.node.create_client(GetParameters, "/grounding/get_parameters")
        bench.until(client.service_is_ready)
        asked = client.call_async(GetParameters.Request(names=["max_rate", "use_sim_time", "transport"]))
        bench.until(asked.done)
        rate, sim_time, transport = asked.result().values
        assert (rate.double_value, sim_time.bool_value, transport.string_value) == (7.5, True, "compressed")
        bench.until(lambda: bench.node.get_subscriptions_info_by_topic("/image/compressed"))
        assert "overlay" not in {name for name, _ in names(bench)}
    finally:
        os.killpg(launched.pid, signal.SIGINT)
        launched.communicate(timeout=40)


def test_every_camera_has_followers_in_a_namespace_of_its_name(bench: Any, workspace: Path) -> None:
    arguments = ("namespace:=robot", "cameras:=front,left", "image:=/{camera}/image_raw", "propagate:=true",
                 "engine_url:=http://127.0.0.1:9", "log_level:=warn")
    launched = ros2(workspace, "launch", "egm_ros", "grounding.launch.py", *arguments)
    try:
        wanted = {"/robot/grounding", *(f"/robot/{camera}/{name}" for camera in ("front", "left")
                                        for name in ("overlay", "propagation"))}
        bench.until(lambda: wanted <= {f"{n.rstrip('/')}/{m}" for m, n in names(bench)}, 60)
        for camera in ("front", "left"):
            image, boxes = f"/{camera}/image_raw", f"/robot/grounding/{camera}/visible"
            refresh = f"/robot/grounding/{camera}/refresh"
            bench.until(lambda image=image: len(ends(bench, "subscriptions", image)) == 2)
            assert ends(bench, "subscriptions", image) == {"/robot/grounding", f"/robot/{camera}/propagation"}
            assert ends(bench, "publishers", boxes) == {"/robot/grounding"}
            assert ends(bench, "subscriptions", boxes) == {f"/robot/{camera}/propagation"}
            assert ends(bench, "publishers", refresh) == {f"/robot/{camera}/propagation"}
            assert ends(bench, "subscriptions", refresh) == {"/robot/grounding"}
        assert ends(bench, "subscriptions", "/robot/grounding/instruction_active") == {
            "/robot/front/propagation", "/robot/left/propagation"}
    finally:
        os.killpg(launched.pid, signal.SIGINT)
        launched.communicate(timeout=40)


def test_a_lost_track_asks_the_grounding_node_for_a_refresh(bench: Any, workspace: Path) -> None:
    arguments = ("propagate:=true", "overlay:=false", "engine_url:=http://127.0.0.1:9", "log_level:=warn")
    launched = ros2(workspace, "launch", "egm_ros", "grounding.launch.py", *arguments)
    try:
        bench.until(lambda: ends(bench, "publishers", "/grounding/refresh") == {"/propagation"}, 60)
        bench.until(lambda: ends(bench, "subscriptions", "/grounding/refresh") == {"/grounding"}, 60)
    finally:
        os.killpg(launched.pid, signal.SIGINT)
        launched.communicate(timeout=40)


@pytest.mark.parametrize(("camera", "lift"), [("", "propagated"), ("left", "true")])
def test_lifting_gets_the_depth_and_the_boxes_of_its_camera(
    bench: Any, workspace: Path, camera: str, lift: str
) -> None:
    inner = f"/{camera}" if camera else ""
    source = "/propagation" if lift == "propagated" else f"/grounding{inner}"
    arguments = [f"lift:={lift}", "overlay:=false", "depth:=/eye{camera}/depth" if camera else "depth:=/eye/depth",
                 "engine_url:=http://127.0.0.1:9", "log_level:=warn", *([f"cameras:={camera}"] if camera else [])]
    launched = ros2(workspace, "launch", "egm_ros", "grounding.launch.py", *arguments)
    topics = {f"/eye{camera}/depth", f"{inner}/camera_info", f"{source}/visible", f"{source}/amodal"}
    try:
        for topic in topics:
            bench.until(lambda topic=topic: ends(bench, "subscriptions", topic) == {f"{inner}/lifting"}, 60)
        bench.until(lambda: ends(bench, "publishers", f"{inner}/lifting/amodal") == {f"{inner}/lifting"}, 60)
    finally:
        os.killpg(launched.pid, signal.SIGINT)
        launched.communicate(timeout=40)


def test_one_topic_for_several_cameras_is_refused_by_name(workspace: Path) -> None:
    words = ("launch", "egm_ros", "grounding.launch.py", "cameras:=front,left", "image:=/camera/image")
    launched = ros2(workspace, *words)
    output, _ = launched.communicate(timeout=60)
    assert launched.returncode == 1
    assert "image: /camera/image is one topic for several cameras" in output


def test_rviz_shows_what_the_nodes_publish_or_is_said_to_be_missing(workspace: Path) -> None:
    words = ("launch", "egm_ros", "grounding.launch.py", "rviz:=true", "namespace:=robot")
    if shutil.which("rviz2"):
        output, _ = ros2(workspace, *words, "--print-description").communicate(timeout=60)
        assert "rviz" in output and "Traceback" not in output
        return
    launched = ros2(workspace, *words)
    output, _ = launched.communicate(timeout=60)
    assert launched.returncode == 1
    assert "sudo apt install ros-$ROS_DISTRO-rviz2" in output


def ends(bench: Any, kind: str, topic: str) -> set[str]:
    """Name the nodes that publish or subscribe a topic."""
    found = getattr(bench.node, f"get_{kind}_info_by_topic")(topic)
    return {f"{end.node_namespace.rstrip('/')}/{end.node_name}" for end in found}


def names(bench: Any) -> list[tuple[str, str]]:
    """List the nodes on the test's domain as (name, namespace)."""
    return list(bench.node.get_node_names_and_namespaces())


def test_launch_files_are_python_that_compiles() -> None:
    found = list((ROOT / "launch").glob("*.launch.py"))
    assert found
    for path in found:
        compile(path.read_text(), str(path), "exec")

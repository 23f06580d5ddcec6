"""The node before servers whose models have other names than its folders: asked for the right one, or told by name."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from checkpoints import FOUND
from domains import UNCLAIMED
from processes import wait_for
from robot import Robot, hold, image_message
from running import Process, ScriptedEngine, folder_of, start_node

from egm_core.supervise.process import free_port

# Its servers are stopped and started anew on one port, which a test beside it could take meanwhile.
pytestmark = [pytest.mark.ros, pytest.mark.clock, pytest.mark.slow]

DOMAIN = UNCLAIMED


@pytest.fixture
def robot() -> Iterator[Robot]:
    robot = Robot(DOMAIN)
    yield robot
    robot.close()


def serve(folder: Path, port: int, name: str) -> Process:
    """Start the real server, which calls its model by a name."""
    command = [
        sys.executable,
        "-m",
        "egm_core.serve",
        "--model",
        str(folder),
        "--port",
        str(port),
        "--threads",
        "1",
        "--served-model-name",
        name,
        "--exit-with-parent",
    ]
    return Process(command, DOMAIN)


def node_before(port: int, **parameters: object) -> Process:
    return start_node(
        DOMAIN,
        engine_url=f"http://127.0.0.1:{port}",
        max_rate=0.0,
        default_instruction=FOUND,
        query_timeout=60.0,
        max_result_age=60.0,
        **parameters,
    )


def answered(robot: Robot) -> None:
    """Show a picture, and wait until it has its boxes."""
    robot.forget()
    shown = robot.show(image_message(128, 96))
    robot.status(60.0, outcome="found")
    visible, amodal = robot.only_answer(shown)
    assert len(visible.detections) == len(amodal.detections) == 1


def test_a_folder_s_server_that_comes_back_under_another_name_is_asked_by_that(
    robot: Robot, memorising_qwen: Path
) -> None:
    port = free_port()
    first = serve(memorising_qwen, port, "first")
    node = node_before(port, model=str(memorising_qwen))
    second = None
    try:
        robot.ready(90.0)
        answered(robot)
        first.stop()
        second = serve(memorising_qwen, port, "second")
        wait_for("the new name", lambda: "the server that had first has second now" in node.output, 90.0)
        answered(robot)
    finally:
        for process in (first, second):
            if process is not None:
                process.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_a_model_asked_by_name_is_missed_by_name_until_it_is_back(robot: Robot, memorising_qwen: Path) -> None:
    port = free_port()
    server = serve(memorising_qwen, port, "first")
    node = node_before(port, model="first", family="qwen3_vl", force_amodal=True)
    try:
        robot.ready(90.0)
        answered(robot)
        server.stop()
        server = serve(memorising_qwen, port, "other")
        told = "serves 'other', and none is called 'first'"
        with robot.stream(2.0, lambda: image_message(128, 96)):
            wait_for("the refusal", lambda: any(told in entry["message"] for entry in robot.values()), 90.0)
        (refused,) = [entry for entry in robot.values() if told in entry["message"]][:1]
        assert refused["level"] == 2 and "--served-model-name" in refused["message"]
        server.stop()
        # Ahead of the start: the node may say that it is ready before this test goes on.
        robot.forget()
        server = serve(memorising_qwen, port, "first")
        # After five failures in a row, of which no poll knew, only a usable answer makes it ready again.
        with robot.stream(2.0, lambda: image_message(128, 96)):
            robot.status(90.0, reason="engine_ready")
        answered(robot)
    finally:
        server.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_a_new_name_without_a_pause_costs_no_answer_and_is_told(robot: Robot, tmp_path: Path) -> None:
    engine = ScriptedEngine(DOMAIN)
    engine.script(models=["/models/old"])
    node = start_node(
        DOMAIN,
        model=str(folder_of(tmp_path / "ours", "visible", "amodal")),
        engine_url=engine.url,
        max_rate=0.0,
        default_instruction=FOUND,
    )
    try:
        robot.ready()
        answered(robot)
        engine.script(models=["/models/new"])
        answered(robot)
        wait_for("the new name", lambda: "the server that had /models/old has /models/new now" in node.output)
        assert set(engine.stats()["asked_of"]) == {"/models/old", "/models/new"}
    finally:
        engine.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_two_folders_on_a_server_with_one_model_of_another_name_are_refused_by_name(
    robot: Robot, memorising_qwen: Path, tmp_path: Path
) -> None:
    """Both tasks would be asked of the one model, and one of them is not its."""
    seen, whole = (shutil.copytree(memorising_qwen, tmp_path / name) for name in ("seen", "whole"))
    port = free_port()
    server = serve(memorising_qwen, port, "elsewhere")
    node = node_before(port, model=str(seen), amodal_model=str(whole))
    try:
        wait_for("the server", lambda: "listening" in server.output, 60.0)
        told = "serves 'elsewhere', and none is called"
        refused = wait_for("the refusal", lambda: [entry for entry in robot.values() if told in entry["message"]], 60.0)
        assert "'seen'" in refused[0]["message"] or "'whole'" in refused[0]["message"]
        assert "--served-model-name" in refused[0]["message"] and refused[0]["level"] == 2
        robot.show(image_message(128, 96))
        robot.show(image_message(128, 96))
        hold("no box", lambda: not any(array.detections for array in robot.arrays()), 1.0)
        assert not any(entry.get("outcome") == "found" for entry in robot.values())
    finally:
        server.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_each_of_two_folders_is_asked_for_its_own_task(robot: Robot, tmp_path: Path) -> None:
    """The server has both in folders of its own, the amodal one first."""
    seen, whole = folder_of(tmp_path / "seen", "visible"), folder_of(tmp_path / "whole", "amodal")
    engine = ScriptedEngine(DOMAIN)
    engine.script(models=["/models/whole", "/models/seen"])
    node = start_node(
        DOMAIN, model=str(seen), amodal_model=str(whole), engine_url=engine.url, max_rate=0.0, default_instruction=FOUND
    )
    try:
        robot.ready()
        answered(robot)
        asked = engine.stats()["asked_of"]
        assert sorted(asked) == ["/models/seen", "/models/whole"]
        assert not any("amodally" in prompt for prompt in asked["/models/seen"])
        assert all("amodally" in prompt for prompt in asked["/models/whole"])
    finally:
        engine.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output


def test_each_adapter_of_a_server_is_asked_for_its_own_task(robot: Robot, tmp_path: Path) -> None:
    """The folder's model declares visible boxes alone, and the adapter makes it one for amodal boxes too."""
    base = folder_of(tmp_path / "base", "visible")
    engine = ScriptedEngine(DOMAIN)
    engine.script(models=["/models/base", "seen", "whole"])
    adapters = {"visible_adapter": "seen", "amodal_adapter": "whole"}
    node = start_node(
        DOMAIN, model=str(base), engine_url=engine.url, max_rate=0.0, default_instruction=FOUND, **adapters
    )
    try:
        robot.ready()
        answered(robot)
        asked = engine.stats()["asked_of"]
        assert sorted(asked) == ["seen", "whole"]
        assert not any("amodally" in prompt for prompt in asked["seen"])
        assert all("amodally" in prompt for prompt in asked["whole"])
    finally:
        engine.stop()
        assert node.stop() == 0, node.output
    assert "Traceback" not in node.output

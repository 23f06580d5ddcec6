"""~/ground_once on real DDS: one answer as JSON, while everything else goes on."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

import cv2
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from domains import UNCLAIMED
from lifecycle_msgs.msg import Transition
from processes import wait_for
from robot import Robot, image_message
from running import ROOT, start_node, until_stopped
from scripted_engine import box_of
from std_srvs.srv import Trigger

from egm_core.grounder.grounder import Grounding
from egm_core.targets.board import Target
from egm_ros.common.pictures import images
from egm_ros.grounding.once import one_shot

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = OTHER_DOMAIN = UNCLAIMED
LIVE = {
    "max_rate": 0.0,
    "query_timeout": 10.0,
    "max_result_age": 10.0,
    "min_score": 0.0,
    "default_instruction": "",
    "image_timeout": 3600.0,
    "force_amodal": True,
}


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **LIVE)
    yield from until_stopped(node)


@pytest.fixture
def robot(running_robot, engine):
    """A node that is disabled: what is asked is asked by the service."""
    engine.script(mode="found", delay=0.0)
    assert running_robot.set(**LIVE).successful
    running_robot.enable(False)
    running_robot.reset()
    wait_for("a rest of the engine", lambda: engine.stats()["running"] == 0)
    running_robot.forget()
    return running_robot


def ready(robot, text: str = "the mug", message=None):
    """Say what to find, show an image, and wait until the node has both."""
    robot.instruct(text)
    before = robot.ground_once()[1]["stamp"]
    image = robot.show(message)
    wait_for(
        "instruction and image",
        lambda: (shot := robot.ground_once()[1])["instruction"] == text and shot["stamp"] not in ("", before),
    )
    return image


def test_without_an_image_the_topic_is_named(robot):
    """First in this module: the node has seen no image yet."""
    success, said = robot.ground_once()
    assert (success, said["outcome"], said["reason"]) == (False, "error", "no_instruction")
    assert "default_instruction" in said["detail"]
    robot.instruct("the mug")
    wait_for("the instruction", lambda: robot.ground_once()[1]["instruction"] == "the mug")
    success, said = robot.ground_once()
    assert (success, said["reason"], said["stamp"]) == (False, "no_image", "")
    for part in ("no image on /image", "1 publisher(s)", "best effort"):
        assert part in said["detail"]


def test_a_disabled_node_answers_once_what_the_command_line_would(robot, engine, tmp_path):
    image = ready(robot, message=image_message(200, 100, frame="front_optical"))
    success, said = robot.ground_once()
    assert (success, said["outcome"], said["reason"]) == (True, "found", "")
    assert said["visible"] == pytest.approx(
        [edge * scale / 1000 for edge, scale in zip(box_of("the mug"), (200, 100, 200, 100), strict=True)], abs=0.01
    )
    assert said["amodal"][3] > said["visible"][3]
    assert said["stamp"] == f"{image.header.stamp.sec}.{image.header.stamp.nanosec:09d}"
    assert (said["camera"], said["image"], said["frame_id"]) == ("", "/image", "front_optical")
    assert (said["width"], said["height"], said["instruction"]) == (200, 100, "the mug")
    assert 0.0 <= said["age_ms"] < 10_000.0
    engine.script(mode="absent")
    assert [robot.ground_once()[0], robot.ground_once()[1]["outcome"]] == [True, "absent"]
    # The stream alone publishes and reports; it may begin with the image that waits since before.
    begun = time.time_ns()
    robot.enable(True)
    streamed = robot.show()
    robot.boxes(streamed)
    robot.status(image=streamed, outcome="absent")
    assert all(stamp > begun for notes in robot.timed_arrays() for stamp, _ in notes)
    assert "found" not in {values["outcome"] for values in robot.values()}
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), images.decode(image)[..., ::-1])
    command = [
        sys.executable,
        "-m",
        "egm_core.ground",
        str(picture),
        "the mug",
        "--engine-url",
        engine.url,
        "--family",
        "qwen3_vl",
        "--force-amodal",
    ]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert set(json.loads(printed)) <= set(said)


def test_every_other_service_answers_while_the_engine_thinks(robot, engine):
    ready(robot)
    engine.script(delay=3.0)
    client = robot.node.create_client(Trigger, "grounding/ground_once")
    wait_for("the service", client.service_is_ready)
    shots = [client.call_async(Trigger.Request()) for _ in range(2)]
    wait_for("a query", lambda: engine.stats()["running"] >= 2)
    robot.enable(False)
    waits = []
    for _ in range(30):
        begun = time.monotonic()
        assert robot.enable(False).success
        waits.append(1000.0 * (time.monotonic() - begun))
    assert not shots[0].done()
    robot.instruct("another thing")
    assert statistics.median(waits) < 50.0, waits
    wait_for("both answers", lambda: all(shot.done() for shot in shots))
    for shot in shots:
        said = json.loads(shot.result().message)
        assert (shot.result().success, said["outcome"], said["instruction"]) == (True, "found", "the mug")
    print(f"\n~/enable meanwhile: median {statistics.median(waits):.1f} ms, at most {max(waits):.1f} ms")


def test_an_enabled_node_answers_once_besides_its_stream(robot, engine):
    engine.script(delay=0.3)
    robot.instruct("the mug")
    robot.enable(True)
    with robot.stream(30.0):
        robot.status(outcome="found")
        for _ in range(3):
            success, said = robot.ground_once()
            assert (success, said["outcome"]) == (True, "found")
        for _ in range(2):
            robot.another_answer()


@pytest.mark.parametrize("serial", [False, True])
def test_the_stream_keeps_half_its_rate_under_four_calls_at_a_time(robot, engine, serial):
    engine.script(delay=0.15, serial=serial)
    robot.instruct("the mug")
    robot.enable(True)
    client = robot.node.create_client(Trigger, "grounding/ground_once")
    wait_for("the service", client.service_is_ready)

    def rate(shots: int) -> float:
        pending = [client.call_async(Trigger.Request()) for _ in range(shots)]
        begun, answered = time.time_ns(), 0
        while time.time_ns() < begun + 5 * 10**9:
            answered += sum(shot.done() for shot in pending)
            pending = [client.call_async(Trigger.Request()) if shot.done() else shot for shot in pending]
            time.sleep(0.02)
        assert not shots or answered >= 3
        ended = time.time_ns()
        return robot.published(begun, ended) / (ended - begun) * 1e9

    with robot.stream(30.0):
        robot.status(outcome="found")
        alone, beside = rate(0), rate(4)
    engine.script(serial=False)
    print(f"\nthe stream alone {alone:.2f}/s, beside four calls at a time {beside:.2f}/s")
    assert beside >= 0.5 * alone


@pytest.mark.parametrize(
    ("script", "settings", "reason", "remedy"),
    [
        ({"mode": "silent"}, {"query_timeout": 0.3}, "query_timeout", "raise query_timeout"),
        ({"mode": "garbage"}, {}, "", "no box"),
        ({"mode": "error500"}, {}, "engine_http_500", "scripted failure"),
        ({"delay": 0.6}, {"max_result_age": 0.5}, "max_result_age", "max_result_age"),
    ],
    ids=lambda value: str(value),
)
def test_a_failure_says_what_helps(robot, engine, script, settings, reason, remedy):
    ready(robot)
    engine.script(**script)
    assert robot.set(**LIVE | settings).successful
    success, said = robot.ground_once()
    engine.script(logprob=-0.1)
    assert (success, said["outcome"]) == (False, "error")
    assert said["reason"] == reason or (not reason and said["reason"])
    assert remedy in said["detail"]
    assert said["visible"] is None
    assert said["amodal"] is None


def test_a_weak_box_is_absent_with_its_reason(robot, engine):
    ready(robot)
    engine.script(logprob=-3.0)
    assert robot.set(min_score=0.9).successful
    success, said = robot.ground_once()
    engine.script(logprob=-0.1)
    assert (success, said["outcome"], said["reason"], said["visible"]) == (True, "absent", "low_score", None)
    assert "lower min_score" in said["detail"]


def test_a_bad_image_and_too_many_calls_are_refused(robot, engine):
    ready(robot)
    broken = image_message()
    broken.encoding = "no such encoding"
    robot.show(broken)
    wait_for("the image", lambda: robot.ground_once()[1]["reason"] == "bad_image")
    ready(robot)
    engine.script(mode="silent")
    assert robot.set(query_timeout=2.0).successful
    client = robot.node.create_client(Trigger, "grounding/ground_once")
    wait_for("the service", client.service_is_ready)
    shots = []
    for _ in range(25):
        shots.append(client.call_async(Trigger.Request()))
        time.sleep(0.01)
    wait_for("a refusal", lambda: [shot for shot in shots if shot.done() and "busy" in shot.result().message])
    engine.script(mode="found")
    wait_for("all answers", lambda: all(shot.done() for shot in shots))


def test_deactivation_ends_it_and_an_inactive_node_says_so(robot, engine):
    """Last in this module: it deactivates the node."""
    ready(robot)
    engine.script(mode="silent")
    client = robot.node.create_client(Trigger, "grounding/ground_once")
    wait_for("the service", client.service_is_ready)
    shot = client.call_async(Trigger.Request())
    wait_for("both queries", lambda: engine.stats()["running"] == 2)
    assert robot.transition(Transition.TRANSITION_DEACTIVATE)
    wait_for("the answer", shot.done, 5.0)
    assert not shot.result().success
    assert "activate it" in shot.result().message
    wait_for("the abort", lambda: engine.stats()["running"] == 0)
    success, said = robot.ground_once()
    assert (success, said["reason"]) == (False, "not_active")
    assert "ros2 lifecycle set /grounding activate" in said["detail"]
    assert robot.transition(Transition.TRANSITION_ACTIVATE)


def test_an_engine_that_is_not_ready_is_named():
    node = start_node(
        OTHER_DOMAIN, model="scripted-qwen", engine_url="http://127.0.0.1:9", default_instruction="the mug"
    )
    robot = Robot(OTHER_DOMAIN)
    try:
        robot.status(engine="starting")
        success, said = robot.ground_once()
        assert (success, said["reason"]) == (False, "engine_not_ready")
        assert "engine_ready" in said["detail"]
    finally:
        robot.close()
        assert node.stop() == 0, node.output


def test_the_camera_without_a_name_gives_an_object_and_named_ones_a_list():
    target = Target(1, 2, "the mug")
    found = Grounding("found", visible=(1.0, 2.0, 3.0, 4.0))
    missing = one_shot.failure("no_image", "no image on /left/image")
    alone = one_shot.entry("", "/image", "model", target, found)
    both = [
        one_shot.entry("front", "/front/image", "model", target, found),
        one_shot.entry("left", "/left/image", "model", target, missing),
    ]
    success, text = one_shot.written([alone])
    assert (success, json.loads(text)["visible"], json.loads(text)["stamp"]) == (True, [1.0, 2.0, 3.0, 4.0], "")
    success, text = one_shot.written(both)
    assert not success
    assert [entry["outcome"] for entry in json.loads(text)] == ["found", "error"]
    success, text = one_shot.written(both[:1])
    assert (success, [entry["camera"] for entry in json.loads(text)]) == (True, ["front"])

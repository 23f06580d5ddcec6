"""Several cameras and one engine on real DDS: fair turns, boxes under their own camera's header, rows of their own."""

from __future__ import annotations

import shlex
import sys
import time
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from domains import UNCLAIMED
from processes import wait_for
from robot import Robot, image_message, textured_message
from running import Process, start_node, until_stopped
from vision_msgs.msg import Detection2DArray

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
RATES = {"front": 30.0, "left": 10.0, "rear": 3.0}
ANSWERS = 27
EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "shell" / "propagate_front.sh"


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(
        DOMAIN,
        model="scripted-qwen",
        engine_url=engine.url,
        cameras=list(RATES),
        max_rate=0.0,
        image_timeout=2.0,
        force_amodal=True,
    )
    yield from until_stopped(node)


@pytest.fixture
def robots(node, engine):
    """A robot for each camera."""
    engine.script(mode="found", delay=0.0)
    robots = {name: Robot(DOMAIN, camera=name) for name in RATES}
    robots["front"].status(engine="ready")
    assert robots["front"].set(max_batch=1).successful
    yield robots
    robots["front"].reset()
    for robot in robots.values():
        robot.close()


def streams(robots: dict[str, Robot], stack: ExitStack, rates: dict[str, float]) -> None:
    for name, rate in rates.items():
        stack.enter_context(robots[name].stream(rate, partial(image_message, frame=name)))


def answers(robots: dict[str, Robot]) -> Counter[str]:
    return Counter({name: len(robot.answers(0)) for name, robot in robots.items()})


def test_no_camera_is_starved_and_every_answer_is_its_own_camera_s(robots, engine):
    engine.script(delay=0.3)
    front = robots["front"]
    arrays: list[DiagnosticArray] = []
    front.node.create_subscription(DiagnosticArray, "/diagnostics", arrays.append, 10)
    with ExitStack() as stack:
        streams(robots, stack, RATES)
        front.instruct("the mug")
        wait_for("answers", lambda: answers(robots).total() >= ANSWERS, 90.0)
    counted = answers(robots)
    shares = {name: count / counted.total() for name, count in counted.items()}
    print(f"\nshares of {counted.total()} answers: {shares}")
    # The engine gives at most 3.3 answers a second, so that even the slowest camera could have its third.
    for name, robot in robots.items():
        assert 0.22 < shares[name] < 0.45, shares
        for array in robot.arrays():
            assert array.header.frame_id == name
            assert array.detections[0].header == array.header
        stamps = [(array.header.stamp.sec, array.header.stamp.nanosec) for array in robot.answers()]
        assert stamps == sorted(set(stamps))
    found = Counter(values["camera"] for values in front.values() if values["outcome"] == "found")
    assert set(found) == set(RATES)
    assert all(abs(found[name] - counted[name]) <= 1 for name in RATES)
    rows = {status.name: {pair.key: pair.value for pair in status.values} for status in arrays[-1].status}
    for name in RATES:
        row = rows[f"grounding: input {name}"]
        assert (row["camera"], row["topic"]) == (name, f"/{name}/image")
        assert int(row["received"]) > 0
        assert abs(int(row["answers"]) - counted[name]) <= 3
    assert float(rows["grounding: input front"]["rate_hz"]) > float(rows["grounding: input rear"]["rate_hz"])


def test_a_camera_has_the_engine_to_itself_while_the_others_are_silent_and_they_are_named(robots, engine):
    engine.script(delay=0.05)
    front = robots["front"]
    for name in ("left", "rear"):
        robots[name].show(image_message(frame=name))
    front.instruct("the box")
    with front.stream(30.0, partial(image_message, frame="front")):
        for name in ("left", "rear"):
            status = front.status(reason="no_image", camera=name)
            assert f"no image on /{name}/image" in status["message"]
            assert "best effort" in status["message"]
        before = answers(robots)
        wait_for("answers", lambda: answers(robots)["front"] >= before["front"] + 5)
        assert answers(robots)["left"] == before["left"]
    assert not [values for values in front.values() if values["reason"] == "no_image" and values["camera"] == "front"]


def test_max_batch_images_of_different_cameras_are_with_the_engine_at_once(robots, engine):
    engine.script(delay=0.4)
    front = robots["front"]

    def most(seconds: float) -> int:
        until, seen = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            seen = max(seen, engine.stats()["running"])
            time.sleep(0.02)
        return seen

    # Each image makes two requests, for the visible and the amodal box.
    with ExitStack() as stack:
        streams(robots, stack, dict.fromkeys(RATES, 15.0))
        front.instruct("the tray")
        front.status(outcome="found", instruction="the tray")
        assert most(1.5) == 2
        assert front.set(max_batch=2).successful
        assert most(1.5) == 4
        assert front.set(max_batch=8).successful
        wait_for("all three", lambda: engine.stats()["running"] == 6)
        assert most(1.5) == 6
        assert front.set(max_batch=1).successful
        wait_for("one image at a time", lambda: most(1.5) == 2)
    for name, robot in robots.items():
        assert {array.header.frame_id for array in robot.arrays()} == {name}


def test_once_of_several_cameras_is_a_list(robots, engine):
    front = robots["front"]
    front.enable(False)
    try:
        front.instruct("the mug")
        # An image that comes before the node's subscription is known is lost: best effort.
        wait_for(
            "all three images",
            lambda: (
                [robot.show(image_message(frame=name)) for name, robot in robots.items()] and front.ground_once()[0]
            ),
        )
        success, said = front.ground_once()
        assert success
        assert [(entry["camera"], entry["frame_id"], entry["outcome"]) for entry in said] == [
            (name, name, "found") for name in RATES
        ]
    finally:
        front.enable(True)


def test_the_followers_of_one_camera_are_remapped(robots, engine):
    """As the guide says: the propagation node of the camera `front`, with its refresh."""
    python, *words = shlex.split(EXAMPLE.read_text().replace("\\\n", " "), comments=True)
    assert python == "python"
    follower = Process([sys.executable, *words], DOMAIN)
    front = robots["front"]
    now: list[Detection2DArray] = []
    front.node.create_subscription(Detection2DArray, "/front/propagation/visible", now.append, 10)
    try:
        wait_for("the follower", lambda: front.images.get_subscription_count() == 2)
        wait_for("its refresh", lambda: front.node.count_publishers("/grounding/front/refresh"))
        with ExitStack() as stack:
            stack.enter_context(front.stream(10.0, partial(textured_message, frame="front")))
            front.instruct("the mug")
            front.answers()
            wait_for("carried boxes", lambda: [array for array in now if array.detections])
        assert {array.header.frame_id for array in now} == {"front"}
    finally:
        follower.stop()
    assert "Traceback" not in follower.output

"""Two targets before two cameras on real DDS: fair turns, own instructions, states and rows for each."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticArray
from domains import UNCLAIMED
from one_camera import corners, expected
from processes import wait_for
from robot import Robot, image_message, textured_message
from running import Process, start_node, until_stopped
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
RATES = {"front": 30.0, "left": 10.0}
LINES = ("the mug", "the box")
EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "shell" / "propagate_front.sh"
Name = tuple[str, str]


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(
        DOMAIN,
        model="scripted-qwen",
        engine_url=engine.url,
        cameras=list(RATES),
        max_rate=0.0,
        image_timeout=3600.0,
        force_amodal=True,
    )
    yield from until_stopped(node)


class Cameras:
    """A robot for each camera, what asks each alone, and what the node says that it serves for each."""

    def __init__(self) -> None:
        self.robots = {name: Robot(DOMAIN, camera=name) for name in RATES}
        self.front = self.robots["front"]
        self.front.ready()
        self.served: dict[str, list[str]] = {name: [] for name in RATES}
        node = self.front.node
        for name in RATES:
            topic = f"grounding/{name}/instruction_active"
            node.create_subscription(String, topic, partial(self._keep, name), 10)
        self._own = {name: node.create_publisher(String, f"{name}/instruction", 10) for name in RATES}

    def _keep(self, name: str, message: String) -> None:
        self.served[name].append(message.data)

    def instruct(self, name: str, text: str, served: str = "") -> None:
        wait_for("a listener", self._own[name].get_subscription_count)
        self._own[name].publish(String(data=text))
        wanted = served or text
        wait_for(f"{wanted!r} for {name}", lambda: self.served[name] and self.served[name][-1] == wanted)

    def streams(self, stack: ExitStack) -> None:
        for name, rate in RATES.items():
            stack.enter_context(self.robots[name].stream(rate, partial(image_message, frame=name)))

    def counts(self) -> Counter[Name]:
        """Count the visible boxes of each camera by their line; each is its line's and its camera's."""
        counted: Counter[Name] = Counter()
        for name, robot in self.robots.items():
            for array in robot.answers(0):
                line = array.detections[0].results[0].hypothesis.class_id
                assert array.header.frame_id == name
                assert corners(array) == pytest.approx(expected(line, 64, 48), abs=0.01)
                counted[name, line] += 1
        return counted

    def close(self) -> None:
        for robot in self.robots.values():
            robot.close()


@pytest.fixture
def cameras(node: Any, engine: Any):
    engine.script(mode="found", delay=0.0, absent_of=[], delay_of={})
    made = Cameras()
    made.front.reset()
    yield made
    made.front.reset()
    made.close()


def test_targets_and_cameras_get_equal_turns_and_rows_of_their_own(cameras, engine):
    engine.script(delay=0.1)
    arrays: list[DiagnosticArray] = []
    cameras.front.node.create_subscription(DiagnosticArray, "/diagnostics", arrays.append, 10)
    cameras.front.instruct("\n".join(LINES))
    with ExitStack() as stack:
        cameras.streams(stack)
        # Images may be lost until the node knows both cameras.
        wait_for("each", lambda: len(cameras.counts()) == len(RATES) * len(LINES))
        before = cameras.counts()
        wait_for("answers", lambda: (cameras.counts() - before).total() >= 40, 60.0)
        wait_for("rows", lambda: len(arrays) > 1)
    counted = cameras.counts() - before
    print(f"\nanswers: {dict(counted)}")
    assert set(counted) == {(name, line) for name in RATES for line in LINES}
    assert max(counted.values()) - min(counted.values()) <= 2
    rows = {row.name: {pair.key: pair.value for pair in row.values} for row in arrays[-1].status}
    assert {name for name in rows if "target" in name} == {
        f"grounding: target {line} {name}" for line in (1, 2) for name in RATES
    }
    row = rows["grounding: target 2 left"]
    assert (row["camera"], row["instruction"], row["state"]) == ("left", "the box", "found")
    assert int(row["answers"]) > 0


def test_a_camera_is_asked_its_own_lines_until_it_gets_those_of_all_again(cameras):
    cameras.front.instruct("the mug")
    cameras.instruct("left", "the can\nthe bowl")
    with ExitStack() as stack:
        cameras.streams(stack)
        wait_for("answers", lambda: len(cameras.counts()) == 3)
        wait_for("all states", lambda: states(cameras, "left") == {"the can": "found", "the bowl": "found"})
        assert states(cameras, "front") == {"the mug": "found"}
        cameras.front.instruct("the tray")
        wait_for("the tray", lambda: ("front", "the tray") in cameras.counts())
        assert ("left", "the tray") not in cameras.counts()
        assert cameras.served["left"][-1] == "the can\nthe bowl"
        cameras.instruct("left", "", "the tray")
        wait_for("the tray again", lambda: ("left", "the tray") in cameras.counts())
    assert set(cameras.counts()) >= {("front", "the mug"), ("left", "the can"), ("left", "the bowl")}


def states(cameras: Cameras, camera: str) -> dict[str, str]:
    """Give the newest state of each of a camera's targets."""
    told = [values for values in cameras.front.values() if values["camera"] == camera and "targets" in values]
    return {entry["instruction"]: entry["state"] for entry in json.loads(told[-1]["targets"])} if told else {}


def test_an_instruction_of_one_camera_aborts_nothing_of_the_other(cameras, engine):
    assert cameras.front.set(max_batch=4).successful
    engine.script(delay=1.0)
    cameras.front.instruct("the mug")
    for name in RATES:
        cameras.robots[name].show(image_message(frame=name))
    wait_for("all four queries", lambda: engine.stats()["running"] == 4)
    before = engine.stats()["aborted"]
    cameras.instruct("left", "the can")
    assert cameras.front.status(outcome="stale", camera="left")["reason"] == "instruction_changed"
    cameras.front.status(outcome="found", camera="front", instruction="the mug")
    assert engine.stats()["aborted"] == before + 2
    assert cameras.front.set(max_batch=1).successful


def test_a_target_may_end_before_one_camera_and_not_before_the_other(cameras, engine):
    cameras.front.instruct("the mug\nthe box")
    with ExitStack() as stack:
        cameras.streams(stack)
        wait_for("all", lambda: all(set(states(cameras, name).values()) == {"found"} for name in RATES))
        cameras.instruct("left", "the box")
        engine.script(absent_of=["the box"])
        wait_for("the end", lambda: states(cameras, "left") == {"the box": "absent"})
        wait_for("the other", lambda: states(cameras, "front") == {"the mug": "found", "the box": "absent"})


def test_too_many_lines_for_one_camera_name_its_topic(cameras):
    cameras.instruct("left", "the can")
    text = "\n".join(f"thing {number}" for number in range(17))
    cameras._own["left"].publish(String(data=text))
    status = cameras.front.status(reason="too_many_lines", camera="left")
    assert status["message"].startswith("left/instruction: has 17 lines")
    assert cameras.served["left"][-1] == "the can"


def test_the_follower_of_one_camera_propagates_its_targets_and_ends_the_one_that_is_absent(cameras, engine):
    """As the guide to several cameras starts it: the node's own topics, states and stamps."""
    python, *words = shlex.split(EXAMPLE.read_text().replace("\\\n", " "), comments=True)
    assert python == "python"
    follower = Process([sys.executable, *words], DOMAIN)
    front, now = cameras.front, []
    front.node.create_subscription(Detection2DArray, "/front/propagation/visible", now.append, 50)

    def newest() -> set[str]:
        return {entry.results[0].hypothesis.class_id for entry in now[-1].detections} if now else set()

    try:
        wait_for("the follower", lambda: front.images.get_subscription_count() == 2)
        active = "/grounding/front/instruction_active"
        wait_for(
            "its ends",
            lambda: "propagation" in {end.node_name for end in front.node.get_subscriptions_info_by_topic(active)},
        )
        front.instruct("the mug")
        cameras.instruct("left", "the bowl")
        with ExitStack() as stack:
            for name, robot in cameras.robots.items():
                stack.enter_context(robot.stream(10.0, partial(textured_message, frame=name)))
            wait_for("the mug", lambda: newest() == {"the mug"})
            front.instruct("\n".join(LINES))
            wait_for("both", lambda: newest() == set(LINES))
            engine.script(absent_of=["the box", "the bowl"])
            wait_for("the end of the box", lambda: newest() == {"the mug"})
            wait_for("the end of the bowl", lambda: states(cameras, "left") == {"the bowl": "absent"})
            assert newest() == {"the mug"}
            front.instruct("the box")
            wait_for("the end of the mug", lambda: newest() == set())
        assert {array.header.frame_id for array in now} == {"front"}
    finally:
        follower.stop()
    assert "Traceback" not in follower.output

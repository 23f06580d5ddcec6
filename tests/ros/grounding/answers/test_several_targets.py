"""Several targets at a time on real DDS: each with its own number, boxes, state and end."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from domains import UNCLAIMED
from one_camera import corners, expected
from processes import wait_for
from robot import Robot, stamp_text
from running import start_node

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
OTHER_DOMAIN = UNCLAIMED
LINES = ("the mug", "the box", "the can")


@pytest.fixture
def several(robot: Robot, engine: Any) -> Robot:
    """A robot that asked for nothing yet; whatever a test scripts and sets ends with it."""
    yield robot
    engine.script(absent_of=[], delay_of={}, delay=0.0)
    assert robot.set(instructions=[""], max_batch=1, query_timeout=10.0, max_rate=0.0).successful


def label(array: Any) -> str:
    (detection,) = array.detections
    return str(detection.results[0].hypothesis.class_id)


def targets(values: dict[str, str]) -> dict[str, str]:
    """Give each target's state by its line."""
    return {entry["instruction"]: entry["state"] for entry in json.loads(values["targets"])}


def told(robot: Robot, outcome: str, instruction: str) -> dict[str, str]:
    return robot.status(outcome=outcome, instruction=instruction)


def test_each_line_has_its_own_boxes_number_and_turn(several, engine):
    engine.script(delay=0.05)
    several.instruct("\n".join(LINES))
    with several.stream(20.0):
        several.answers(15)
    counts = Counter(label(array) for array in several.answers())
    assert set(counts) == set(LINES)
    assert max(counts.values()) - min(counts.values()) <= 1
    for amodal, notes in enumerate(several.timed_arrays()):
        for _, array in notes:
            assert corners(array) == pytest.approx(expected(label(array), 64, 48, bool(amodal)), abs=0.01)
    ids = {(label(array), array.detections[0].id) for array in several.arrays()}
    assert len(ids) == len(LINES), "ids are stable"
    numbers = {values["instruction"]: values["seq"] for values in several.values() if values["outcome"] == "found"}
    assert ids == {(line, f"{numbers[line]}:0") for line in LINES}
    assert [text for _, text in several.serves("\n".join(LINES))] == ["\n".join(LINES)]


def test_a_status_says_what_an_array_answers_and_how_each_target_is(several, engine):
    engine.script(absent_of=["the box"])
    several.instruct("\n".join(LINES))
    image = several.show()
    told(several, "found", "the can")
    by_line = {values["instruction"]: values for values in several.values() if values["outcome"]}
    for line, outcome in zip(LINES, ("found", "absent", "found"), strict=True):
        values = by_line[line]
        assert (values["outcome"], values["stamp"]) == (outcome, stamp_text(image))
        assert json.loads(values["answered"]) == [int(values["seq"])]
    assert targets(by_line["the mug"]) == {"the mug": "found", "the box": "not_asked", "the can": "not_asked"}
    assert targets(by_line["the can"]) == {"the mug": "found", "the box": "absent", "the can": "found"}
    assert {stamp_text(array) for array in several.arrays()} == {stamp_text(image)}
    assert sorted(len(array.detections) for array in several.answers(3)) == [0, 1, 1]


def test_what_is_late_or_failed_has_not_ended(several, engine):
    assert several.set(query_timeout=0.3).successful
    engine.script(delay_of={"the box": 2.0})
    several.instruct("\n".join(LINES))
    several.show()
    late = told(several, "stale", "the box")
    assert (late["reason"], json.loads(late["answered"])) == ("query_timeout", [])
    assert targets(late)["the box"] == "stale"
    told(several, "found", "the can")
    assert Counter(label(array) for array in several.answers(2)) == {"the mug": 1, "the can": 1}
    engine.script(mode="error500", delay_of={})
    several.show()
    failed = told(several, "error", "the mug")
    assert (json.loads(failed["answered"]), targets(failed)["the mug"]) == ([], "error")


def test_a_change_of_another_target_lets_the_one_that_is_asked_finish(several, engine):
    engine.script(delay=0.6)
    several.instruct("the mug\nthe box")
    several.show()
    wait_for("both queries", lambda: engine.stats()["running"] == 2)
    before = engine.stats()["aborted"]
    several.instruct("the can\nthe mug")
    several.serves("the can\nthe mug")
    told(several, "found", "the mug")
    assert engine.stats()["aborted"] == before
    assert not [values for values in several.values() if values["outcome"] == "stale"]
    several.show()
    told(several, "found", "the can")
    assert "the box" not in {label(array) for array in several.arrays()}


def test_a_change_of_one_target_aborts_that_one_alone(several, engine):
    assert several.set(max_batch=2).successful
    engine.script(delay=1.0)
    several.instruct("the mug\nthe box")
    image = several.show()
    wait_for("all four queries", lambda: engine.stats()["running"] == 4)
    before = engine.stats()["aborted"]
    several.instruct("the mug\nthe can")
    assert told(several, "stale", "the box")["reason"] == "instruction_changed"
    several.show()
    assert told(several, "found", "the mug")["stamp"] == stamp_text(image), "both were asked about one image"
    assert engine.stats()["aborted"] == before + 2
    told(several, "found", "the can")


def test_hundreds_of_changes_of_one_target_or_all_never_yield_a_wrong_box(several, engine):
    """One line stays, one changes every time, one comes and goes."""
    assert several.set(max_batch=3).successful
    engine.script(delay=0.003)
    random, texts = np.random.default_rng(2), []
    with several.stream(100.0):
        for number in range(400):
            lines = ["the mug", f"thing {number}", *(["the can"] if number // 7 % 2 else [])]
            texts.append("\n".join(random.permutation(lines).tolist()))
            several.instruct(texts[-1])
            several.serves(texts[-1], 10.0)
            time.sleep(float(random.choice([0.0, 0.002, 0.01, 0.06])))
        wait_for("the last answer", lambda: any(label(array) == "thing 399" for array in several.arrays()))
    changes = several.serves(texts[-1])
    assert [text for _, text in changes] == texts
    begun = [stamp for stamp, _ in changes]
    seen: Counter[str] = Counter()
    for amodal, notes in enumerate(several.timed_arrays()):
        for stamp, array in notes:
            line = label(array)
            assert corners(array) == pytest.approx(expected(line, 64, 48, bool(amodal)), abs=0.01)
            served = texts[int(np.searchsorted(begun, stamp, "right")) - 1].split("\n")
            assert line in served, f"a box of {line!r} while {served} were served"
            seen[line] += 1
    assert seen["the mug"] >= 50, "the target that stays starves"
    assert len(seen) >= 40, "the target that changes starves"
    assert {values["reason"] for values in several.values()} <= {"", "instruction_changed"}
    assert "the mug" not in {values["instruction"] for values in several.values() if values["outcome"] == "stale"}


def test_a_refresh_that_names_a_target_asks_for_that_one_alone(several, engine):
    from std_msgs.msg import String

    refresh = several.node.create_publisher(String, "grounding/refresh", 5)
    wait_for("a listener", refresh.get_subscription_count)
    several.instruct("\n".join(LINES))
    with several.stream(20.0):
        several.answers(6)
        assert several.set(max_rate=0.05, refresh_interval=0.1, ahead_of_rate="all").successful
        several.another_answer()
        time.sleep(0.5)
        begun = time.time_ns()
        refresh.publish(String(data="the box"))
        several.another_answer(5.0)
        time.sleep(0.5)
    after = [label(array) for stamp, array in several.timed_arrays()[0] if stamp > begun]
    assert after == ["the box"]


def test_once_of_several_targets_is_a_list(several, engine):
    several.enable(False)
    several.instruct("the mug\nthe box")
    engine.script(absent_of=["the box"])
    several.show()
    wait_for("an image", lambda: several.ground_once()[0])
    success, said = several.ground_once()
    assert success
    assert [(entry["instruction"], entry["outcome"]) for entry in said] == [("the mug", "found"), ("the box", "absent")]
    several.enable(True)


def test_lines_that_are_left_out_or_too_many_are_named(several, node):
    several.instruct("the mug\n\nthe box\nthe mug\n")
    several.serves("the mug\nthe box")
    said = "instruction: of 4 lines 1 is blank and 1 is there twice; these are left out"
    wait_for("the notice", lambda: said in node.output)
    several.instruct("\n".join(f"thing {number}" for number in range(17)))
    status = several.status(reason="too_many_lines")
    assert "instruction: has 17 lines, and 16 targets at a time are the most" in status["message"]
    several.show()
    told(several, "found", "the box")


def test_the_parameter_s_lines_are_served_until_others_come(several):
    assert several.set(instructions=["the mug", "the box"]).successful
    several.serves("the mug\nthe box")
    several.instruct("the can")
    several.serves("the can")
    several.reset()
    several.serves("the mug\nthe box")
    for refused, word in (
        ({"default_instruction": "the can"}, "give one of them"),
        ({"instructions": ["the mug", "the mug"]}, "'the mug' is there twice"),
        ({"instructions": ["the mug\nthe box"]}, "holds a line break"),
    ):
        result = several.set(**refused)
        assert not result.successful
        assert word in result.reason


def test_a_node_that_is_given_both_does_not_start():
    node = start_node(OTHER_DOMAIN, default_instruction="the mug", instructions=["the box"])
    try:
        assert node.wait(30.0) == 2
        assert "default_instruction and instructions: give one of them" in node.output
    finally:
        node.stop()

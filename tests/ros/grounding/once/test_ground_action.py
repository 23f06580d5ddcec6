"""~/ground on real DDS: goals, feedback, cancelling, preempting, and what is wrong with a goal, beside the stream."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from asking_once import Asker, edges
from domains import UNCLAIMED
from lifecycle_msgs.msg import Transition
from processes import wait_for
from robot import image_message
from running import counts, start_node, until_stopped
from scripted_engine import box_of

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
LIVE = {
    "max_rate": 0.0,
    "query_timeout": 10.0,
    "max_result_age": 10.0,
    "min_score": 0.0,
    "deadline": 0.0,
    "default_instruction": "",
    "image_timeout": 3600.0,
    "force_amodal": True,
}
NOT_A_NUMBER = float("nan")


@pytest.fixture(scope="module")
def node(engine):
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **LIVE)
    yield from until_stopped(node)


@pytest.fixture(scope="module")
def asker(running_robot):
    return Asker(running_robot)


@pytest.fixture
def robot(running_robot, engine):
    """A node that is disabled and has seen an image."""
    engine.script(mode="found", delay=0.0, delay_of={}, absent_of=[], logprob=-0.1)
    assert running_robot.set(**LIVE).successful
    running_robot.enable(False)
    running_robot.reset()
    wait_for("a rest of the engine", lambda: engine.stats()["running"] == 0)
    running_robot.forget()
    return running_robot


def boxes_in(width: int, height: int, instruction: str = "the mug", amodal: bool = False):
    size = (width, height, width, height)
    return [pytest.approx([edge * side / 1000 for edge, side in zip(box_of(instruction, amodal), size, strict=True)])]


def seen(robot, asker, **image):
    """Show an image until it is what the node answers about."""
    shown = robot.show(image_message(**image))
    wait_for("the image", lambda: asker.goal().result()[1].visible.header == shown.header)
    return shown


def test_without_an_image_the_goal_is_aborted_and_says_where_none_comes_from(robot, asker):
    """First in this module: the node has seen no image yet."""
    state, result = asker.goal().result()
    assert (state, result.outcome, result.reason) == ("aborted", "error", "no_image")
    assert "no image on /image" in result.detail
    assert not result.visible.detections and not result.visible.header.frame_id


def test_the_newest_image_is_answered_while_the_node_is_disabled_and_nothing_is_published(robot, asker):
    shown = seen(robot, asker, width=200, height=100, frame="front_optical")
    goal = asker.goal()
    state, result = goal.result()
    assert (state, result.outcome, result.reason, result.detail) == ("succeeded", "found", "", "")
    assert result.visible.header == result.amodal.header == shown.header
    assert edges(result.visible) == boxes_in(200, 100)
    assert edges(result.amodal) == boxes_in(200, 100, amodal=True)
    (visible,), (amodal,) = result.visible.detections, result.amodal.detections
    assert visible.id == amodal.id == "0:0"
    assert visible.results[0].hypothesis.class_id == "the mug"
    assert 0.0 < visible.results[0].hypothesis.score <= 1.0
    assert 0.0 < result.engine_ms <= result.total_ms and not result.deadline_missed
    assert goal.states[:2] == ["waiting", "asking"]
    assert not robot.arrays()


def test_what_is_not_there_succeeds_as_absent(robot, asker, engine):
    seen(robot, asker)
    engine.script(mode="absent")
    state, result = asker.goal("the unicorn").result()
    assert (state, result.outcome, result.visible.detections) == ("succeeded", "absent", [])
    assert "the unicorn" in result.detail


def test_the_first_box_is_fed_back_while_the_model_thinks(robot, asker, engine):
    seen(robot, asker, width=200, height=100)
    engine.script(thought_delay=3600.0)
    goal = asker.goal("the mug left of the box", deadline=2.0)
    wait_for("the first box", lambda: "first_box" in goal.states)
    assert not goal.ended
    first = next(message.first for message in goal.feedback if message.state == "first_box")
    assert edges(first) == boxes_in(200, 100, "the mug left of the box")
    state, result = goal.result()
    engine.script(thought_delay=None)
    assert (state, edges(result.visible)) == ("succeeded", edges(first))
    assert goal.states == ["waiting", "asking", "first_box"]


def test_an_image_in_the_goal_is_what_is_looked_at_whatever_the_camera_shows(robot, asker):
    """Its stamp may be of any age: whoever gives an image knows that."""
    seen(robot, asker, width=64, height=48)
    old = image_message(300, 150, stamp=1.5, frame="from_a_file")
    assert robot.set(max_result_age=0.5).successful
    state, result = asker.goal(image=old, camera="no such camera").result()
    assert (state, result.visible.header) == ("succeeded", old.header)
    assert edges(result.visible) == boxes_in(300, 150)


def test_cancelling_aborts_the_engine(robot, asker, engine):
    seen(robot, asker)
    engine.script(mode="silent")
    before = engine.stats()["aborted"]
    goal = asker.goal()
    wait_for("the query", lambda: engine.stats()["running"] > 0)
    goal.cancel()
    state, result = goal.result(5.0)
    assert (state, result.outcome, result.reason) == ("cancelled", "error", "cancelled")
    assert "aborted" in result.detail
    wait_for("the abort", lambda: engine.stats()["running"] == 0)
    assert engine.stats()["aborted"] > before


def test_a_goal_that_waits_for_its_turn_is_cancelled_without_asking(robot, asker, engine):
    seen(robot, asker)
    engine.script(mode="silent")
    working = [asker.goal() for _ in range(2)]
    wait_for("two goals at work", lambda: all("asking" in goal.states for goal in working))
    waiting = asker.goal()
    waiting.cancel()
    assert waiting.result(5.0)[0] == "cancelled"
    assert waiting.states == ["waiting"]
    assert not any(goal.ended for goal in working)
    for goal in working:
        goal.cancel()
        assert goal.result(5.0)[0] == "cancelled"


def test_a_new_goal_of_the_same_client_takes_the_place_of_the_one_before(robot, asker, engine):
    seen(robot, asker)
    engine.script(mode="silent")
    mine, other, nobody = asker.goal(client="tree"), asker.goal(client="arm"), asker.goal()
    wait_for("a query", lambda: engine.stats()["running"] > 0)
    newer = asker.goal("the cup", client="tree")
    state, result = mine.result(5.0)
    assert (state, result.outcome, result.reason) == ("aborted", "error", "preempted")
    assert "'tree'" in result.detail
    assert not other.ended and not nobody.ended and not newer.ended
    another = asker.goal()
    assert not nobody.ended
    for goal in (newer, other, nobody, another):
        goal.cancel()
    for goal in (newer, other, nobody, another):
        assert goal.result(5.0)[0] == "cancelled"
    wait_for("the aborts", lambda: engine.stats()["running"] == 0)


@pytest.mark.parametrize(
    ("fields", "reason", "told"),
    [
        ({"instruction": ""}, "no_instruction", "name an object"),
        ({"instruction": " . "}, "no_instruction", "name an object"),
        ({"instruction": "the mug\nthe cup"}, "several_lines", "ask for each line"),
        ({"camera": "left"}, "unknown_camera", "has no name, so leave it empty"),
        ({"deadline": -1.0}, "bad_deadline", "deadline: -1.0 is outside 0 to 600 s"),
        ({"deadline": NOT_A_NUMBER}, "bad_deadline", "deadline: nan"),
        ({"deadline": 30.0}, "bad_deadline", "over query_timeout"),
        ({"min_score": 1.5}, "bad_min_score", "min_score: 1.5 is outside 0 to 1"),
        ({"min_score": -0.1}, "bad_min_score", "min_score: -0.1"),
        ({"min_score": NOT_A_NUMBER}, "bad_min_score", "min_score: nan"),
        ({"image": image_message()}, "bad_image", "no such encoding"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_goal_is_aborted_and_says_what_is_wrong(robot, asker, engine, fields, reason, told):
    seen(robot, asker)
    if "image" in fields:
        fields["image"].encoding = "no such encoding"
    asked = engine.stats()["asked"]
    state, result = asker.goal(**{"instruction": "the mug"} | fields).result()
    assert (state, result.outcome, result.reason) == ("aborted", "error", reason)
    assert told in result.detail
    assert engine.stats()["asked"] == asked


@pytest.mark.parametrize(
    ("script", "settings", "reason", "told"),
    [
        ({"mode": "silent"}, {"query_timeout": 0.3}, "query_timeout", "raise query_timeout"),
        ({"mode": "error500"}, {}, "engine_http_500", "scripted failure"),
        ({"delay": 0.6}, {"max_result_age": 0.5}, "max_result_age", "max_result_age"),
    ],
    ids=lambda value: str(value),
)
def test_what_fails_at_the_engine_aborts_the_goal_with_the_remedy(robot, asker, engine, script, settings, reason, told):
    seen(robot, asker)
    engine.script(**script)
    assert robot.set(**LIVE | settings).successful
    state, result = asker.goal().result()
    assert (state, result.outcome, result.reason) == ("aborted", "error", reason)
    assert told in result.detail


def test_the_goals_min_score_and_deadline_are_its_own(robot, asker, engine):
    seen(robot, asker)
    engine.script(logprob=-3.0)
    state, result = asker.goal(min_score=0.9).result()
    assert (state, result.outcome, result.reason) == ("succeeded", "absent", "low_score")
    assert asker.goal().result()[1].outcome == "found"
    engine.script(logprob=-0.1, delay=0.5)
    late = asker.goal(deadline=0.2).result()[1]
    assert (late.outcome, late.deadline_missed) == ("found", True)
    assert not asker.goal().result()[1].deadline_missed


def test_a_goal_says_how_many_objects_and_each_has_both_boxes(robot, asker, engine):
    seen(robot, asker)
    engine.script(several=3)
    found = asker.goal(max_objects=2).result()[1]
    assert [one.id for one in found.visible.detections] == [one.id for one in found.amodal.detections] == ["0:0", "0:1"]
    assert any("max_objects: 1 of 3" in warning for warning in found.warnings)
    assert len(asker.goal().result()[1].visible.detections) == 1
    assert len(asker.goal(max_objects=1).result()[1].visible.detections) == 1
    state, refused = asker.goal(max_objects=999).result()
    assert (state, refused.reason) == ("aborted", "bad_max_objects")


def test_a_result_is_kept_for_ten_seconds_at_least(robot, asker):
    seen(robot, asker)
    goal = asker.goal()
    ended, result = time.monotonic(), goal.result()[1]
    wait_for("most of the time", lambda: time.monotonic() > ended + 6.0)
    assert goal.result_again() == ("succeeded", result)
    wait_for("the end of the result", lambda: goal.result_again()[0] == "unknown", 30.0)
    assert time.monotonic() - ended > 9.0


def test_the_stream_keeps_half_its_rate_under_four_goals_at_a_time(robot, asker, engine):
    seen(robot, asker)
    engine.script(delay=0.15)
    robot.instruct("the cup")
    robot.enable(True)

    def rate(count: int) -> float:
        pending = [asker.goal() for _ in range(count)]
        begun, answered = time.time_ns(), 0
        while time.time_ns() < begun + 5 * 10**9:
            answered += sum(goal.ended for goal in pending)
            pending = [asker.goal() if goal.ended else goal for goal in pending]
            time.sleep(0.02)
        ended = time.time_ns()
        assert not count or answered >= 3
        for goal in pending:
            goal.result()
        return robot.published(begun, ended) / (ended - begun) * 1e9

    with robot.stream(30.0):
        robot.status(outcome="found")
        alone, beside = rate(0), rate(4)
    print(f"\nthe stream alone {alone:.2f}/s, beside four goals at a time {beside:.2f}/s")
    assert beside >= 0.5 * alone


def test_fifty_cancelled_goals_leave_nothing_behind(robot, asker, engine, node):
    seen(robot, asker)
    engine.script(mode="silent")
    # The image gets old meanwhile.
    assert robot.set(max_result_age=0.0).successful

    def cancelled() -> None:
        goal = asker.goal()
        wait_for("the query", lambda: engine.stats()["running"] > 0)
        goal.cancel()
        assert goal.result(5.0)[0] == "cancelled"
        wait_for("the abort", lambda: engine.stats()["running"] == 0)

    for _ in range(5):
        cancelled()
    before = counts(node.pid)
    for _ in range(50):
        cancelled()
    # The threads of a pool begin when they are first needed; one left behind by each goal would make fifty.
    wait_for(
        "hardly more threads and files than before",
        lambda: all(now - then < 5 for now, then in zip(counts(node.pid), before, strict=True)),
    )


def test_deactivation_ends_a_goal_and_an_inactive_node_says_so(robot, asker, engine):
    """Last in this module: it deactivates the node."""
    seen(robot, asker)
    engine.script(mode="silent")
    goal = asker.goal()
    wait_for("the query", lambda: engine.stats()["running"] > 0)
    assert robot.transition(Transition.TRANSITION_DEACTIVATE)
    state, result = goal.result(5.0)
    assert (state, result.outcome) == ("aborted", "error")
    assert "activate it" in result.detail
    state, result = asker.goal().result()
    assert (state, result.reason) == ("aborted", "not_active")
    assert "activate it: ros2 lifecycle set /grounding activate" in result.detail
    assert robot.transition(Transition.TRANSITION_CLEANUP)
    _, result = asker.goal().result()
    both = "ros2 lifecycle set /grounding configure, then ros2 lifecycle set /grounding activate"
    assert (result.reason, both in result.detail) == ("not_active", True)
    assert robot.transition(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    _, result = asker.goal().result()
    assert (result.reason, "start its process again" in result.detail) == ("not_active", True)

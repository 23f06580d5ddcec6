"""~/ground of a node with several cameras: a goal names one, or is told which there are."""

from __future__ import annotations

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from asking_once import Asker
from domains import UNCLAIMED
from processes import wait_for
from robot import Robot, image_message
from running import start_node, until_stopped

pytestmark = pytest.mark.ros

DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def node(engine):
    settings = {"cameras": ["front", "left"], "image_timeout": 3600.0, "max_result_age": 0.0}
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **settings)
    yield from until_stopped(node)


@pytest.fixture(scope="module")
def robots(node):
    robots = {name: Robot(DOMAIN, camera=name) for name in ("front", "left")}
    robots["front"].ready()
    yield robots
    for robot in robots.values():
        robot.close()


@pytest.fixture(scope="module")
def asker(robots):
    return Asker(robots["front"])


def test_the_image_is_that_of_the_camera_that_is_named(robots, asker):
    shown = {name: robot.show(image_message(frame=name)) for name, robot in robots.items()}
    for name, image in shown.items():
        wait_for("the image", lambda name=name: asker.goal(camera=name).result()[0] == "succeeded")
        assert asker.goal(camera=name).header() == image.header


def test_a_goal_without_a_camera_or_with_an_unknown_one_is_told_which_there_are(robots, asker):
    for camera, reason in (("", "no_camera"), ("right", "unknown_camera")):
        state, result = asker.goal(camera=camera).result()
        assert (state, result.outcome, result.reason) == ("aborted", "error", reason)
        assert "front, left" in result.detail


def test_an_image_in_the_goal_needs_no_camera(robots, asker):
    image = image_message(frame="a file")
    goal = asker.goal(image=image)
    assert (goal.result()[0], goal.header()) == ("succeeded", image.header)

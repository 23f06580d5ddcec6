"""Images that are none, cameras and servers that go away: told by name, and the node goes on."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
from diagnostic_msgs.msg import DiagnosticArray
from domains import UNCLAIMED
from processes import wait_for
from rclpy.qos import qos_profile_sensor_data
from robot import Robot, image_message
from running import Process, ScriptedEngine
from sensor_msgs.msg import CompressedImage, Image

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED

CAMERA = """
import sys, time
import rclpy
sys.path[:0] = {folders!r}
from robot import image_message
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
while True:
    publisher.publish(image_message(frame="killed"))
    time.sleep(0.05)
"""


def spoiled(**changes) -> Image:
    message = image_message()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    "message",
    [
        spoiled(data=b"\x00" * 100),
        spoiled(data=b""),
        spoiled(step=1),
        spoiled(step=2**31),
        spoiled(encoding="no such encoding"),
        spoiled(encoding=""),
        spoiled(width=0),
        spoiled(height=2**31),
        spoiled(encoding="32FC1"),
    ],
    ids=["truncated", "empty", "short step", "huge step", "unknown", "unnamed", "no width", "huge", "depth"],
)
def test_a_garbage_image_is_refused_and_the_node_lives_on(robot, engine, message):
    before = engine.stats()["asked"]
    robot.instruct("the mug")
    message.header = image_message().header
    robot.show(message)
    status = robot.status(outcome="error")
    assert (status["reason"], status["level"]) == ("bad_image", 2)
    assert len(status["message"]) > 10
    assert engine.stats()["asked"] == before
    robot.show()
    robot.status(outcome="found")


def test_images_of_the_other_type_are_named_where_none_come(robot, node):
    robot.set(image_timeout=0.5)
    driver = Robot(DOMAIN, kind=CompressedImage)
    robot.node.destroy_publisher(robot.images)
    try:
        # It says so once for each silence, so the node must know the driver before one begins.
        rows = []
        robot.node.create_subscription(DiagnosticArray, "/diagnostics", lambda array: rows.extend(array.status), 10)
        wait_for("discovery", lambda: any("sensor_msgs/msg/CompressedImage" in row.message for row in list(rows)))
        robot.instruct("the mug")
        status = robot.status(reason="no_image")
        assert "sensor_msgs/msg/CompressedImage" in status["message"]
        assert "transport:=compressed" in status["message"]
    finally:
        driver.close()
        robot.images = robot.node.create_publisher(Image, "image", qos_profile_sensor_data)


def test_an_order_of_colours_that_is_guessed_is_said_once(robot, node):
    robot.instruct("the mug")
    for _ in range(3):
        robot.forget()
        message = image_message()
        message.encoding = "8UC3"
        robot.show(message)
        robot.status(outcome="found")
    assert node.output.count("taken as bgr8") == 1


def test_a_killed_camera_is_reported_and_the_next_one_is_served(robot, node):
    robot.set(image_timeout=0.5)
    code = CAMERA.format(folders=[str(folder) for folder in Path(__file__).parents[2:4]])
    camera = Process([sys.executable, "-c", code], DOMAIN)
    try:
        robot.instruct("the mug")
        wait_for("an answer", lambda: any(array.header.frame_id == "killed" for array in robot.arrays()))
    finally:
        camera.signal(signal.SIGKILL)
        camera.wait()
    status = robot.status(reason="no_image")
    assert "best effort" in status["message"]
    assert "image" in status["message"]
    assert status["level"] == 2
    assert node.running()
    robot.forget()
    robot.show()
    robot.status(outcome="found")


def test_a_slow_camera_is_warned_of_once_and_a_silent_one_is_an_error(robot, node):
    robot.set(image_timeout=0.5)
    robot.instruct("the slow mug")
    before = node.output.count("[ERROR]")
    for _ in range(2):
        robot.forget()
        robot.show()
        robot.status(outcome="found")
        assert robot.status(reason="no_image")["level"] == 2
    assert (node.output.count("[ERROR]"), node.output.count("set image_timeout above")) == (before, 1)
    wait_for("an error in the log", lambda: node.output.count("[ERROR]") > before)


def test_a_server_that_goes_away_is_reported_and_its_successor_is_served(robot, node, engine):
    port = int(engine.url.rsplit(":", 1)[1])
    engine.signal(signal.SIGKILL)
    engine.wait()
    robot.instruct("the mug")
    robot.show()
    status = robot.status(outcome="error")
    assert status["reason"] == "engine_unreachable"
    assert status["instruction"] == "the mug"
    successor = ScriptedEngine(DOMAIN, port=port)
    try:
        robot.show()
        robot.status(outcome="found")
    finally:
        successor.stop()

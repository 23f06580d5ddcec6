"""All nodes on a bag that loops, with its clock: each goes on in every lap, and speaks of that lap alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from builtin_interfaces.msg import Time
from domains import UNCLAIMED
from processes import wait_for
from rclpy.qos import qos_profile_sensor_data
from robot import Robot, textured_message
from rosgraph_msgs.msg import Clock
from running import Process, ScriptedEngine, start_node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from egm_core.streams.timeline import stamp_of
from egm_ros.common.pictures import images

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
BEGIN, RATE, LENGTH, LAPS = 1_600_000_000, 10.0, 5.0, 3
# A new lap may begin while an engine is asked and DDS is busy; without the mend nothing came until its end.
SOON = 3.0
OUTPUTS: dict[str, Any] = {
    "grounding/visible": Detection2DArray,
    "propagation/visible": Detection2DArray,
    "lifting/visible": Detection3DArray,
    "overlay/image": Image,
}
SIMULATED = ("--ros-args", "-p", "use_sim_time:=true")


@pytest.fixture
def nodes(engine: ScriptedEngine) -> Iterator[list[Process]]:
    """The grounding node and all that follow it, as on a robot."""
    nodes = [
        start_node(
            DOMAIN,
            model="scripted-qwen",
            engine_url=engine.url,
            force_amodal=True,
            max_rate=4.0,
            default_instruction="the mug",
            use_sim_time=True,
        ),
        *(
            Process([sys.executable, "-m", f"egm_ros.{name}", *SIMULATED], DOMAIN)
            for name in ("overlay", "propagation", "lifting")
        ),
    ]
    yield nodes
    ended = [(node.stop(), node.output) for node in nodes]
    assert all(code == 0 and "Traceback" not in output for code, output in ended), ended


class Bag:
    """Plays one lap after the other, and notes what was said when, by the stamp's place in the lap."""

    def __init__(self, robot: Robot) -> None:
        make = robot.node.create_publisher
        self._clock = make(Clock, "/clock", 10)
        self._image = make(Image, "image", qos_profile_sensor_data)
        self._depth = make(Image, "depth", qos_profile_sensor_data)
        self._info = make(CameraInfo, "camera_info", qos_profile_sensor_data)
        self._picture = textured_message(160, 120)
        self.said: dict[str, list[tuple[float, float]]] = {name: [] for name in OUTPUTS}
        for name, kind in OUTPUTS.items():
            robot.node.create_subscription(kind, name, lambda message, name=name: self._note(name, message), 10)

    def play(self) -> float:
        """Play a lap; gives when it began."""
        began = time.monotonic()
        for number in range(round(LENGTH * RATE)):
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
            seconds, part = divmod(number, round(RATE))
            stamp = Time(sec=BEGIN + seconds, nanosec=part * round(1e9 / RATE))
            header = Header(stamp=stamp, frame_id="eye")
            self._clock.publish(Clock(clock=stamp))
            self._info.publish(
                CameraInfo(
                    header=header,
                    width=160,
                    height=120,
                    p=[100.0, 0.0, 80.0, 0.0, 0.0, 100.0, 60.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                )
            )
            self._depth.publish(images.encode_depth(np.full((120, 160), 2.0, np.float32), header))
            self._picture.header = header
            self._image.publish(self._picture)
        return began

    def places(self, name: str, since: float, until: float) -> list[float]:
        """Give the places in the lap of what a topic said within a time."""
        return [place for when, place in self.said[name] if since <= when < until]

    def _note(self, name: str, message: Any) -> None:
        """Note what holds boxes: in an array, or drawn into the picture."""
        if message.data != self._picture.data if isinstance(message, Image) else message.detections:
            self.said[name].append((time.monotonic(), stamp_of(message) / 1e9 - BEGIN))


def test_every_node_goes_on_in_every_lap_and_says_that_time_went_back(
    nodes: list[Process], engine: ScriptedEngine
) -> None:
    engine.script(mode="found", delay=0.3)
    robot = Robot(DOMAIN)
    try:
        robot.status(engine="ready")
        bag = Bag(robot)
        # The first lap is for DDS to bring everybody together.
        bag.play()
        wait_for("every node to speak", lambda: all(bag.said.values()) or bag.play() < 0.0, 60.0)
        laps = [bag.play() for _ in range(LAPS)]
        time.sleep(0.5)
    finally:
        robot.close()
    for began in laps:
        for name in OUTPUTS:
            early = bag.places(name, began + 0.5, began + SOON)
            assert early, f"{name} said nothing in the first {SOON} s of a lap"
            assert max(early) < SOON, f"{name} spoke of the lap before"
    for node in nodes:
        wait_for("a word about it", lambda node=node: "time went back by" in node.output)

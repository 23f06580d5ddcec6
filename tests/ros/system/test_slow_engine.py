"""An engine that takes five seconds, and all that follow the grounding node as they are shipped: boxes all along."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from domains import UNCLAIMED
from processes import wait_for
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from robot import Robot, textured_message
from running import Process, ScriptedEngine, start_node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from egm_ros.common.pictures import images

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED
ENGINE_TAKES, RATE = 5.0, 10.0
# Two answers and what is between them.
LOOK = 11.0
OUTPUTS: dict[str, Any] = {
    "propagation/visible": Detection2DArray,
    "lifting/visible": Detection3DArray,
    "overlay/image": Image,
}
STATUSES = ("propagation/status", "lifting/status")


@pytest.fixture
def nodes(engine: ScriptedEngine) -> Iterator[list[Process]]:
    """The grounding node and its followers, none of which is told anything about time."""
    nodes = [
        start_node(
            DOMAIN, model="scripted-qwen", engine_url=engine.url, force_amodal=True, default_instruction="the mug"
        ),
        *(Process([sys.executable, "-m", f"egm_ros.{name}"], DOMAIN) for name in ("overlay", "propagation", "lifting")),
    ]
    yield nodes
    ended = [(node.stop(), node.output) for node in nodes]
    assert all(code == 0 and "Traceback" not in output for code, output in ended), ended


class Camera:
    """A camera with depth before a still scene, and what the followers say: when, and whether it holds boxes."""

    def __init__(self, robot: Robot) -> None:
        make = robot.node.create_publisher
        self._image = make(Image, "image", qos_profile_sensor_data)
        self._depth = make(Image, "depth", qos_profile_sensor_data)
        self._info = make(CameraInfo, "camera_info", qos_profile_sensor_data)
        self._picture = textured_message(320, 240)
        self._plain = bytes(self._picture.data)
        self.said: dict[str, list[tuple[float, bool]]] = {name: [] for name in OUTPUTS}
        self.told: dict[str, list[dict[str, str]]] = {name: [] for name in STATUSES}
        latched = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        for name, kind in OUTPUTS.items():
            robot.node.create_subscription(kind, name, lambda message, name=name: self._note(name, message), 10)
        for name in STATUSES:
            robot.node.create_subscription(
                DiagnosticStatus,
                name,
                lambda message, name=name: self.told[name].append(
                    {pair.key: pair.value for pair in message.values} | {"message": message.message}
                ),
                latched,
            )
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join(10.0)

    def with_boxes(self, name: str) -> list[float]:
        """When a topic said something that holds boxes."""
        return [when for when, boxes in list(self.said[name]) if boxes]

    def _play(self) -> None:
        while not self._done.wait(1 / RATE):
            seconds, part = divmod(time.time_ns(), 10**9)
            header = Header(stamp=Time(sec=seconds, nanosec=part), frame_id="eye")
            self._info.publish(
                CameraInfo(
                    header=header,
                    width=320,
                    height=240,
                    p=[200.0, 0.0, 160.0, 0.0, 0.0, 200.0, 120.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                )
            )
            self._depth.publish(images.encode_depth(np.full((240, 320), 2.0, np.float32), header))
            self._picture.header = header
            self._image.publish(self._picture)

    def _note(self, name: str, message: Any) -> None:
        boxes = bytes(message.data) != self._plain if isinstance(message, Image) else bool(message.detections)
        self.said[name].append((time.monotonic(), boxes))


def test_boxes_come_all_along_from_every_follower_with_its_defaults(
    nodes: list[Process], engine: ScriptedEngine
) -> None:
    engine.script(mode="found", delay=ENGINE_TAKES)
    robot = Robot(DOMAIN)
    camera = Camera(robot)
    try:
        robot.status(engine="ready")
        wait_for("every follower to speak of boxes", lambda: all(camera.with_boxes(name) for name in OUTPUTS), 40.0)
        began = time.monotonic()
        time.sleep(LOOK)
        ended = time.monotonic()
    finally:
        camera.stop()
        robot.close()
    for name in ("propagation/visible", "overlay/image"):
        times = [began, *(when for when in camera.with_boxes(name) if began <= when < ended), ended]
        assert max(np.diff(times)) < 2.0, f"{name} was without boxes for {max(np.diff(times)):.1f} s"
        assert len(times) > 0.5 * LOOK * RATE
    assert len([when for when in camera.with_boxes("lifting/visible") if when >= began]) >= 1
    for name, told in camera.told.items():
        assert [entry for entry in told if entry["outcome"] == "found"], f"{name}: {told}"
        # On a busy machine a picture may get lost on its way to one node.
        lost = ("", "no_depth", "no_picture")
        assert all(entry["reason"] in lost for entry in told), f"{name}: {told}"
    ages = [float(entry["age"]) for entry in camera.told["propagation/status"]]
    assert max(ages) > ENGINE_TAKES

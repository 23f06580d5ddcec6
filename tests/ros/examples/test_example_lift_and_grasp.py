"""The example that gives a point to grasp, behind the real lifting node."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from builtin_interfaces.msg import Time
from geometry_msgs.msg import PointStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from egm_ros.common.messages import detection
from egm_ros.common.pictures.images import encode_depth
from egm_ros.lifting.node import LiftingNode

pytestmark = pytest.mark.ros

WIDE, HIGH, FOCAL = 160, 120, 100.0
BOX, NEAR, WALL = (20.0, 30.0, 60.0, 80.0), 2.0, 6.0


def depth_image(header: Header, hidden: bool = False) -> Image:
    """A box at two metres before a wall; `hidden` lets the sensor see nothing of its left half."""
    depth = np.full((HIGH, WIDE), WALL, np.float32)
    depth[30:80, 20:60] = NEAR
    if hidden:
        depth[30:80, 20:40] = np.nan
    return encode_depth(depth, header)


def info(header: Header) -> CameraInfo:
    k = [FOCAL, 0.0, 80.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 1.0]
    p = [FOCAL, 0.0, 80.0, 0.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return CameraInfo(header=header, width=WIDE, height=HIGH, k=k, p=p)


def test_the_point_lies_on_what_is_seen_of_the_object(bench: Any) -> None:
    make = bench.node.create_publisher
    depth, camera = (
        make(kind, name, qos_profile_sensor_data) for kind, name in ((Image, "depth"), (CameraInfo, "camera_info"))
    )
    boxes = [make(Detection2DArray, f"grounding/{name}", 5) for name in ("visible", "amodal")]
    points = bench.collect(PointStamped, "grasp_point")
    bench.add(LiftingNode)
    process = bench.start("examples.lift_and_grasp")
    bench.until(
        lambda: (
            depth.get_subscription_count() == 2
            and camera.get_subscription_count() == 2
            and bench.node.count_subscribers("lifting/visible") == 1
            and bench.node.count_publishers("grasp_point") == 1
        )
    )

    def answer(second: int, hidden: bool = False) -> None:
        header = Header(stamp=Time(sec=second), frame_id="eye")
        camera.publish(info(header))
        depth.publish(depth_image(header, hidden))
        for publisher in boxes:
            found = [detection(header, "1:0", BOX, "the box", 0.5)]
            publisher.publish(Detection2DArray(header=header, detections=found))

    second = 0

    def pointed() -> bool:
        """Answer once a second: best-effort depth may get lost while the nodes still find each other."""
        nonlocal second
        if time.monotonic() >= begun + second:
            second += 1
            answer(second)
        return bool(points)

    begun = time.monotonic()
    bench.until(pointed)
    assert 1 <= points[0].header.stamp.sec <= second
    assert points[0].header.frame_id == "eye"
    x, y, z = points[0].point.x, points[0].point.y, points[0].point.z
    # The box's middle is pixel (40, 55), which is 40 left and 5 above the optical centre.
    assert z == pytest.approx(NEAR, abs=1e-3)
    assert (x, y) == pytest.approx((-0.8, -0.1), abs=0.03)
    bench.until(lambda: "'the box': grasp at (-0." in bench.output())
    answer(second + 1, hidden=True)
    bench.until(lambda: points[-1].header.stamp.sec == second + 1)
    assert points[-1].point.x == pytest.approx(-0.6, abs=0.03), "the middle of the half that was measured"
    assert process.poll() is None


def test_boxes_without_their_depth_are_named(bench: Any) -> None:
    from vision_msgs.msg import Detection3DArray

    boxes = bench.node.create_publisher(Detection3DArray, "lifting/visible", 5)
    bench.start("examples.lift_and_grasp")
    bench.until(lambda: boxes.get_subscription_count() == 1)
    boxes.publish(Detection3DArray(header=Header(stamp=Time(sec=9), frame_id="eye")))
    bench.until(lambda: "no depth or camera_info of the boxes' stamp" in bench.output())


def test_asked_once_it_lifts_the_answer_itself_and_ends(bench: Any) -> None:
    """Behind the real grounding node: the point lies on the wall where the box is, and what is absent has none."""
    pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")
    from running import ScriptedEngine, start_node
    from scripted_engine import box_of

    engine = ScriptedEngine(bench.domain)
    node = start_node(bench.domain, model="scripted-qwen", engine_url=engine.url)
    make = bench.node.create_publisher
    images, depth, camera = (
        make(kind, name, qos_profile_sensor_data)
        for kind, name in ((Image, "image"), (Image, "depth"), (CameraInfo, "camera_info"))
    )

    def show() -> None:
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        header = Header(stamp=Time(sec=seconds, nanosec=nanoseconds), frame_id="eye")
        images.publish(
            Image(header=header, width=WIDE, height=HIGH, encoding="mono8", step=WIDE, data=bytes(WIDE * HIGH))
        )
        camera.publish(info(header))
        depth.publish(encode_depth(np.full((HIGH, WIDE), WALL, np.float32), header))

    def ended() -> bool:
        show()
        bench.spin(0.2)
        return process.poll() is not None

    try:
        bench.until(lambda: "the engine is ready" in node.output, 60.0)
        process = bench.start("examples.lift_and_grasp", "--ask", "the mug")
        bench.until(ended, 60.0)
        assert process.returncode == 0, bench.output()
        x0, y0, x1, y1 = (edge / 1000 * side for edge, side in zip(box_of("the mug"), (WIDE, HIGH) * 2, strict=True))
        point = [((x0 + x1) / 2 - 80.0) / FOCAL * WALL, ((y0 + y1) / 2 - 60.0) / FOCAL * WALL, WALL]
        (line,) = [line for line in bench.output().splitlines() if "grasp at" in line]
        said = [float(word) for word in line.partition("(")[2].partition(")")[0].split(", ")]
        assert said == pytest.approx(point, abs=0.1)
        engine.script(mode="absent")
        process = bench.start("examples.lift_and_grasp", "--ask", "the cup")
        bench.until(ended, 60.0)
        assert process.returncode == 1
        assert "absent : nothing in the image fits: the cup" in bench.output()
    finally:
        node.stop()
        engine.stop()

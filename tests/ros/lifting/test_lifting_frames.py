"""3D boxes in another frame than the camera's: by tf2, and what is said where it is missing."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from lifting_scene import (
    NEAR,
    Scene,
    header,
)
from std_msgs.msg import Header

pytestmark = pytest.mark.ros


@pytest.mark.skipif(importlib.util.find_spec("tf2_ros") is not None, reason="tf2_ros is installed")
def test_a_target_frame_without_tf2_ros_names_the_remedy(bench: Any) -> None:
    process = bench.start("egm_ros.lifting", "--ros-args", "-p", "target_frame:=map")
    assert process.wait(60) == 2
    assert "target_frame: needs tf2_ros" in bench.output()
    assert "leave target_frame empty" in bench.output()


def test_boxes_in_a_target_frame_by_tf2_itself(bench: Any) -> None:
    tf2 = pytest.importorskip("tf2_ros", reason="no tf2_ros: it comes with a ROS installation")
    scene = Scene(bench, target_frame="map", wait=30.0)
    still, moving = tf2.StaticTransformBroadcaster(bench.node), tf2.TransformBroadcaster(bench.node)

    def send(broadcaster: Any, stamped: Header, child: str, x: float, *turn: float) -> None:
        message = TransformStamped(header=stamped, child_frame_id=child)
        message.transform.translation.x = x
        message.transform.rotation.x, message.transform.rotation.y = turn[:2]
        message.transform.rotation.z, message.transform.rotation.w = turn[2:]
        broadcaster.sendTransform(message)

    # The camera looks along x of a base that moves by 1 m between the stamps 0 and 2.
    send(still, header(0, frame="base"), "eye", 0.0, -0.5, 0.5, -0.5, 0.5)
    scene.see(1)
    scene.answer(1, NEAR)
    bench.until(lambda: scene.node._pending)
    bench.holds(lambda: not scene.statuses)
    for number, x in ((0, 10.0), (2, 11.0)):
        bench.until(moving.pub_tf.get_subscription_count)
        send(moving, header(number, frame="map"), "base", x, 0.0, 0.0, 0.0, 1.0)
    told = scene.status()
    assert (told["outcome"], told["frame"]) == ("found", "map")
    center = scene.arrays()[0].detections[0].bbox.center.position
    assert (center.x, center.y, center.z) == pytest.approx((12.5, 0.8, 0.1), abs=0.02)
    scene.patience(1.0)
    scene.see(30)
    scene.answer(30, NEAR)
    told = scene.status()
    assert told["reason"] == "no_transform"
    assert "extrapolation" in told["message"]


class NoTransform(Exception):
    pass


@pytest.fixture
def turned_by_tf2(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What stands for tf2_ros where there is none: its two classes and its error, and the transforms it knows."""
    known: dict[str, Any] = {}

    class Buffer:
        def clear(self) -> None:
            known.clear()

        def lookup_transform(self, target: str, source: str, stamp: Any) -> Any:
            if (target, source, stamp.nanoseconds) not in known:
                raise NoTransform(f"{target!r} passed to lookupTransform does not exist")
            return SimpleNamespace(transform=known[target, source, stamp.nanoseconds])

    module = ModuleType("tf2_ros")
    module.__dict__.update(
        Buffer=Buffer, TransformListener=lambda buffer, node: node.get_name(), TransformException=NoTransform
    )
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return known


def test_boxes_in_a_target_frame_wait_for_the_transform_of_their_stamp(bench: Any, turned_by_tf2: Any) -> None:
    scene = Scene(bench, target_frame="map", wait=1.0)
    scene.see(0)
    scene.answer(0, NEAR)
    told = scene.status()
    assert (told["reason"], told["outcome"]) == ("no_transform", "error")
    assert "'map'" in told["message"]
    scene.patience(30.0)
    scene.see(1)
    scene.answer(1, NEAR)
    bench.until(lambda: scene.node._pending)
    bench.holds(lambda: not scene.visible and not scene.amodal)
    # The camera looks along x, as REP-103 has it: optical z is forward, x is to the right.
    place = SimpleNamespace(
        translation=SimpleNamespace(x=10.0, y=0.0, z=1.0), rotation=SimpleNamespace(x=-0.5, y=0.5, z=-0.5, w=0.5)
    )
    turned_by_tf2["map", "eye", 100_050_000_000] = place
    told = scene.status()
    assert (told["outcome"], told["frame"], told["ranges"]) == ("found", "map", "2.000")
    visible, amodal = scene.arrays()
    assert visible.header == header(1, frame="map")
    center = visible.detections[0].bbox.center.position
    assert (center.x, center.y, center.z) == pytest.approx((12.0, 0.8, 1.1), abs=0.02)
    covariance = np.array(amodal.detections[0].results[0].pose.covariance).reshape(6, 6)
    assert covariance[0, 0] > 0
    assert np.count_nonzero(np.abs(covariance) > 1e-12) == 1
    assert turned_by_tf2
    # tf2 would refuse transforms of the new lap as older than what it has; what waits for one of before is given up.
    scene.see(20)
    scene.answer(20, NEAR)
    bench.until(lambda: scene.node._pending)
    scene.see(0, base=40)
    bench.until(lambda: not turned_by_tf2)
    told = scene.status()
    assert (told["reason"], told["stamp"]) == ("time_went_back", "101.000000000")

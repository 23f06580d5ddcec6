"""What a node that follows others says while one of its inputs is silent, on real DDS."""

from __future__ import annotations

from typing import Any

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from egm_ros import inputs
from egm_ros.lifting import LiftingNode
from egm_ros.overlay import OverlayNode
from egm_ros.propagation import PropagationNode

pytestmark = pytest.mark.ros


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "SILENT", 0.6)
    monkeypatch.setattr(inputs, "PERIOD", 0.1)


def lines(capfd: pytest.CaptureFixture[str], heard: list[str], words: str) -> list[str]:
    heard.extend(capfd.readouterr().err.splitlines())
    return [line for line in heard if words in line]


@pytest.mark.parametrize(
    ("kind", "topics"),
    [
        (PropagationNode, ("/image", "/grounding/visible", "/grounding/amodal")),
        (LiftingNode, ("/depth", "/camera_info", "/grounding/visible", "/grounding/amodal")),
        (OverlayNode, ("/image", "/grounding/visible", "/grounding/amodal")),
    ],
)
def test_each_silent_input_is_named_once_with_what_is_wrong(
    bench: Any, capfd: pytest.CaptureFixture[str], kind: Any, topics: tuple[str, ...]
) -> None:
    heard: list[str] = []
    camera = bench.node.create_publisher(Image, "/camera/image", qos_profile_sensor_data)
    bench.collect(Image, "overlay/image")
    bench.add(kind)
    for topic in topics:
        bench.until(lambda topic=topic: lines(capfd, heard, f"nothing comes on {topic} since the start"))
    bench.spin(1.0)
    for topic in topics:
        (line,) = lines(capfd, heard, f"nothing comes on {topic} ")
        assert "nobody publishes there" in line
        if topic in ("/image", "/depth"):
            assert "sensor_msgs/msg/Image is published on /camera/image: remap" in line
    assert camera.topic_name == "/camera/image"


def test_a_stream_that_stops_is_told_and_boxes_that_do_not_come_are_not(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    make = bench.node.create_publisher
    camera = make(Image, "image", qos_profile_sensor_data)
    for name in ("visible", "amodal"):
        make(Detection2DArray, f"grounding/{name}", 5)
    bench.add(PropagationNode)
    bench.until(camera.get_subscription_count)
    for _ in range(20):
        camera.publish(Image())
        bench.spin(0.05)
    assert not lines(capfd, heard, "nothing comes on /image")
    bench.until(lambda: lines(capfd, heard, "nothing comes on /image for 1 s: there is a publisher, but"))
    assert not lines(capfd, heard, "nothing comes on /grounding/visible")


def test_the_wrong_transport_is_named(bench: Any) -> None:
    camera = bench.node.create_publisher(CompressedImage, "image", qos_profile_sensor_data)
    bench.start("egm_ros.propagation")
    bench.until(lambda: "nothing comes on /image since the start" in bench.output(), 30.0)
    assert "set transport:=compressed" in bench.output()
    assert camera.topic_name == "/image"

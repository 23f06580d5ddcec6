"""What a node says of a topic on which nothing comes, on real DDS."""

from __future__ import annotations

from typing import Any

import pytest
import rclpy
from processes import wait_for
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo, TopicEndpointTypeEnum
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from egm_ros.common.publishers import obstacle

pytestmark = pytest.mark.ros

WANTED = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)


def said(bench: Any, kind: Any = Image, wanted: QoSProfile = WANTED, count: int = 1) -> str:
    """What is said once so many publishers are known."""
    wait_for("discovery", lambda: bench.node.count_publishers("/camera/image") >= count)
    return obstacle(bench.node, "/camera/image", kind, wanted)


def test_a_publisher_that_fits_is_no_obstacle(bench: Any) -> None:
    bench.node.create_publisher(Image, "/camera/image", 1)
    assert said(bench) == ""


@pytest.mark.parametrize(
    ("came", "asked", "remedy"),
    [
        (CompressedImage, Image, "transport:=compressed"),
        (Image, CompressedImage, "transport:=raw"),
        (String, Image, "remap"),
    ],
)
def test_another_type_is_named_with_the_remedy(bench: Any, came: Any, asked: Any, remedy: str) -> None:
    bench.node.create_publisher(came, "/camera/image", 1)
    text = said(bench, asked)
    assert f"published there is {came.__module__.split('.')[0]}/msg/{came.__name__}" in text
    assert f"takes sensor_msgs/msg/{asked.__name__}" in text
    assert remedy in text


def test_a_second_publisher_of_the_right_type_is_enough(bench: Any) -> None:
    # Fast DDS lets one participant have a topic in one type only.
    elsewhere = rclpy.Context()
    rclpy.init(context=elsewhere, domain_id=bench.domain)
    try:
        other = rclpy.create_node("driver", context=elsewhere)
        other.create_publisher(CompressedImage, "/camera/image", 1)
        assert "transport:=compressed" in said(bench)
        bench.node.create_publisher(Image, "/camera/image", 1)
        assert said(bench, count=2) == ""
        other.destroy_node()
    finally:
        rclpy.shutdown(context=elsewhere)


def test_a_quality_that_does_not_fit_is_named(bench: Any) -> None:
    bench.node.create_publisher(Image, "/camera/image", WANTED)
    latched = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    text = said(bench, wanted=latched)
    assert "quality of service" in text
    assert "durab" in text.lower() or "reliab" in text.lower()


def test_where_nobody_publishes_the_images_elsewhere_are_named(bench: Any) -> None:
    assert said(bench, count=0) == "nobody publishes there"
    other = rclpy.create_node("driver", context=bench.context)
    bench.executor.add_node(other)
    other.create_publisher(Image, "/front/image_raw", 1)
    other.create_publisher(CompressedImage, "/front/image_raw/compressed", 1)
    wait_for("discovery", lambda: bench.node.count_publishers("/front/image_raw"))
    assert "sensor_msgs/msg/Image is published on /front/image_raw: remap" in said(bench, count=0)


@pytest.mark.parametrize(
    ("name", "asked"), [("overlay", []), ("painter", []), ("painter", [(String, "~/annotations")])]
)
def test_what_our_overlay_draws_is_no_camera(bench: Any, name: str, asked: list[Any]) -> None:
    other = rclpy.create_node(name, context=bench.context)
    bench.executor.add_node(other)
    for kind, topic in ((Image, "~/image"), (CompressedImage, "~/image/compressed"), *asked):
        other.create_publisher(kind, topic, 1)
    wait_for("discovery", lambda: bench.node.count_publishers(f"/{name}/image/compressed"))
    wait_for("the overlay to be known", lambda: said(bench, count=0) == "nobody publishes there")
    assert said(bench, CompressedImage, count=0) == "nobody publishes there"


def test_a_publisher_whose_node_is_not_known_yet_may_be_followed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DDS tells of a publisher first and of its node a moment later; rcl gives such names until then."""
    bench.node.create_publisher(Image, "/other/image", 1)
    wait_for("discovery", lambda: bench.node.count_publishers("/other/image"))
    listener = rclpy.create_node("listener", context=bench.context)
    unknown = TopicEndpointInfo(
        node_name="_NODE_NAME_UNKNOWN_",
        node_namespace="_NODE_NAMESPACE_UNKNOWN_",
        topic_type="sensor_msgs/msg/Image",
        endpoint_type=TopicEndpointTypeEnum.PUBLISHER,
    )
    known = {"/other/image": [unknown]}
    monkeypatch.setattr(listener, "get_publishers_info_by_topic", lambda topic: known.get(topic, []))
    wait_for("the topic", lambda: "/other/image" in dict(listener.get_topic_names_and_types()))
    said = obstacle(listener, "/camera/image", Image, WANTED)
    assert said == "nobody publishes there; sensor_msgs/msg/Image is published on /other/image: remap to one of them"
    listener.destroy_node()

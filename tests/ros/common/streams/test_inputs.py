"""What a node that follows others says while one of its inputs is silent, on real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy, qos_profile_sensor_data
from robot import image_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from egm_ros.common.streams import inputs
from egm_ros.lifting.node import LiftingNode
from egm_ros.overlay.node import OverlayNode
from egm_ros.propagation.node import PropagationNode

pytestmark = pytest.mark.ros


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "SILENT", 0.6)
    monkeypatch.setattr(inputs, "PERIOD", 0.1)


@pytest.fixture
def elsewhere(bench: Any) -> Iterator[Any]:
    """A node of another participant: Fast DDS lets one have a topic in one type only."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=bench.domain)
    node = rclpy.create_node("driver", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


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
    bench.holds(lambda: all(len(lines(capfd, heard, f"nothing comes on {topic} ")) == 1 for topic in topics), 1.0)
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
    # The graph may know of the camera only after a while: the cause is told as soon as it is known.
    bench.until(lambda: "nothing comes on /image since the start" in bench.output(), 30.0)
    bench.until(lambda: "set transport:=compressed" in bench.output(), 30.0)
    assert camera.topic_name == "/image"


@pytest.mark.parametrize(
    ("kind", "topics"),
    [
        (PropagationNode, ("/image", "/grounding/visible", "/grounding/amodal")),
        (LiftingNode, ("/depth", "/camera_info", "/grounding/visible", "/grounding/amodal")),
        (OverlayNode, ("/image", "/grounding/visible", "/grounding/amodal")),
    ],
)
def test_another_type_is_named_on_every_input(
    bench: Any, elsewhere: Any, capfd: pytest.CaptureFixture[str], kind: Any, topics: tuple[str, ...]
) -> None:
    heard: list[str] = []
    publishers = [elsewhere.create_publisher(String, topic, 5) for topic in topics]
    bench.collect(Image, "overlay/image")
    bench.add(kind)
    for publisher in publishers:
        words = f"nothing comes on {publisher.topic_name} since the start"
        why = "what is published there is std_msgs/msg/String, but this node takes"
        # What is known of the graph at first may be less: the cause is told again as soon as it is another.
        bench.until(lambda words=words, why=why: any(why in line for line in lines(capfd, heard, words)))


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        (PropagationNode, "/grounding/visible"),
        (OverlayNode, "/grounding/amodal"),
        (LiftingNode, "/grounding/visible"),
    ],
)
def test_another_quality_is_named(bench: Any, capfd: pytest.CaptureFixture[str], kind: Any, topic: str) -> None:
    heard: list[str] = []
    poor = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)
    publisher = bench.node.create_publisher(Detection2DArray, topic, poor)
    bench.collect(Image, "overlay/image")
    bench.add(kind)
    words, why = f"nothing comes on {topic} since the start", "quality of service does not fit"
    bench.until(lambda: any(why in line for line in lines(capfd, heard, words)))
    assert publisher.topic_name == topic


def test_a_camera_info_that_is_never_sent_is_missed_and_one_that_was_sent_once_is_not(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    publisher = bench.node.create_publisher(CameraInfo, "camera_info", 5)
    bench.add(LiftingNode)
    words, why = "nothing comes on /camera_info since the start", "there is a publisher, but it sends nothing"
    bench.until(lambda: any(why in line for line in lines(capfd, heard, words)))
    told = len(lines(capfd, heard, "nothing comes on /camera_info "))
    publisher.publish(CameraInfo())
    bench.until(lambda: lines(capfd, heard, "messages come on /camera_info"))
    bench.holds(lambda: len(lines(capfd, heard, "nothing comes on /camera_info ")) == told, 1.5)


def test_another_cause_is_told_at_once_and_the_end_of_a_silence_too(
    bench: Any, elsewhere: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    bench.add(PropagationNode)
    bench.until(lambda: "nobody publishes there" in "".join(lines(capfd, heard, "nothing comes on /image ")))
    wrong = elsewhere.create_publisher(String, "image", 5)
    bench.until(lambda: "std_msgs/msg/String" in "".join(lines(capfd, heard, "nothing comes on /image ")))
    elsewhere.destroy_publisher(wrong)
    camera = bench.node.create_publisher(Image, "image", qos_profile_sensor_data)
    bench.until(camera.get_subscription_count)

    def told() -> bool:
        camera.publish(image_message())
        bench.spin(0.05)
        return bool(lines(capfd, heard, "messages come on /image"))

    bench.until(told)


@pytest.mark.parametrize("kind", [PropagationNode, OverlayNode])
def test_a_guessed_order_of_colours_is_said_once(bench: Any, capfd: pytest.CaptureFixture[str], kind: Any) -> None:
    heard: list[str] = []
    camera = bench.node.create_publisher(Image, "image", qos_profile_sensor_data)
    bench.collect(Image, "overlay/image")
    bench.add(kind)
    bench.until(camera.get_subscription_count)

    def told() -> bool:
        message = image_message()
        message.encoding = "8UC3"
        camera.publish(message)
        bench.spin(0.05)
        return bool(lines(capfd, heard, "/image: encoding 8UC3"))

    bench.until(told)
    for _ in range(5):
        told()
    (line,) = lines(capfd, heard, "/image: encoding 8UC3")
    assert "taken as bgr8" in line


def test_a_clock_that_does_not_run_is_named_with_the_silence(bench: Any, capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    bench.add(LiftingNode, {"use_sim_time": True})
    words = "use_sim_time is set, but nothing comes on /clock"
    bench.until(lambda: words in "".join(lines(capfd, heard, "nothing comes on /depth ")))


@pytest.mark.parametrize(
    ("module", "topic"),
    [
        ("overlay", "image"),
        ("propagation", "image"),
        ("lifting", "depth"),
        ("lifting", "camera_info"),
        ("lifting", "grounding/visible"),
    ],
)
def test_the_name_after_remapping_is_told(bench: Any, module: str, topic: str) -> None:
    bench.collect(Image, "overlay/image")
    bench.start(f"egm_ros.{module}", "--ros-args", "-r", f"{topic}:=/front/{topic}_there")
    bench.until(lambda: f"nothing comes on /front/{topic}_there since the start" in bench.output(), 40.0)
    assert f"nothing comes on /{topic} " not in bench.output()

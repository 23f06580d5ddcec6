"""How images come, by the parameter `transport`: which messages those are, and what makes plain images of them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from egm_core.pictures.messages import ImageError
from egm_core.pictures.video import Video
from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.pictures import images
from egm_ros.interface.topic import Topic

PACKETS = "ffmpeg_image_transport_msgs"
# A packet that is lost spoils the pictures after it.
QUEUED = 30


def kind_of(transport: str) -> Any:
    """Give the type of the messages; raise ValueError where what they need is not installed."""
    if transport != "ffmpeg":
        return CompressedImage if transport == "compressed" else Image
    if importlib.util.find_spec("av") is None:
        raise ValueError(
            "transport: ffmpeg needs PyAV, which is not installed: pip install av, or take another transport"
        )
    try:
        return importlib.import_module(f"{PACKETS}.msg").FFMPEGPacket
    except ModuleNotFoundError as error:
        raise ValueError(
            f"transport: ffmpeg needs {PACKETS}, which is not installed: sudo apt install"
            " ros-$ROS_DISTRO-ffmpeg-image-transport-msgs, or take another transport"
        ) from error


def topic_of(transport: str, topic: Topic) -> Topic:
    """Give an image topic with the quality of service that its messages need: none of a video may get lost."""
    return replace(topic, reliable=True, depth=QUEUED) if transport == "ffmpeg" else topic


def subscribed(node: BaseNode, transport: str, topic: Topic, callback: Callable[[Any], None], camera: str) -> Any:
    """Subscribe a camera's image topic; the callback gets images, raw or compressed."""
    take = unpacked(node, transport, node.resolve_topic_name(topic.of(camera)), callback)
    return node.open_subscription(kind_of(transport), topic_of(transport, topic), take, camera)


def unpacked(node: BaseNode, transport: str, name: str, callback: Callable[[Any], None]) -> Callable[[Any], None]:
    """Have a callback called with images, raw or compressed; `name` is the topic's, for what is wrong with it."""
    if transport != "ffmpeg":
        return callback
    video = Video()

    def take(packet: Any) -> None:
        try:
            for header, picture in video.pictures(packet):
                callback(images.encode(picture, header))
        except ImageError as error:
            node.notices.seldom((name, error.reason), f"{name}: {error}")

    return take

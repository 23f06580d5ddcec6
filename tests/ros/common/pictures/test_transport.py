"""Images as packets of a video, on real DDS where their messages are; refused by name where they are not."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from egm_ros.common.pictures import images
from egm_ros.overlay.node import OverlayNode

pytestmark = pytest.mark.ros
av = pytest.importorskip("av", reason="no PyAV")


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("ffmpeg_image_transport_msgs", "transport: ffmpeg needs ffmpeg_image_transport_msgs, which is not installed"),
        ("av", "transport: ffmpeg needs PyAV, which is not installed"),
    ],
)
def test_what_is_not_installed_is_refused_by_its_name(
    bench: Any, monkeypatch: pytest.MonkeyPatch, module: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=said):
        bench.add(OverlayNode, {"transport": "ffmpeg"})


def test_packets_of_a_video_become_pictures(bench: Any) -> None:
    kinds = pytest.importorskip("ffmpeg_image_transport_msgs.msg", reason="no ffmpeg_image_transport_msgs")
    camera = bench.node.create_publisher(kinds.FFMPEGPacket, "image", 10)
    bench.add(OverlayNode, {"transport": "ffmpeg"})
    shown = bench.collect(Image, "overlay/image")
    bench.until(camera.get_subscription_count)
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, "yuv420p", Fraction(1, 30)
    codec.options = {"tune": "zerolatency"}
    for number in range(5):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 30 * number, np.uint8), format="rgb24")
        frame.pts = number
        for packet in codec.encode(frame):
            message = kinds.FFMPEGPacket(header=Header(stamp=Time(sec=number + 1)), width=64, height=48)
            message.encoding, message.pts, message.data = "libx264", packet.pts, bytes(packet)
            message.flags = int(packet.is_keyframe)
            camera.publish(message)
    bench.until(lambda: len(shown) >= 5)
    assert [message.header.stamp.sec for message in shown] == [1, 2, 3, 4, 5]
    means = [float(images.decode(message).mean()) for message in shown]
    assert means == pytest.approx([40 + 30 * number for number in range(5)], abs=4)

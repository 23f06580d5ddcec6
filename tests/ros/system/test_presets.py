"""Streams of the names, types and qualities of common drivers, through the launch file's `camera` to boxes in space."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from launched import NOWHERE, Start
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from running import ScriptedEngine
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray

from egm_ros.launching.presets import PRESETS, filled

pytestmark = [pytest.mark.ros, pytest.mark.slow]

WIDE, HIGH, RANGE = 160, 120, 2.0
# As the drivers' own documents and launch files have them for one camera: image, camera info, depth.
TOPICS = {
    "realsense": (
        "/camera/camera/color/image_raw",
        "/camera/camera/color/camera_info",
        "/camera/camera/aligned_depth_to_color/image_raw",
    ),
    "zed": (
        "/zed/zed_node/rgb/color/rect/image",
        "/zed/zed_node/rgb/color/rect/camera_info",
        "/zed/zed_node/depth/depth_registered",
    ),
    "oak": ("/oak/rgb/image_rect", "/oak/rgb/camera_info", "/oak/stereo/image_raw"),
    "usb_cam": ("/camera1/image_raw", "/camera1/camera_info", ""),
    "argus": ("/left/image_raw", "/left/camera_info", ""),
    # As bags of these data sets have them.
    "nuscenes": ("/cam_front/raw", "", ""),
    "droid": (
        "/zed/zed_node/rgb/color/rect/image",
        "/zed/zed_node/rgb/color/rect/camera_info",
        "/zed/zed_node/depth/depth_registered",
    ),
}
CHANNELS = {"rgb8": 3, "bgr8": 3, "bgra8": 4}
RELIABLE = QoSProfile(depth=10)


@pytest.fixture
def engine(domain: int) -> Iterator[ScriptedEngine]:
    running = ScriptedEngine(domain)
    yield running
    running.stop()


class Driver:
    """Publishes what a driver does, at 10 Hz; depth is stamped `late` seconds after the image."""

    def __init__(self, bench: Any, name: str, quality: QoSProfile, late: float = 0.0) -> None:
        self.preset, self.late = PRESETS[name], late
        image, info, depth = TOPICS[name]
        make = bench.node.create_publisher
        self.image = make(Image, image, quality)
        self.info = make(CameraInfo, info, quality) if info else None
        self.depth = make(Image, depth, quality) if depth else None
        self.frame = self.preset.named(self.preset.frame)
        bench.node.create_timer(0.1, self.send)

    def header(self, later: float = 0.0) -> Header:
        stamped = Header(frame_id=self.frame)
        stamped.stamp.sec, stamped.stamp.nanosec = divmod(self.now + int(later * 1e9), 10**9)
        return stamped

    def send(self) -> None:
        self.now = time.time_ns()
        channels = CHANNELS[self.preset.encoding]
        picture = np.full((HIGH, WIDE, channels), 90, np.uint8)
        picture[40:80, 50:90] = 200
        self.image.publish(message(picture, self.preset.encoding, self.header()))
        if self.info is None:
            return
        info = CameraInfo(header=self.header(), width=WIDE, height=HIGH, distortion_model="plumb_bob", d=[0.0] * 5)
        info.k = [100.0, 0.0, 80.0, 0.0, 100.0, 60.0, 0.0, 0.0, 1.0]
        info.p = [100.0, 0.0, 80.0, 0.0, 0.0, 100.0, 60.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        self.info.publish(info)
        if self.depth is not None:
            metres = np.full((HIGH, WIDE), RANGE, np.float32)
            whole = self.preset.depth_encoding == "16UC1"
            samples = (metres * 1000).astype(np.uint16) if whole else metres
            self.depth.publish(message(samples, self.preset.depth_encoding, self.header(self.late)))


def message(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    high, wide = pixels.shape[:2]
    step = pixels.strides[0]
    return Image(header=header, height=high, width=wide, encoding=encoding, step=step, data=pixels.tobytes())


@pytest.mark.parametrize(
    ("name", "quality"),
    [
        ("realsense", RELIABLE),
        ("realsense", qos_profile_sensor_data),
        ("zed", RELIABLE),
        ("oak", RELIABLE),
        ("droid", RELIABLE),
    ],
    ids=["realsense", "realsense-sensor-data", "zed", "oak", "droid"],
)
def test_streams_of_a_driver_with_depth_become_boxes_in_space(
    bench: Any, start: Start, engine: ScriptedEngine, name: str, quality: QoSProfile
) -> None:
    driver = Driver(bench, name, quality, late=0.009 if name == "oak" else 0.0)
    boxes = bench.collect(Detection3DArray, "/lifting/visible")
    launched = start("grounding", f"camera:={name}", "lift:=true", "overlay:=false", *grounded(engine))
    bench.until(lambda: boxes, 60)
    (found,) = boxes[0].detections
    assert found.bbox.center.position.z == pytest.approx(RANGE, abs=0.02)
    assert boxes[0].header.frame_id == driver.frame
    assert f"start the driver by: {PRESETS[name].start}" in launched.output


@pytest.mark.parametrize("name", ["usb_cam", "argus", "nuscenes"])
def test_streams_of_a_driver_without_depth_are_grounded(
    bench: Any, start: Start, engine: ScriptedEngine, name: str
) -> None:
    driver = Driver(bench, name, RELIABLE)
    boxes = bench.collect(Detection2DArray, "/grounding/visible")
    start("grounding", f"camera:={name}", "overlay:=false", *grounded(engine))
    bench.until(lambda: boxes and boxes[0].detections, 60)
    assert boxes[0].header.frame_id == driver.frame


def grounded(engine: ScriptedEngine) -> tuple[str, ...]:
    return (f"engine_url:={engine.url}", "default_instruction:=the box", "log_level:=warn")


def test_names_of_several_cameras_are_the_drivers(bench: Any, start: Start) -> None:
    start("grounding", "camera:=zed", "cameras:=front,left", "lift:=true", "overlay:=false", NOWHERE)
    for camera in ("front", "left"):
        for kind, topic in (("depth", "depth/depth_registered"), ("image", "rgb/color/rect/image")):
            full = f"/{camera}/zed_node/{topic}"
            ours = {"depth": f"/{camera}/lifting", "image": "/grounding"}[kind]
            bench.until(lambda full=full, ours=ours: ours in listeners(bench, full), 60)


@pytest.mark.parametrize("image", ["", "image:=/camera/camera/color/image_raw/ffmpeg"])
def test_the_video_of_a_driver_is_grounded_by_the_name_that_image_transport_gives_it(
    bench: Any, start: Start, engine: ScriptedEngine, image: str
) -> None:
    av = pytest.importorskip("av", reason="no PyAV")
    kinds = pytest.importorskip("ffmpeg_image_transport_msgs.msg", reason="no ffmpeg_image_transport_msgs")
    camera = bench.node.create_publisher(kinds.FFMPEGPacket, "/camera/camera/color/image_raw/ffmpeg", 10)
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDE, HIGH, "yuv420p", Fraction(1, 10)
    codec.options = {"tune": "zerolatency", "g": "10"}

    def send() -> None:
        for packet in codec.encode(av.VideoFrame.from_ndarray(np.full((HIGH, WIDE, 3), 90, np.uint8), format="rgb24")):
            message = kinds.FFMPEGPacket(encoding="libx264", width=WIDE, height=HIGH, data=bytes(packet))
            message.pts, message.flags = max(0, packet.pts or 0), int(packet.is_keyframe)
            seconds, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
            message.header.stamp.sec, message.header.frame_id = seconds, "eye"
            camera.publish(message)

    bench.node.create_timer(0.1, send)
    boxes = bench.collect(Detection2DArray, "/grounding/visible")
    start("grounding", "camera:=realsense", "transport:=ffmpeg", "overlay:=false", *image.split(), *grounded(engine))
    bench.until(lambda: boxes and boxes[0].detections, 60)
    assert boxes[0].header.frame_id == "eye"
    assert not listeners(bench, "/camera/camera/color/image_raw")


def listeners(bench: Any, topic: str) -> set[str]:
    found = bench.node.get_subscriptions_info_by_topic(topic)
    return {f"{end.node_namespace.rstrip('/')}/{end.node_name}" for end in found}


def test_what_is_given_by_hand_holds() -> None:
    texts = {"camera": "usb_cam", "image": "", "camera_info": "/mine/info", "depth": "", "compressed_image": ""}
    one = filled(texts, several=False, compressed=True)
    assert (one["image"], one["camera_info"]) == ("/camera1/image_raw", "/mine/info")
    assert one["compressed_image"] == "/camera1/image_compressed" and not one["depth"]
    mine = filled(texts | {"image": "/mine/image"}, several=False, compressed=True)
    assert (mine["image"], mine["compressed_image"]) == ("/mine/image", "")
    assert filled(texts, several=True, compressed=False)["image"] == "/{camera}/image_raw"
    assert not PRESETS["usb_cam"].holds(one) and PRESETS["usb_cam"].holds(
        filled({**texts, "camera_info": ""}, True, False)
    )


REFUSED = {
    "camera:=kinect": "['', 'realsense', 'zed', 'oak', 'usb_cam', 'argus', 'nuscenes', 'droid']",
    "camera:=usb_cam lift:=true": "lift: camera:=usb_cam has no depth: give depth, aligned to the image",
    "camera:=realsense depth:=/eye/depth": "depth: does nothing without lift:=true",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_no_driver_has_is_refused_in_one_line(start: Start, words: str) -> None:
    launched = start("grounding", *words.split())
    assert launched.ended(60) == 1
    assert REFUSED[words] in launched.output and "Traceback" not in launched.output

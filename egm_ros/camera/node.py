"""A camera for those who have none: publishes a clip, folder, video, bag, webcam or rendered scene.

For example:

    python -m egm_ros.camera --ros-args -p source:=video -p path:=drive.mp4 -p fov:=70.0
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from egm_ros.camera.frames import Frame, Intrinsics, SourceError
from egm_ros.camera.sources import idle, open_source
from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.nodes.process import run
from egm_ros.common.pictures import images
from egm_ros.common.streams.stamps import CLOCK_COMES, clock_missing
from egm_ros.interface import camera as interface


class CameraNode(BaseNode):
    """Publishes a source's pictures at a rate, each with its camera_info, as a camera driver does."""

    NODE, FAILURES = "camera", (SourceError, ValueError)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for told in idle(self._values, {spec.name: spec.default for spec in interface.CAMERA_PARAMETERS}):
            self.notices.once(told, told)
        self._source = open_source(self._values, lambda text: self.get_logger().warning(text))
        self._frames: Iterator[Frame] = self._source.frames()
        transport = self._values["transport"]
        self._image = self.open_publisher(Image, interface.CAMERA_IMAGE) if transport != "compressed" else None
        self._compressed = (
            self.open_publisher(CompressedImage, interface.CAMERA_COMPRESSED) if transport != "raw" else None
        )
        self._info = self.open_publisher(CameraInfo, interface.CAMERA_INFO)
        self._depth = self.open_publisher(Image, interface.CAMERA_DEPTH) if self._values["source"] == "scene" else None
        rate = self._values["rate"] or self._source.rate
        self.create_timer(1.0 / rate, self._on_tick)
        self.every(CLOCK_COMES, self._on_watch)
        self.get_logger().info(f"{self._source.name} at {rate:g} Hz{self._to_ask()}")

    def _on_tick(self) -> None:
        frame = self._next()
        if frame is None:
            self.get_logger().info(f"{self._source.name} has ended")
            self.finished = True
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._values["frame_id"])
        height, width = frame.image.shape[:2]
        intrinsics = frame.intrinsics or Intrinsics.from_fov(width, height, self._values["fov"])
        self._info.publish(camera_info(header, width, height, intrinsics))
        if self._image is not None:
            self._image.publish(images.encode(frame.image, header))
            self.pictures.size(frame.image.nbytes)
        if self._compressed is not None:
            self._compressed.publish(images.encode_compressed(frame.image, header, self._values["jpeg_quality"]))
        if self._depth is not None and frame.depth is not None:
            self._depth.publish(images.encode_depth(frame.depth, header))

    def _to_ask(self) -> str:
        """Say what the source shows, and how to ask for it: what a newcomer asks for otherwise may not be there."""
        if not self._source.shows:
            return ""
        topic = self.resolve_topic_name("instruction")
        ask = f"ros2 topic pub --once {topic} std_msgs/msg/String '{{data: \"{self._source.shows[0]}\"}}'"
        return f"; it begins with {', '.join(self._source.shows)}; ask for one: {ask}"

    def _on_watch(self) -> None:
        """Say why no picture comes where the clock that they go by does not run."""
        missing = clock_missing(self)
        if missing:
            self.notices.once("clock", f"no picture is published: {missing}")

    def _next(self) -> Frame | None:
        frame = next(self._frames, None)
        if frame is None and self._values["loop"]:
            self._frames = self._source.frames()
            frame = next(self._frames, None)
        return frame


def camera_info(header: Header, width: int, height: int, camera: Intrinsics) -> CameraInfo:
    """Describe a camera to ROS; width and height are the picture's, for cameras that do not say their sensor's."""
    wide, high = camera.size or (width, height)
    k = [camera.fx, camera.skew, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    p = camera.projection or (*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0)
    return CameraInfo(
        header=header,
        width=wide,
        height=high,
        distortion_model=camera.model,
        d=list(camera.distortion),
        k=k,
        r=list(camera.rectification),
        p=list(p),
        binning_x=camera.binning[0],
        binning_y=camera.binning[1],
        roi=RegionOfInterest(**asdict(camera.region)),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the camera until its source ends or it is told to stop; 2 where it cannot start."""
    return run(CameraNode, arguments)

"""Two boxes before a wall, the camera that sees them, and a lifting node that listens to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from egm_core.boxes import Box
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.lifting.node import LiftingNode

LATCHED = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
WIDE, HIGH, FOCAL = 160, 120, 100.0
NEAR: Box = (20.0, 30.0, 60.0, 80.0)
FAR: Box = (100.0, 40.0, 130.0, 70.0)
RANGES = {NEAR: 2.0, FAR: 4.0}
TEXT = "the box"


def header(number: int, base: int = 100, frame: str = "eye") -> Header:
    seconds, rest = divmod(number * 50, 1000)
    return Header(stamp=Time(sec=base + seconds, nanosec=rest * 10**6), frame_id=frame)


def metres() -> np.ndarray:
    """Two boxes seen head-on before a wall at 6 m."""
    depth = np.full((HIGH, WIDE), 6.0, np.float32)
    for (x0, y0, x1, y1), range in RANGES.items():
        depth[int(y0) : int(y1), int(x0) : int(x1)] = range
    return depth


def as_millimetres(depth: np.ndarray, stamped: Header) -> Image:
    message = images.encode(np.zeros((*depth.shape, 3), np.uint8), stamped)
    message.encoding, message.step = "16UC1", 2 * depth.shape[1]
    message.data = np.round(depth * 1000).astype("<u2").tobytes()
    return message


def camera_info(stamped: Header, binning: int = 0, region: tuple[int, int, int, int] = (0, 0, 0, 0)) -> CameraInfo:
    left, top, wide, high = region
    return CameraInfo(
        header=stamped, width=WIDE, height=HIGH, binning_x=binning, binning_y=binning,
        k=[FOCAL, 0.0, 80.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 1.0],
        p=[FOCAL, 0.0, 80.0, 0.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        roi=RegionOfInterest(x_offset=left, y_offset=top, width=wide, height=high),
    )  # fmt: skip


class Scene:
    """A camera with depth and a grounding node's topics around the node, and what it says."""

    def __init__(
        self, bench: Any, watched: bool = True, depth: tuple[str, Any] = ("depth", Image), **parameters: Any
    ) -> None:
        self.bench = bench
        make, collect = bench.node.create_publisher, bench.collect
        name, kind = depth
        self.depth = make(kind, name, qos_profile_sensor_data)
        self.info = make(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.boxes = [make(Detection2DArray, f"grounding/{name}", 5) for name in ("visible", "amodal")]
        self.visible, self.amodal = (collect(Detection3DArray, f"lifting/{name}") for name in ("visible", "amodal"))
        self.statuses = collect(DiagnosticStatus, "lifting/status", LATCHED)
        self.markers = collect(MarkerArray, "lifting/markers") if watched else []
        renamed = ["--ros-args", "-r", f"depth:={name}"] if name != "depth" else []
        self.node = bench.add(LiftingNode, parameters, cli_args=renamed)
        bench.until(lambda: all(end.get_subscription_count() for end in (self.depth, self.info, *self.boxes)))
        ends = ("visible", "amodal", "status", "markers")
        bench.until(lambda: all(bench.node.count_publishers(f"lifting/{name}") for name in ends))
        bench.until(lambda: not watched or self.node._markers.get_subscription_count())
        self.told = 0

    def answer(self, number: int, *found: Box, scale: float = 1.0, base: int = 100) -> None:
        """Publish visible boxes, and amodal ones that reach 10 pixels lower."""
        stamped = header(number, base)
        for publisher, lower in zip(self.boxes, (0, 10), strict=True):
            entries = [
                detection(stamped, f"3:{place}", (x0 * scale, y0 * scale, x1 * scale, (y1 + lower) * scale), TEXT, 0.8)
                for place, (x0, y0, x1, y1) in enumerate(found)
            ]
            publisher.publish(Detection2DArray(header=stamped, detections=entries))

    def see(
        self, number: int, depth: Image | CompressedImage | None = None, info: CameraInfo | None = None, base: int = 100
    ) -> None:
        stamped = header(number, base)
        self.info.publish(info or camera_info(stamped))
        self.depth.publish(depth or images.encode_depth(metres(), stamped))

    def status(self) -> dict[str, str]:
        """Wait for the next status."""
        self.bench.until(lambda: len(self.statuses) > self.told)
        message = self.statuses[self.told]
        self.told += 1
        level = int.from_bytes(message.level, "little")
        return {"level": str(level), "message": message.message} | {pair.key: pair.value for pair in message.values}

    def arrays(self, count: int = 1) -> tuple[Detection3DArray, Detection3DArray]:
        """Wait for as many arrays on both topics and return the last two; more fail, as each topic keeps its order."""
        self.bench.until(lambda: len(self.visible) >= count and len(self.amodal) >= count)
        assert len(self.visible) == len(self.amodal) == count
        return self.visible[-1], self.amodal[-1]

    def patience(self, seconds: float) -> None:
        """Set how long an answer waits."""
        self.node.set_parameters([Parameter("wait", value=seconds)])

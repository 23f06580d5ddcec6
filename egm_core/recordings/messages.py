"""Writes messages of ROS 2 without ROS: boxes, status, and what Foxglove draws over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from egm_core.boxes import Box
from egm_core.pictures.draw import INK, PLATE, Color
from egm_core.pictures.outlines import LETTERS, THICKNESS, Lines, dashed, solid
from egm_core.recordings.by_rosbags import QOS, written
from egm_core.recordings.entries import Channel, Schema

BOXES = "vision_msgs/msg/Detection2DArray"
STATUS = "diagnostic_msgs/msg/DiagnosticStatus"
ANNOTATIONS = "foxglove_msgs/msg/ImageAnnotations"
TEXT = "std_msgs/msg/String"
LEVELS = {"found": 0, "absent": 0, "error": 2}
LINE_LOOP, LINE_LIST = 2, 4

# As the packages of these names have them; vision_msgs since Humble.
_DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\n"
    "geometry_msgs/PoseWithCovariance pose",
    "vision_msgs/msg/Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    BOXES: "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
    "foxglove_msgs/msg/Point2": "float64 x\nfloat64 y",
    "foxglove_msgs/msg/Color": "float64 r\nfloat64 g\nfloat64 b\nfloat64 a",
    "foxglove_msgs/msg/CircleAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n"
    "float64 diameter\nfloat64 thickness\nfoxglove_msgs/Color fill_color\nfoxglove_msgs/Color outline_color",
    "foxglove_msgs/msg/PointsAnnotation": "uint8 UNKNOWN=0\nuint8 POINTS=1\nuint8 LINE_LOOP=2\nuint8 LINE_STRIP=3\n"
    "uint8 LINE_LIST=4\nbuiltin_interfaces/Time timestamp\nuint8 type\nfoxglove_msgs/Point2[] points\n"
    "foxglove_msgs/Color outline_color\nfoxglove_msgs/Color[] outline_colors\nfoxglove_msgs/Color fill_color\n"
    "float64 thickness",
    "foxglove_msgs/msg/TextAnnotation": "builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n"
    "string text\nfloat64 font_size\nfoxglove_msgs/Color text_color\nfoxglove_msgs/Color background_color",
    ANNOTATIONS: "foxglove_msgs/CircleAnnotation[] circles\nfoxglove_msgs/PointsAnnotation[] points\n"
    "foxglove_msgs/TextAnnotation[] texts",
}


@dataclass(frozen=True)
class Head:
    """The header of a camera's message: its stamp in nanoseconds, and its frame."""

    stamp: int
    frame_id: str

    @property
    def text(self) -> str:
        """Write the stamp as seconds.nanoseconds."""
        return f"{self.stamp // 10**9}.{self.stamp % 10**9:09d}"


@dataclass(frozen=True)
class Shown:
    """One object's boxes as messages tell them: its id, the line that it answers, and a score for each box."""

    identity: str
    line: str
    visible: Box
    amodal: Box | None
    score: float
    amodal_score: float


class Messages:
    """Makes channels and messages; `numbers`: the recording has qualities of service as they were before Jazzy."""

    def __init__(self, numbers: bool = False) -> None:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        self._store = get_typestore(Stores.ROS2_JAZZY)
        for name, text in _DEFINITIONS.items():
            self._store.register(get_types_from_msg(text, name))
        self._numbers = numbers

    def channel(self, topic: str, kind: str, depth: int = 5, latched: bool = False) -> Channel:
        """Make a channel as a node would have published it."""
        definition, _ = self._store.generate_msgdef(kind, ros_version=2)
        quality = written([_quality(depth, latched)], self._numbers)
        told = ((QOS, quality), ("topic_type_hash", self._store.hash_rihs01(kind)))
        return Channel(topic, Schema(kind, "ros2msg", definition.encode()), "cdr", told)

    def boxes(self, head: Head, shown: Sequence[Shown], amodal: bool) -> bytes:
        """Write an array of the visible boxes, or of the amodal ones."""
        entries = []
        for one in shown:
            box, score = (one.amodal, one.amodal_score) if amodal else (one.visible, one.score)
            if box is not None:
                entries.append(self._detection(head, one, box, score))
        return self._bytes(BOXES, header=self._header(head), detections=entries)

    def status(self, level: int, name: str, text: str, values: Mapping[str, object]) -> bytes:
        """Write a status; numbers get three decimals at most."""
        pairs = [
            self._make("diagnostic_msgs/msg/KeyValue", key=key, value=_told(value)) for key, value in values.items()
        ]
        return self._bytes(STATUS, level=level, name=name, message=text, hardware_id="", values=pairs)

    def text(self, text: str) -> bytes:
        """Write a text."""
        return self._bytes(TEXT, data=text)

    def annotations(self, head: Head, shown: Sequence[Shown], colors: tuple[Color, Color]) -> bytes:
        """Write what Foxglove draws: visible boxes solid with their words and scores, amodal ones dashed."""
        points, texts = [], []
        for one in shown:
            points.append(self._lines(head, solid(one.visible, colors[0])))
            x, y, *_ = one.visible
            texts.append(
                self._make(
                    "foxglove_msgs/msg/TextAnnotation",
                    timestamp=self._time(head),
                    position=self._point(x, y),
                    text=f"{one.line} {one.score:.2f}",
                    font_size=LETTERS,
                    text_color=self._color(INK),
                    background_color=self._color(PLATE),
                )
            )
        points += [self._lines(head, dashed(one.amodal, colors[1])) for one in shown if one.amodal is not None]
        return self._bytes(ANNOTATIONS, circles=[], points=points, texts=texts)

    def _detection(self, head: Head, one: Shown, box: Box, score: float) -> Any:
        x0, y0, x1, y1 = (float(edge) for edge in box)
        middle = self._make("vision_msgs/msg/Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
        center = self._make("vision_msgs/msg/Pose2D", position=middle, theta=0.0)
        hypothesis = self._make("vision_msgs/msg/ObjectHypothesis", class_id=one.line, score=float(score))
        result = self._make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=self._nowhere())
        bbox = self._make("vision_msgs/msg/BoundingBox2D", center=center, size_x=x1 - x0, size_y=y1 - y0)
        return self._make(
            "vision_msgs/msg/Detection2D", header=self._header(head), results=[result], bbox=bbox, id=one.identity
        )

    def _nowhere(self) -> Any:
        at = self._make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0)
        turn = self._make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
        pose = self._make("geometry_msgs/msg/Pose", position=at, orientation=turn)
        return self._make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36))

    def _lines(self, head: Head, lines: Lines) -> Any:
        return self._make(
            "foxglove_msgs/msg/PointsAnnotation",
            timestamp=self._time(head),
            type=LINE_LOOP if lines.closed else LINE_LIST,
            points=[self._point(x, y) for x, y in lines.points],
            outline_color=self._color(lines.color),
            outline_colors=[],
            fill_color=self._make("foxglove_msgs/msg/Color", r=0.0, g=0.0, b=0.0, a=0.0),
            thickness=THICKNESS,
        )

    def _point(self, x: float, y: float) -> Any:
        return self._make("foxglove_msgs/msg/Point2", x=float(x), y=float(y))

    def _color(self, color: Color) -> Any:
        red, green, blue = (value / 255.0 for value in color)
        return self._make("foxglove_msgs/msg/Color", r=red, g=green, b=blue, a=1.0)

    def _time(self, head: Head) -> Any:
        return self._make("builtin_interfaces/msg/Time", sec=head.stamp // 10**9, nanosec=head.stamp % 10**9)

    def _header(self, head: Head) -> Any:
        return self._make("std_msgs/msg/Header", stamp=self._time(head), frame_id=head.frame_id)

    def _make(self, kind: str, **fields: Any) -> Any:
        return self._store.types[kind](**fields)

    def _bytes(self, kind: str, **fields: Any) -> bytes:
        return bytes(self._store.serialize_cdr(self._make(kind, **fields), kind))


def _told(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _quality(depth: int, latched: bool) -> Any:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(2147483647, 4294967295)
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(
        QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, durability, forever, forever, QosLiveliness.AUTOMATIC,
        forever, False,
    )  # fmt: skip

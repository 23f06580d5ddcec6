"""The demonstration's robot: an ordinary ROS 2 node that says what to find and listens for boxes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box
from egm_core.streams.joining import Kind, Pairs, Stamp, box_of, stamp_of
from egm_ros.common.pictures.images import RGB, decode
from egm_ros.demo.asker import Asker

# Boxes come right before the status that speaks of them, but on other topics.
GRACE = 0.5


@dataclass(frozen=True)
class Row:
    """One answer as the robot got it: boxes in pixels (None: none came), times in milliseconds.

    `identity` is the id of its boxes; without boxes, the number of its target. `came` is when (monotonic seconds).
    """

    stamp: Stamp
    identity: str
    instruction: str
    outcome: str
    reason: str
    visible: Box | None
    amodal: Box | None
    score: str
    total_ms: float
    reasoning: str
    came: float = 0.0


class Robot(Asker):
    """Publishes instructions and collects answers, the camera's pictures and the overlay's."""

    def __init__(self) -> None:
        super().__init__("robot")
        reliable = QoSProfile(depth=50)
        self._pairs = Pairs()
        self._answers: dict[tuple[Stamp, str], tuple[Any, Any]] = {}
        self._subscribe(Detection2DArray, "grounding/visible", lambda array: self._on_boxes("visible", array))
        self._subscribe(Detection2DArray, "grounding/amodal", lambda array: self._on_boxes("amodal", array))
        self._subscribe(DiagnosticStatus, "grounding/status", self._on_status, reliable)
        self._carried: dict[Stamp, Any] = {}
        self._subscribe(Detection2DArray, "propagation/visible", lambda array: self._keep(self._carried, array))
        self._subscribe(CompressedImage, "overlay/image/compressed", self._on_overlay)
        # Deep, for the truth of an answer is known by the very picture, and a busy machine lets pictures pile up.
        lasting = QoSProfile(depth=50, reliability=QoSReliabilityPolicy.BEST_EFFORT)
        self._subscribe(Image, "image", lambda image: self._keep(self._seen, image), lasting)
        self._drawn: dict[Stamp, CompressedImage] = {}
        self._live: dict[Stamp, tuple[CompressedImage, float]] = {}
        self._seen: dict[Stamp, Image] = {}
        self._waiting: list[tuple[float, dict[str, str]]] = []
        self.fed_at = 0.0
        self._subscribe(DiagnosticArray, "/diagnostics", self._on_diagnostics)
        self.rows: list[Row] = []

    def spin_until(
        self, condition: Callable[[], bool], seconds: float, check: Callable[[], object], pause: float = 0.0
    ) -> bool:
        """Spin until the condition holds or the time is over, with rows of all that came; say whether it held."""

        def concluded() -> bool:
            self._conclude()
            return condition()

        return super().spin_until(concluded, seconds, check, pause)

    @property
    def pictures(self) -> tuple[int, int]:
        """How many pictures came from the camera, and from the overlay."""
        return len(self._seen), len(self._drawn)

    def seen(self, stamp: Stamp) -> RGB | None:
        """Give the camera's picture of a stamp."""
        return decode(self._seen[stamp]) if stamp in self._seen else None

    def drawn(self, stamp: Stamp) -> RGB | None:
        """Give the overlay's picture of a stamp, with the answer for it where there is one."""
        return decode(self._drawn[stamp]) if stamp in self._drawn else None

    def live(self, stamp: Stamp) -> RGB | None:
        """Give the overlay's picture of a stamp as it was shown first: with an older answer, and what was carried."""
        return decode(self._live[stamp][0]) if stamp in self._live else None

    def live_since(self, stamp: Stamp) -> float:
        """Give when the overlay's first picture of a stamp came (monotonic seconds), 0 where none did."""
        return self._live[stamp][1] if stamp in self._live else 0.0

    def carried(self, instruction: str) -> dict[Stamp, Box]:
        """Give the propagated visible boxes of an instruction, by the stamp of the picture they are for."""
        return {
            stamp: box_of(entry)
            for stamp, array in self._carried.items()
            for entry in array.detections
            if _target(entry) == instruction
        }

    @property
    def film(self) -> list[RGB]:
        """The overlay's pictures in the order in which the camera took them."""
        return [decode(self._drawn[stamp]) for stamp in sorted(self._drawn)]

    def _subscribe(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: Any = 50) -> None:
        self.node.create_subscription(kind, topic, callback, qos)

    def _keep(self, kept: dict[Stamp, Any], message: Any) -> None:
        kept[stamp_of(message)] = message

    def _on_boxes(self, kind: Kind, array: Any) -> None:
        answer = self._pairs.add(kind, array)
        if answer is not None:
            wholes = {entry.id: entry for entry in answer.amodal.detections}
            for entry in reversed(answer.visible.detections):
                self._answers[answer.stamp, _target(entry)] = entry, wholes.get(entry.id)
        for entry in self._pairs.dropped():
            print(entry, file=sys.stderr, flush=True)

    def _on_overlay(self, image: CompressedImage) -> None:
        self._live.setdefault(stamp_of(image), (image, time.monotonic()))
        self._keep(self._drawn, image)

    def _on_status(self, status: DiagnosticStatus) -> None:
        values = {entry.key: entry.value for entry in status.values}
        if values.get("outcome") and values.get("stamp"):
            self._waiting.append((time.monotonic(), values))

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        """Note when the grounding node's newest image came, which may know of a new camera later than others do."""
        for status in array.status:
            values = {entry.key: entry.value for entry in status.values}
            if status.name.startswith("grounding: input") and float(values["rate_hz"]) > 0:
                self.fed_at = time.monotonic() - float(values["age_ms"]) / 1000

    def _conclude(self) -> None:
        """Turn a status into a row once its boxes are here, too."""
        waiting, self._waiting = self._waiting, []
        for arrived, values in waiting:
            seconds, _, nanoseconds = values["stamp"].partition(".")
            stamp, instruction = int(seconds) * 10**9 + int(nanoseconds), values.get("instruction", "")
            visible, amodal = self._answers.get((stamp, instruction), (None, None))
            found = values["outcome"] == "found"
            if found and visible is None and time.monotonic() - arrived < GRACE:
                self._waiting.append((arrived, values))
                continue
            self.rows.append(
                Row(
                    stamp,
                    visible.id if found and visible else values["seq"],
                    instruction,
                    values["outcome"],
                    values.get("reason", ""),
                    box_of(visible) if found and visible else None,
                    box_of(amodal) if found and amodal else None,
                    values.get("score", ""),
                    float(values["total_ms"]),
                    values.get("reasoning", ""),
                    arrived,
                )
            )


def _target(entry: Any) -> str:
    """Give the instruction that a detection answers."""
    return str(entry.results[0].hypothesis.class_id) if entry.results else ""

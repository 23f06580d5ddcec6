"""Builds the node's messages from what the core answers; pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from egm_core.boxes import Box
from egm_core.grounder.grounder import Grounding

LEVELS = {
    "found": DiagnosticStatus.OK,
    "absent": DiagnosticStatus.OK,
    "stale": DiagnosticStatus.STALE,
    "error": DiagnosticStatus.ERROR,
}


def detection(header: Header, identity: str, box: Box, instruction: str, score: float) -> Detection2D:
    """Make one detection; the box is in pixels of the source image, and the header is that image's."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    message = Detection2D(header=header, id=identity)
    message.bbox.center.position.x = (x0 + x1) / 2.0
    message.bbox.center.position.y = (y0 + y1) / 2.0
    message.bbox.center.theta = 0.0
    message.bbox.size_x = x1 - x0
    message.bbox.size_y = y1 - y0
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = instruction
    hypothesis.hypothesis.score = float(score)
    message.results = [hypothesis]
    return message


def detections(
    header: Header, sequence: int, instruction: str, grounding: Grounding
) -> tuple[Detection2DArray, Detection2DArray]:
    """Make the visible and the amodal array of one answer: same header, empty where there is no box.

    The ids are `sequence:0`, `sequence:1` and so on, one for each object, the same for both of its boxes.
    """
    visible = Detection2DArray(header=header)
    amodal = Detection2DArray(header=header)
    for place, found in enumerate(grounding.objects if grounding.outcome == "found" else ()):
        identity = f"{sequence}:{place}"
        visible.detections.append(detection(header, identity, found.visible, instruction, found.score))
        if found.amodal is not None:
            amodal.detections.append(detection(header, identity, found.amodal, instruction, found.amodal_score))
    return visible, amodal


def stamp_text(header: Header | None) -> str:
    """Write a header's stamp as seconds.nanoseconds; empty without a header."""
    return "" if header is None else f"{header.stamp.sec}.{header.stamp.nanosec:09d}"


def status(name: str, hardware: str, level: bytes, message: str, values: Mapping[str, object]) -> DiagnosticStatus:
    """Make one status message; numbers are written with three decimals at most."""

    def text(value: object) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    pairs = [KeyValue(key=key, value=text(value)) for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware, values=pairs)

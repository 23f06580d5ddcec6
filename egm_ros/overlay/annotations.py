"""Publishes the boxes as foxglove_msgs/ImageAnnotations, which Foxglove draws over the camera's own images."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from egm_core.pictures.draw import AMODAL, INK, NOW_AMODAL, NOW_VISIBLE, PLATE, VISIBLE, Color
from egm_core.pictures.outlines import LETTERS, THICKNESS, Lines, dashed, solid
from egm_core.streams.joining import Answer, Kind, Pairs, box_of
from egm_core.targets.lines import taken_apart
from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.streams.inputs import Inputs
from egm_ros.interface import following
from egm_ros.interface import overlay as interface
from egm_ros.interface.topic import Topic
from egm_ros.overlay.targets import only, together

PACKAGE = "foxglove_msgs"


def definitions() -> Any:
    """Give the messages of foxglove_msgs; raise ValueError where they are not installed."""
    try:
        return importlib.import_module(f"{PACKAGE}.msg")
    except ModuleNotFoundError as error:
        raise ValueError(
            f"annotations: they need {PACKAGE}, which is not installed: sudo apt install"
            " ros-$ROS_DISTRO-foxglove-msgs, or leave annotations out"
        ) from error


class Annotator:
    """Publishes each answer's boxes, or, of the propagation node's, those of each image; nothing while nobody looks.

    `publisher` is the node's, of messages of this `kind`.
    """

    def __init__(self, node: BaseNode, propagated: bool) -> None:
        self._node, self._kinds = node, definitions()
        self.publisher: Any = None
        self._inputs, self._pairs = Inputs(node), Pairs()
        self._colors = (NOW_VISIBLE, NOW_AMODAL) if propagated else (VISIBLE, AMODAL)
        carried = interface.OVERLAY_NOW_VISIBLE, interface.OVERLAY_NOW_AMODAL
        self._topics = carried if propagated else (following.VISIBLE_IN, following.AMODAL_IN)
        self._instruction: str | None = None
        self._newest: Answer | None = None

    @property
    def kind(self) -> Any:
        """The type of the messages."""
        return self._kinds.ImageAnnotations

    def look(self) -> None:
        """Subscribe the boxes when the first onlooker comes, and leave them when the last one goes."""
        watched = bool(self.publisher.get_subscription_count())
        if watched and not self._inputs:
            self._pairs, self._instruction, self._newest = Pairs(), None, None
            visible, amodal = self._topics
            entries: tuple[tuple[Any, Topic, Callable[[Any], None]], ...] = (
                (Detection2DArray, visible, lambda array: self._on_boxes(array, "visible")),
                (Detection2DArray, amodal, lambda array: self._on_boxes(array, "amodal")),
                (String, interface.OVERLAY_INSTRUCTION, self._on_instruction),
            )
            for kind, topic, callback in entries:
                self._inputs.listen(kind, topic, callback)
        elif not watched:
            self.leave()

    def leave(self) -> None:
        """Listen to nothing any more."""
        self._inputs.leave()

    def _on_boxes(self, array: Detection2DArray, kind: Kind) -> None:
        answer = self._pairs.add(kind, array)
        for dropped in self._pairs.dropped():
            self._node.notices.seldom("annotations", f"not shown as annotations: {dropped}")
        if answer is None:
            return
        lines, before = taken_apart(self._instruction or ""), self._newest
        answer = answer if self._instruction is None else only(answer, lines)
        # Several targets may be asked about in one picture, each with an answer of its own.
        if len(lines) > 1 and before is not None and before.stamp == answer.stamp:
            answer = together(only(before, lines), answer)
        self._show(answer)

    def _on_instruction(self, message: String) -> None:
        """Take the boxes of what is no longer asked for away."""
        changed, self._instruction = self._instruction not in (None, message.data), message.data
        if changed and self._newest is not None:
            self._show(only(self._newest, taken_apart(message.data)))

    def _show(self, answer: Answer) -> None:
        self._newest = answer
        self.publisher.publish(annotated(self._kinds, answer, self._colors))


def annotated(kinds: Any, answer: Answer, colors: tuple[Color, Color]) -> Any:
    """Make the annotations of an answer: visible boxes solid with their words and scores, amodal ones dashed."""
    stamp = answer.visible.header.stamp
    message = kinds.ImageAnnotations()
    # Older definitions have a time in each annotation alone.
    if hasattr(message, "timestamp"):
        message.timestamp = stamp

    def color(tint: Color) -> Any:
        red, green, blue = (value / 255.0 for value in tint)
        return kinds.Color(r=red, g=green, b=blue, a=1.0)

    def add(lines: Lines) -> None:
        kind = kinds.PointsAnnotation.LINE_LOOP if lines.closed else kinds.PointsAnnotation.LINE_LIST
        shown = [kinds.Point2(x=float(x), y=float(y)) for x, y in lines.points]
        message.points.append(
            kinds.PointsAnnotation(
                timestamp=stamp, type=kind, points=shown, outline_color=color(lines.color), thickness=THICKNESS
            )
        )

    for entry in answer.visible.detections:
        box = box_of(entry)
        add(solid(box, colors[0]))
        words = [f"{result.hypothesis.class_id} {result.hypothesis.score:.2f}" for result in entry.results[:1]]
        for text in words:
            place = kinds.Point2(x=float(box[0]), y=float(box[1]))
            message.texts.append(
                kinds.TextAnnotation(
                    timestamp=stamp, position=place, text=text, font_size=LETTERS, text_color=color(INK),
                    background_color=color(PLATE),
                )
            )  # fmt: skip
    for entry in answer.amodal.detections:
        add(dashed(box_of(entry), colors[1]))
    return message

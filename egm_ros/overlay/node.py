"""Draws the boxes into the camera's pictures: visible solid, amodal dashed. It works only while someone looks.

With `propagated` the boxes of the propagation node stand beside the answer's, which are as old as the engine took.

    python -m egm_ros.overlay --ros-args -r image:=/camera/image
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box
from egm_core.pictures.draw import NOW_AMODAL, NOW_VISIBLE, VISIBLE, draw, tagged
from egm_core.streams.joining import Answer, Join, Kind, Pairs, Stamp, box_of, stamp_of
from egm_core.streams.picture_memory import PictureMemory
from egm_core.targets.lines import taken_apart
from egm_ros.common.nodes.follower import FollowerNode
from egm_ros.common.nodes.process import run
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError
from egm_ros.common.pictures.transport import kind_of, topic_of, unpacked
from egm_ros.common.streams.inputs import Inputs
from egm_ros.common.streams.stamps import StampReport
from egm_ros.interface import following
from egm_ros.interface import overlay as interface
from egm_ros.interface.topic import Topic
from egm_ros.overlay.annotations import Annotator
from egm_ros.overlay.targets import only, served, summary, together, words_of

LOOK_PERIOD = 0.2
# Without a clock nobody knows which picture an answer was for.
INSTEAD = "boxes are drawn into the picture that is newest when they come"


@dataclass(frozen=True)
class Picture:
    """A message of the camera, and its moment."""

    moment: Stamp
    message: Any


class OverlayNode(FollowerNode):
    """Publishes the camera's pictures with the grounding node's boxes in them."""

    NODE = "overlay"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._forget()
        self._instruction: str | None = None
        kind_of(self._values["transport"])
        self._image: Any = None
        self._compressed: Any = None
        self._inputs = Inputs(self)
        self._stamps = StampReport(self.get_logger(), self.resolve_topic_name(following.IMAGE_IN.name), INSTEAD)
        self._annotator = Annotator(self, self._values["propagated"]) if self._values["annotations"] else None
        self.every(LOOK_PERIOD, self._look)

    def opened(self) -> None:
        """Make the publishers of pictures, and of annotations where they are asked for."""
        self._image = self.utter(Image, interface.OVERLAY_IMAGE)
        self._compressed = self.utter(CompressedImage, interface.OVERLAY_COMPRESSED)
        if self._annotator is not None:
            self._annotator.publisher = self.utter(self._annotator.kind, interface.OVERLAY_ANNOTATIONS)

    def listen(self) -> None:
        """Look whether someone looks."""
        self._look()

    def rest(self) -> None:
        """Leave the inputs, and forget what came on them."""
        self._leave()
        if self._annotator is not None:
            self._annotator.leave()

    def inputs_status(self) -> tuple[bytes, str, dict[str, object]]:
        """Tell how the inputs are; while nobody looks there are none."""
        return self._inputs.health()

    @property
    def working(self) -> bool:
        """Whether someone looks, and so the inputs are subscribed."""
        return bool(self._inputs)

    def _change(self, changed: dict[str, Any]) -> None:
        super()._change(changed)
        pictures = self._join.pictures
        pictures.seconds, pictures.limit = self._kept, self._values["memory"] * 10**6

    @property
    def _kept(self) -> float:
        """How long pictures wait for their answer (seconds): not at all where a later one may not come before them."""
        return self._values["buffer"] if self._values["show"] in ("answered", "mixed") else 0.0

    def _pack(self, message: Any) -> Any | None:
        """Make a picture small that may have to wait for long."""
        if not hasattr(message, "encoding"):
            return message
        try:
            image = images.decode(message, quick=True)
            return images.encode_compressed(image, message.header, self._values["jpeg_quality"])
        except ImageError as error:
            self._refuse(error)
            return None

    def _refuse(self, error: ImageError) -> None:
        topic = self._inputs.name(following.IMAGE_IN)
        self.did(error.reason, DiagnosticStatus.ERROR, str(error))
        self.notices.seldom(error.reason, f"cannot draw what comes on {topic}: {error}")

    def _forget(self) -> None:
        """Begin from nothing."""
        memory = PictureMemory(self._kept, self._values["memory"] * 10**6, self._pack)
        self._join, self._carried = Join(self._kept, memory), Pairs()
        self._forget_shown()

    def _forget_shown(self) -> None:
        self._now: Answer | None = None
        self._waiting: Picture | None = None
        self._shown: Stamp | None = None

    def _look(self) -> None:
        """Subscribe the inputs when the first onlooker comes, and leave them when the last one goes."""
        if not self.active:
            return
        if self._annotator is not None:
            self._annotator.look()
        watched = bool(self._image.get_subscription_count() or self._compressed.get_subscription_count())
        if watched and not self._inputs:
            way = self._values["transport"]
            on_image = unpacked(self, way, self.resolve_topic_name(following.IMAGE_IN.name), self._on_image)
            entries: list[tuple[Any, Topic, Callable[[Any], None]]] = [
                (kind_of(way), topic_of(way, following.IMAGE_IN), on_image),
                (Detection2DArray, following.VISIBLE_IN, lambda array: self._on_boxes(array, "visible")),
                (Detection2DArray, following.AMODAL_IN, lambda array: self._on_boxes(array, "amodal")),
                (String, interface.OVERLAY_INSTRUCTION, self._on_instruction),
            ]
            if self._values["propagated"]:
                entries += [
                    (Detection2DArray, interface.OVERLAY_NOW_VISIBLE, lambda array: self._on_now(array, "visible")),
                    (Detection2DArray, interface.OVERLAY_NOW_AMODAL, lambda array: self._on_now(array, "amodal")),
                ]
            for kind, topic, callback in entries:
                self._inputs.listen(kind, topic, callback, steady=topic.name == following.IMAGE_IN.name)
            self.get_logger().debug("someone looks at the pictures: listens and draws")
        elif not watched and self._inputs:
            self.get_logger().debug("nobody looks at the pictures: rests")
            self._leave()

    def _leave(self) -> None:
        self._inputs.leave()
        self._forget()

    def _on_instruction(self, message: String) -> None:
        """Leave the boxes of an earlier instruction; at the start the latched one may come after its answer."""
        changed = self._instruction is not None and message.data != self._instruction
        self._instruction = message.data
        answer, lines = self._join.newest, taken_apart(message.data)
        left = only(answer, lines) if answer is not None else None
        if not lines or (changed and left is not None and not left.visible.detections):
            self._join.forget()
        elif changed and left is not None:
            self._join.newest = left

    def _on_boxes(self, array: Detection2DArray, kind: Kind) -> None:
        """Draw an answer into its very picture, where the stamps of what is published may still go there."""
        before, answer = self._join.newest, self._join.add(kind, array)
        lines = taken_apart(self._instruction or "")
        # Several targets may be asked about in one picture, which stamps that stand do not tell.
        several = len(lines) > 1 and not self._join.timeline.clockless
        if several and answer is not None and before is not None and before.stamp == answer.stamp:
            answer = self._join.newest = together(only(before, lines), answer)
        self._stamps.boxes(array, self._join.timeline)
        self._stamps.dropped(self._join.dropped())
        if answer is None or self._values["show"] == "live":
            return
        message = self._join.pictures.at(answer.stamp)
        if message is None and self._kept:
            fate = self._join.pictures.fate(answer.stamp)
            self.notices.seldom("gone", f"an answer is not drawn: {fate}")
        elif message is not None:
            picture = Picture(answer.stamp, message)
            if self._waiting is not None and self._waiting.moment == answer.stamp:
                self._waiting = None
            self._show(picture, answer, self._now_of(picture))

    def _on_image(self, message: Any) -> None:
        own, seen = self._join.picture(message), self._join.seen
        if seen is None:
            return
        self._stamps.note(seen, self._join.timeline)
        self._stamps.dropped(self._join.dropped())
        if seen.anew:
            self._carried.go_back(seen.moment)
            self._forget_shown()
        picture = Picture(seen.moment, message)
        self._show_waiting()
        if own is not None:
            self._show(picture, own)
        elif self._values["show"] != "answered":
            self._waiting = picture
            if not self._values["propagated"] or self._now_of(picture) is not None:
                self._show_waiting()

    def _on_now(self, array: Detection2DArray, kind: Kind) -> None:
        """Show the picture that waits for these very boxes."""
        now = self._carried.add(kind, array)
        self._stamps.dropped(self._carried.dropped())
        if now is not None:
            self._now = now
        if self._waiting is not None and self._now_of(self._waiting) is not None:
            self._show_waiting()

    def _now_of(self, picture: Picture) -> Answer | None:
        """Give the propagated boxes of a picture, once both arrays are here."""
        now = self._now
        return now if now is not None and now.stamp == stamp_of(picture.message) else None

    def _show_waiting(self) -> None:
        """Show the picture that waits, if there is one, with the newest answer so far and what was carried to it."""
        picture, self._waiting = self._waiting, None
        if picture is None:
            return
        newest = self._join.newest
        age = (picture.moment - newest.stamp) / 1e9 if newest is not None else 0.0
        self._show(picture, newest if 0.0 <= age <= self._values["max_age"] else None, self._now_of(picture))

    def _show(self, picture: Picture, answer: Answer | None, now: Answer | None = None) -> None:
        if self._values["show"] != "mixed" and self._shown is not None and picture.moment < self._shown:
            return
        self._shown = picture.moment
        answer, now = served(answer, self._instruction), served(now, self._instruction)
        header = picture.message.header
        try:
            image = images.decode(picture.message, quick=True)
        except ImageError as error:
            self._refuse(error)
            return
        scale = self._values["scale"]
        if scale > 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        if now is not None:
            pair = boxes_in(now.visible, scale), boxes_in(now.amodal, scale)
            image = draw(image, *pair, colors=(NOW_VISIBLE, NOW_AMODAL))
        if answer is not None:
            age = (picture.moment - answer.stamp) / 1e9
            image = drawn(image, answer, age, self._instruction or "", scale)
        # Of one target the line at the top says it all.
        shown, color = (now, NOW_VISIBLE) if now is not None else (answer, VISIBLE)
        if shown is not None and (len(shown.visible.detections) > 1 or len(taken_apart(self._instruction or "")) > 1):
            words = [words_of(entry) for entry in shown.visible.detections]
            image = tagged(image, list(zip(boxes_in(shown.visible, scale), words, strict=True)), color)
        self.did("drawn" if answer is not None or now is not None else "plain")
        if self._image.get_subscription_count():
            self._image.publish(images.encode(image, header))
            self.pictures.size(image.nbytes)
        if self._compressed.get_subscription_count():
            quality = self._values["jpeg_quality"]
            self._compressed.publish(images.encode_compressed(image, header, quality))


def boxes_in(array: Detection2DArray | None, scale: int) -> list[Box]:
    """Give the boxes of an array in a picture that was enlarged."""
    boxes = [box_of(entry) for entry in array.detections] if array is not None else []
    return [(x0 * scale, y0 * scale, x1 * scale, y1 * scale) for x0, y0, x1, y1 in boxes]


def drawn(image: images.RGB, answer: Answer, age: float, instruction: str, scale: int = 1) -> images.RGB:
    """Draw an answer with its instruction, score and age (seconds; 0 where it is the picture's own) into a picture."""
    text = ", ".join(summary(answer.visible))
    if not text:
        lines = taken_apart(instruction)
        # Of several, the array does not say which.
        text = f"absent: {instruction}" if len(lines) < 2 else f"absent: one of {len(lines)} targets"
    if age > 0:
        text += f", {age:.1f} s ago"
    return draw(image, boxes_in(answer.visible, scale), boxes_in(answer.amodal, scale), text)


def main(arguments: list[str] | None = None) -> int:
    """Run the overlay until it is told to stop; 2 for a bad parameter."""
    return run(OverlayNode, arguments)

"""Publishes boxes that are valid now: carries the grounding node's answers to each new camera image.

    python -m egm_ros.propagation --ros-args -r image:=/camera/image -p max_propagation:=2.0

An answer is for an image that is as old as the engine took. This node keeps small images, follows the object from
that image to the newest, and then from image to image until the next answer comes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

from rclpy.node import Node
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.joining import Answer, Feed, Kind, box_of
from egm_core.propagation import FrameBuffer, Limits, Track, begin, propagate
from egm_ros import propagation_interface as interface
from egm_ros.images import ImageError
from egm_ros.interface import Topic
from egm_ros.messages import detection
from egm_ros.node_parameters import declare, watch
from egm_ros.process import run
from egm_ros.qos import profile
from egm_ros.shared_memory import advice
from egm_ros.small_frames import small_frame
from egm_ros.stamps import StampReport

# The image of an answer may have got lost on its way here; its neighbour serves as well.
SLACK = 0.05
# Without a clock nobody knows which image an answer was for.
INSTEAD = "an answer is taken for the newest image's, so that boxes lag by the engine's time"


@dataclass(frozen=True, eq=False)
class Carried:
    """One box pair under way: its id and class_id, and its track.

    `amodal_score` is a factor on the track's score: the two boxes of an answer have scores of their own.
    """

    identity: str
    label: str
    track: Track
    amodal_score: float = 1.0


class PropagationNode(Node):
    """Carries answers to the newest image; the state is the images of late, and the boxes under way."""

    def __init__(self, **options: Any) -> None:
        super().__init__("propagation", **options)
        self._values = declare(self, interface.PROPAGATION_PARAMETERS)
        watch(self, interface.PROPAGATION_PARAMETERS, lambda changed: "", self._change)
        self._frames = FrameBuffer(self._values["buffer"])
        self._headers: dict[int, Header] = {}
        self._feed = Feed()
        self._waiting: Answer | None = None
        self._carried: tuple[Carried, ...] = ()
        self._instruction: str | None = None
        self._told = 0
        self._stamps = StampReport(self.get_logger(), self.resolve_topic_name(interface.IMAGE_IN.name), INSTEAD)
        self._largest = 0
        self._visible = self._publisher(Detection2DArray, interface.VISIBLE)
        self._amodal = self._publisher(Detection2DArray, interface.AMODAL)
        self._lost = self._publisher(String, interface.LOST)
        picture = CompressedImage if self._values["transport"] == "compressed" else Image
        self._listen(picture, interface.IMAGE_IN, self._on_image)
        self._listen(Detection2DArray, interface.VISIBLE_IN, lambda array: self._on_boxes(array, "visible"))
        self._listen(Detection2DArray, interface.AMODAL_IN, lambda array: self._on_boxes(array, "amodal"))
        self._listen(String, interface.INSTRUCTION_IN, self._on_instruction)

    @property
    def carried(self) -> tuple[Carried, ...]:
        """The boxes under way."""
        return self._carried

    @property
    def _limits(self) -> Limits:
        values = self._values
        return Limits(values["max_propagation"], values["half_life"], values["min_support"], values["coast"])

    def _change(self, changed: dict[str, Any]) -> None:
        self._values.update(changed)
        self._frames.seconds = self._values["buffer"]

    def _publisher(self, kind: Any, topic: Topic) -> Any:
        options = QoSOverridingOptions.with_default_policies()
        return self.create_publisher(kind, topic.name, profile(topic), qos_overriding_options=options)

    def _listen(self, kind: Any, topic: Topic, callback: Any) -> Any:
        options = QoSOverridingOptions.with_default_policies()
        return self.create_subscription(kind, topic.name, callback, profile(topic), qos_overriding_options=options)

    def _on_image(self, message: Any) -> None:
        """Take one step with every box, and publish where they are in this very image."""
        self._advise(len(message.data))
        before = self._feed.newest
        seen = self._feed.see(message)
        self._stamps.note(seen, self._feed.timeline)
        self._stamps.dropped(self._feed.dropped())
        if seen.anew:
            self._forget(message.header)
        newest = self._feed.newest
        if newest is not None and (seen.anew or newest is not before):
            self._waiting = newest
        try:
            frame = small_frame(message, self._values["width"])
        except ImageError as error:
            self.get_logger().warning(f"cannot follow anything: {error}", throttle_duration_sec=5.0)
            return
        frame = replace(frame, stamp=seen.moment)
        if not self._frames.add(frame):
            return
        self._headers = {stamp: header for stamp, header in self._headers.items() if self._frames.at(stamp)}
        self._headers[frame.stamp] = message.header
        if self._adopt():
            return
        before = self._carried
        self._carry([self._step(entry, [frame]) for entry in before], message.header)

    def _on_boxes(self, array: Detection2DArray, kind: Kind) -> None:
        answer = self._feed.add(kind, array)
        self._stamps.boxes(array, self._feed.timeline)
        self._stamps.dropped(self._feed.dropped())
        if answer is not None:
            self._waiting = answer
            self._adopt()

    def _on_instruction(self, message: String) -> None:
        """Drop the boxes of an earlier instruction at once; an answer to the new one may be here already."""
        self._instruction = message.data
        if any(entry.label != message.data for entry in self._carried):
            self._end(self._newest_header())
        self._adopt()

    def _adopt(self) -> bool:
        """Begin anew from the answer that waits, once its image and its instruction are here; say whether it was."""
        answer = self._waiting
        if answer is None:
            return False
        labels = {label_of(entry) for entry in answer.visible.detections}
        if self._instruction is not None and labels - {self._instruction}:
            return False
        start, newest = self._frames.near(answer.stamp, SLACK), self._frames.newest
        if newest is None or newest.stamp < answer.stamp:
            return False
        self._waiting = None
        if start is None:
            self.get_logger().warning(
                f"an answer came for an image that is gone: {(newest.stamp - answer.stamp) / 1e9:.2f} s old; is"
                f" buffer ({self._values['buffer']:g} s) long enough?", throttle_duration_sec=5.0)
            return False
        later = self._frames.after(start.stamp, self._values["replay_frames"])
        whole = {entry.id: entry for entry in answer.amodal.detections}
        begun = []
        for entry in answer.visible.detections:
            amodal = whole.get(entry.id)
            score = score_of(entry)
            track = begin(start, box_of(entry), box_of(amodal) if amodal is not None else None, score)
            share = score_of(amodal) / score if amodal is not None and score > 0 else 1.0
            begun.append(self._step(Carried(entry.id, label_of(entry), track, share), later))
        self._carry(begun, self._newest_header())
        return True

    def _step(self, entry: Carried, frames: list[Any]) -> Carried:
        track = propagate(entry.track, frames, self._limits)
        return Carried(entry.identity, entry.label, track, entry.amodal_score)

    def _carry(self, entries: list[Carried], header: Header) -> None:
        """Publish where boxes are now; those that were lost end, and ask for a new answer."""
        had = bool(self._carried)
        self._carried = tuple(entry for entry in entries if not entry.track.lost)
        for label in sorted({entry.label for entry in entries if entry.track.lost}):
            self._lost.publish(String(data=label))
        if self._carried:
            self._publish(header)
        elif had or entries:
            self._end(header)

    def _publish(self, header: Header) -> None:
        """Publish once for an image, whoever asks: a new answer may come after the old one's step."""
        newest = self._frames.newest
        if newest is None or newest.stamp == self._told:
            return
        self._told = newest.stamp
        visible, amodal = Detection2DArray(header=header), Detection2DArray(header=header)
        for entry in self._carried:
            track = entry.track
            name = (entry.identity,)
            visible.detections.append(detection(header, *name, track.visible, entry.label, track.score))
            if track.amodal is not None:
                score = min(1.0, track.score * entry.amodal_score)
                amodal.detections.append(detection(header, *name, track.amodal, entry.label, score))
        self._visible.publish(visible)
        self._amodal.publish(amodal)

    def _end(self, header: Header | None) -> None:
        """Drop the boxes and say so, once."""
        self._carried = ()
        if header is not None:
            self._visible.publish(Detection2DArray(header=header))
            self._amodal.publish(Detection2DArray(header=header))

    def _forget(self, header: Header) -> None:
        """Begin from nothing: what was before has nothing to do with what comes."""
        if self._carried:
            self._end(header)
        self._frames.clear()
        self._headers.clear()
        self._waiting, self._told = None, 0

    def _newest_header(self) -> Header | None:
        newest = self._frames.newest
        return self._headers.get(newest.stamp) if newest is not None else None

    def _advise(self, size: int) -> None:
        """Say once for each larger size whether images of it will get through."""
        if size > self._largest:
            self._largest = size
            warning = advice(size)
            if warning:
                self.get_logger().warning(warning)


def label_of(entry: Any) -> str:
    """Give the instruction that a detection answers."""
    return str(entry.results[0].hypothesis.class_id) if entry.results else ""


def score_of(entry: Any) -> float:
    """Give a detection's score."""
    return float(entry.results[0].hypothesis.score) if entry.results else 0.0


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 2 for a bad parameter."""
    return run(PropagationNode, arguments, interface.PROPAGATION_PARAMETERS)


if __name__ == "__main__":
    sys.exit(main())

"""Lifts boxes to 3D: joins a grounding node's answers with depth and camera_info of the same stamp.

    python -m egm_ros.lifting --ros-args -r depth:=/camera/aligned_depth_to_color/image_raw -r camera_info:=/camera/info

Boxes are in the camera's optical frame, or in `target_frame`. An answer that nothing can be lifted of is reported on
~/status, and leaves the box topics silent: an empty array says that the object is absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import MarkerArray

from egm_core.lifting import (
    Box3D,
    Lifted,
    LiftError,
    Match,
    Matching,
    Missing,
    SmallDepth,
    camera_of,
    lift,
    moved,
    small_depth,
)
from egm_core.lifting.matching import Slot
from egm_core.streams.joining import BACK, BROKEN, box_of
from egm_ros.common.messages import stamp_text, status
from egm_ros.common.nodes.follower import FollowerNode
from egm_ros.common.nodes.process import run
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError
from egm_ros.common.streams.inputs import Inputs
from egm_ros.common.streams.stamps import REMEDY, StampReport
from egm_ros.interface import lifting as interface
from egm_ros.interface.topic import Topic
from egm_ros.lifting.messages import Shown, detection3d, markers
from egm_ros.lifting.transforms import Transforms

# Answers that wait for their transform, at most, and how often is looked (seconds).
PENDING = 64
PERIOD = 0.05
STREAMS: tuple[tuple[Slot, Topic], ...] = (("depth", interface.DEPTH_IN), ("camera_info", interface.INFO_IN))
# The last part of the names that image_transport gives to compressed depth.
COMPRESSED = ("compressedDepth", "compressed")
# It is said anew where so much less of the depth's pixels is kept.
THINNER = 0.8
# Without a clock nobody knows which depth an answer is for.
INSTEAD = "an answer is lifted with the depth that is newest when it comes"
INFO_INSTEAD = "the newest is used for every picture"

# What an answer is called that was dropped for another reason than want of depth.
DROPPED = {BACK: "time_went_back", BROKEN: "bad_box"}
EXPLANATIONS = {
    "outside_image": "the visible box lies outside of the image that camera_info describes",
    "no_valid_depth": "no pixel of the visible box has a valid depth",
    "few_valid_pixels": "fewer pixels than min_pixels have a valid depth",
    "no_ray": "the lens's distortion has no ray for the box",
}


# A visible box, the amodal one of its id, and what was lifted of them.
Entries = list[tuple[Any, Any | None, Lifted]]


@dataclass(frozen=True)
class Ready:
    """An answer that was lifted at a time (monotonic seconds), and may have to wait for its transform."""

    since: float
    boxes: Detection2DArray
    entries: Entries
    density: float
    offset: float = 0.0


class LiftingNode(FollowerNode):
    """Lifts each answer once its depth is here; the state is what waits for what."""

    NODE = "lifting"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._transforms = Transforms(self) if self._values["target_frame"] else None
        self._stamps = StampReport(self.get_logger(), self.resolve_topic_name(interface.DEPTH_IN.name), INSTEAD)
        info = self.resolve_topic_name(interface.INFO_IN.name)
        self._info_stamps = StampReport(self.get_logger(), info, INFO_INSTEAD)
        self._forget()
        self._visible: Any = None
        self._amodal: Any = None
        self._markers: Any = None
        self._status = self.open_publisher(DiagnosticStatus, interface.STATUS)
        self._inputs = Inputs(self)
        self.every(PERIOD, self._on_tick)

    def opened(self) -> None:
        """Make the publishers of the 3D boxes."""
        self._visible = self.utter(Detection3DArray, interface.VISIBLE)
        self._amodal = self.utter(Detection3DArray, interface.AMODAL)
        self._markers = self.utter(MarkerArray, interface.MARKERS)

    def listen(self) -> None:
        """Subscribe depth, camera_info and boxes."""
        self._listen(self._depth_kind, interface.DEPTH_IN, "depth", steady=True)
        self._listen(CameraInfo, interface.INFO_IN, "camera_info", kept=True)
        self._listen(Detection2DArray, interface.VISIBLE_IN, "visible")
        self._listen(Detection2DArray, interface.AMODAL_IN, "amodal")

    def rest(self) -> None:
        """Leave the inputs, and forget what came on them."""
        self._inputs.leave()
        self._forget()

    def inputs_status(self) -> tuple[bytes, str, dict[str, object]]:
        """Tell how the inputs are."""
        return self._inputs.health()

    def _forget(self) -> None:
        buffer, memory = self._values["buffer"], self._values["memory"] * 10**6
        self._matching = Matching(buffer, self._values["wait"], memory, self._thin, self._values["slop"])
        self._density = 1.0
        self._pending: list[Ready] = []

    @property
    def _depth_kind(self) -> Any:
        """The type of the depth's messages."""
        name = self.resolve_topic_name(interface.DEPTH_IN.name)
        named = name.rpartition("/")[2] in COMPRESSED
        transport = self._values["depth_transport"]
        return CompressedImage if transport == "compressed" or (named and transport == "auto") else Image

    def _change(self, changed: dict[str, Any]) -> None:
        super()._change(changed)
        self._matching.patience, self._matching.slop = self._values["wait"], self._values["slop"]
        depths = self._matching.depths
        depths.seconds, depths.limit = self._values["buffer"], self._values["memory"] * 10**6

    def _thin(self, message: Any, budget: float) -> Any:
        """Make depth small that may have to wait for long; what cannot be read is named once an answer needs it."""
        try:
            small = small_depth(message.header, images.depth_samples(message), budget)
        except ImageError:
            return message
        if small.density < THINNER * self._density:
            self._density = small.density
            (wide, high), (rows, columns) = small.size, small.samples.shape
            self.get_logger().info(
                f"depth of {wide}x{high} is kept at {columns}x{rows} while it waits for answers, so that"
                f" {self._values['buffer']:g} s of it fit in {self._values['memory']} MB; raise memory to keep more"
            )
        return small

    def _listen(self, kind: Any, topic: Topic, slot: Slot, steady: bool = False, kept: bool = False) -> None:
        self._inputs.listen(kind, topic, lambda message: self._on(slot, message), steady, kept)

    def _on(self, slot: Slot, message: Any) -> None:
        """Take in a message, and go on with its answer if that is whole now."""
        match = self._matching.add(slot, message, time.monotonic())
        if slot == "camera_info":
            self._info_stamps.clock(self._matching.info_time)
        seen = self._matching.seen
        if slot == "depth" and seen is not None:
            self._stamps.note(seen, self._matching.timeline)
            if seen.anew:
                self._begin_anew()
        while match is not None:
            self._answer(match)
            match = self._matching.another()
        self._settle()

    def _settle(self) -> None:
        """Go on with the answers whose own depth did not come, where one of nearly their stamp did."""
        for match in self._matching.settled(time.monotonic()):
            self._answer(match)

    def _begin_anew(self) -> None:
        """Give up on what is of before time went back; transforms of then would keep those of now out."""
        pending, self._pending = self._pending, []
        for ready in pending:
            self._refuse(ready.boxes, "time_went_back", BACK)
        if self._transforms is not None:
            self._transforms.clear()

    def _on_tick(self) -> None:
        """Try again what waits for a transform, and give up on what has waited too long."""
        now = time.monotonic()
        pending, self._pending = self._pending, []
        for ready in pending:
            if self._place(ready):
                continue
            if now - ready.since <= self._values["wait"]:
                self._pending.append(ready)
            elif self._transforms is not None:
                self._refuse(ready.boxes, "no_transform", self._transforms.problem)
        self._settle()
        for missing in self._matching.late(now):
            self._refuse(missing.boxes, *self._why(missing))
        for dropped in self._matching.dropped():
            self._refuse(dropped.array, DROPPED.get(dropped.why, "no_depth"), dropped.why)

    def _why(self, missing: Missing) -> tuple[str, str]:
        """Give a word and a sentence for what an answer lacks; where nothing of that ever came, also why."""
        word, text = why(missing, self._inputs.name, self._values["slop"])
        lacks = next((topic for slot, topic in STREAMS if slot in missing.lacks), None)
        if lacks is not None and missing.nearest is None:
            text = self._inputs.silence(lacks.name, 0.0) or text
        return word, text

    def _answer(self, match: Match) -> None:
        """Lift an answer, and publish it once its transform is here; say why if it cannot be lifted."""
        boxes = match.visible
        if not boxes.detections:
            self._publish(boxes.header, [])
            return
        try:
            ready = self._lift(match)
        except (LiftError, ImageError) as error:
            self._refuse(boxes, error.reason, str(error).partition(": ")[2])
            return
        if not self._place(ready):
            self._pending.append(ready)
            if len(self._pending) > PENDING:
                oldest = self._pending.pop(0)
                self._refuse(oldest.boxes, "no_transform", f"more than {PENDING} answers wait for their transform")

    def _place(self, ready: Ready) -> bool:
        """Publish what was lifted, in its frame; False if it has to wait for its transform."""
        header, entries = ready.boxes.header, ready.entries
        if self._transforms is not None:
            place = self._transforms.at(self._values["target_frame"], header)
            if place is None:
                return False
            header = Header(stamp=header.stamp, frame_id=self._values["target_frame"])
            entries = [(flat, whole, turned(lifted, *place)) for flat, whole, lifted in entries]
        self._publish(header, entries, ready.density, ready.offset)
        return True

    def _lift(self, match: Match) -> Ready:
        """Lift every visible box with the amodal one of its id."""
        assert match.depth is not None, "only a whole match is lifted"
        picture, frame = match.visible.header.frame_id, match.depth.header.frame_id
        if picture and frame and picture != frame:
            raise LiftError(
                "depth_frame",
                f"depth is of the frame {frame!r}, but the image is of {picture!r}: let the"
                " driver align depth to the image, or register it (depth_image_proc)",
            )
        camera = camera_of(match.camera_info, self._values["rectified"])
        small = match.depth if isinstance(match.depth, SmallDepth) else None
        depth = small.metres() if small is not None else images.decode_depth(match.depth)
        density = small.density if small is not None else 1.0
        found = []
        wholes = {entry.id: entry for entry in match.amodal.detections}
        for flat in match.visible.detections:
            whole = wholes.get(flat.id)
            box = box_of(whole) if whole is not None else None
            found.append((flat, whole, lift(box_of(flat), box, depth, camera, self._values["min_pixels"], density)))
        return Ready(time.monotonic(), match.visible, found, density, match.offset)

    def _publish(self, header: Header, entries: Entries, density: float = 1.0, offset: float = 0.0) -> None:
        """Publish what was lifted, and the status: absent without entries, and nothing else if none was lifted."""
        visible, amodal = Detection3DArray(header=header), Detection3DArray(header=header)
        shown = []
        for flat, whole, lifted in entries:
            if lifted.visible is None:
                continue
            visible.detections.append(detection3d(header, flat, lifted.visible))
            if whole is not None and lifted.amodal is not None:
                amodal.detections.append(detection3d(header, whole, lifted.amodal))
            label = flat.results[0].hypothesis.class_id if flat.results else flat.id
            shown.append(Shown(label, lifted.range, lifted.visible, lifted.amodal))
        if shown or not entries:
            self._visible.publish(visible)
            self._amodal.publish(amodal)
        self._show(header, shown)
        reasons = sorted({lifted.reason for _, _, lifted in entries if lifted.reason})
        outcome = "found" if shown else "error" if entries else "absent"
        self._tell(
            header,
            outcome,
            reasons,
            "; ".join(EXPLANATIONS[reason] for reason in reasons),
            {
                "objects": len(entries),
                "lifted": len(shown),
                "ranges": ", ".join(f"{entry.range:.3f}" for entry in shown),
                "pixels": ", ".join(str(lifted.pixels) for _, _, lifted in entries if not lifted.reason),
                "density": density,
                "depth_offset": f"{offset:.3f}",
                "amodal": "estimated" if amodal.detections else "",
            },
        )

    def _refuse(self, boxes: Detection2DArray, reason: str, detail: str) -> None:
        """Say why an answer could not be lifted; its box topics stay silent, its markers go."""
        self._show(boxes.header, [])
        self._tell(boxes.header, "error", [reason], detail, {"objects": len(boxes.detections), "lifted": 0})

    def _show(self, header: Header, shown: list[Shown]) -> None:
        if self._markers.get_subscription_count():
            self._markers.publish(markers(header, shown, self._values["marker_lifetime"]))

    def _tell(
        self, header: Header, outcome: str, reasons: list[str], detail: str, values: Mapping[str, object]
    ) -> None:
        level = DiagnosticStatus.WARN if reasons else DiagnosticStatus.OK
        level = DiagnosticStatus.ERROR if outcome == "error" else level
        named = ", ".join(reasons)
        message = f"{named}: {detail}" if reasons else outcome
        told = {"stamp": stamp_text(header), "outcome": outcome, "reason": named, **values, "frame": header.frame_id}
        self._status.publish(status(self.get_fully_qualified_name(), "", level, message, told))
        self.did(outcome, level, message)
        self.get_logger().debug(f"{message} {dict(values)}")
        if reasons:
            self.notices.seldom(named, message)
        words = {
            "found": f"3D boxes are published; range {values.get('ranges')} m",
            "absent": "the object is absent; empty 3D arrays are published",
        }
        self.notices.change("outcome", outcome, words.get(outcome, ""))


def turned(lifted: Lifted, shift: Any, turn: Any) -> Lifted:
    """Give the boxes in another frame; the range stays the camera's."""

    def there(box: Box3D | None) -> Box3D | None:
        return moved(box, shift, turn) if box is not None else None

    return Lifted(there(lifted.visible), there(lifted.amodal), lifted.range, lifted.pixels, lifted.reason)


def why(missing: Missing, name: Callable[[Topic], str], slop: float) -> tuple[str, str]:
    """Give a word and a sentence for what an answer lacks; `name` gives a topic's name after remapping."""
    reach = f"more than slop ({slop:g} s)" if slop else "and slop is 0"
    for slot, topic in STREAMS:
        if slot not in missing.lacks:
            continue
        if missing.nearest is None:
            return f"no_{slot}", f"nothing comes on {name(topic)}: is it published and remapped?"
        if missing.clockless:
            return f"no_{slot}", f"the answer has a stamp, but the messages on {name(topic)} have none: {REMEDY}"
        if missing.ahead:
            return f"no_{slot}", (
                f"the answer is of {missing.nearest:.1f} s later than the newest on {name(topic)}: that comes late, or"
                " the answer is of before time went back"
            )
        if missing.full:
            return f"no_{slot}", (
                f"the answer is older than what fits in memory of {name(topic)}: raise memory, or send smaller depth"
            )
        if missing.gone:
            return f"no_{slot}", f"the answer is older than what is kept of {name(topic)}: raise buffer"
        return (
            f"no_{slot}",
            f"nothing on {name(topic)} has the image's stamp, the nearest is {missing.nearest:.3f} s off, {reach}: it"
            " got lost on its way, or the driver does not stamp them alike: let it do so, or raise slop",
        )
    lone, other = name(interface.VISIBLE_IN), name(interface.AMODAL_IN)
    if "visible" in missing.lacks:
        return "no_visible", f"no array on {lone} has the stamp of the one on {other}: do both come from one node?"
    return "no_amodal", f"no array on {other} has the stamp of the one on {lone}: do both come from one node?"


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 2 for a bad parameter."""
    return run(LiftingNode, arguments)

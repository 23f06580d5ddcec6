"""Publishes boxes that are valid now: carries the grounding node's answers to each new camera image.

    python -m egm_ros.propagation --ros-args -r image:=/camera/image -p max_propagation:=2.0

An answer is for an image that is as old as the engine took. This node keeps small images, follows the object from
that image to the newest, and then from image to image until the next answer comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.propagation import FrameBuffer, Limits
from egm_core.propagation.small_frames import small_frame
from egm_core.propagation.trails import Trails
from egm_core.streams.joining import BACK, LATE, PATIENCE, Answer, Feed, Kind, stamp_of
from egm_core.targets.lines import taken_apart
from egm_ros.common.nodes.follower import FollowerNode
from egm_ros.common.nodes.process import run
from egm_ros.common.pictures.images import ImageError, decode
from egm_ros.common.pictures.transport import kind_of, topic_of, unpacked
from egm_ros.common.streams.inputs import Inputs
from egm_ros.common.streams.stamps import StampReport
from egm_ros.interface import following
from egm_ros.interface import propagation as interface
from egm_ros.propagation.catching_up import Carried, CatchingUp, begun, noted, stepped
from egm_ros.propagation.outlet import Outlet
from egm_ros.propagation.status import Outcome, Verdict, dropped, losses
from egm_ros.propagation.targets import Ended, Waiting, ended, labels_of

# The image of an answer may have got lost on its way here; its neighbour serves as well.
SLACK = 0.05
# How often is looked after an answer that waits (seconds).
PERIOD = 0.25
# Images come in between two stretches of the way that boxes have to catch up with (seconds).
PAUSE = 0.001
# Without a clock nobody knows which image an answer was for.
INSTEAD = "an answer is taken for the newest image's, so that boxes lag by the engine's time"
_decode = partial(decode, quick=True)


class PropagationNode(FollowerNode):
    """Carries answers to the newest image; the state is the images of late, and the boxes under way."""

    NODE = "propagation"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._begin()
        self._stamps = StampReport(self.get_logger(), self.resolve_topic_name(following.IMAGE_IN.name), INSTEAD)
        kind_of(self._values["transport"])
        self._out = Outlet(self)
        self._inputs = Inputs(self, self._on_silence)
        self.every(PERIOD, self._on_tick)
        self._slices = self.every(PAUSE, self._catch_up)
        self._slices.cancel()

    def _begin(self) -> None:
        self._frames = FrameBuffer(self._values["buffer"], self._values["memory"] * 10**6)
        self._trails = Trails(self._values["buffer"])
        self._headers: dict[int, Header] = {}
        self._feed = Feed()
        self._waiting: tuple[Waiting, ...] = ()
        self._carried: tuple[Carried, ...] = ()
        self._catching: CatchingUp | None = None
        self._origin, self._start = Header(), 0
        self._unreadable: dict[str, str] = {}
        self._instruction: str | None = None
        self._hears_status = False

    def opened(self) -> None:
        """Make the publishers of boxes and of lost lines."""
        self._out.open()

    def listen(self) -> None:
        """Subscribe images, boxes and instruction."""
        way, listen = self._values["transport"], self._inputs.listen
        on_image = unpacked(self, way, self.resolve_topic_name(following.IMAGE_IN.name), self._on_image)
        listen(kind_of(way), topic_of(way, following.IMAGE_IN), on_image, steady=True)
        listen(Detection2DArray, following.VISIBLE_IN, lambda array: self._on_boxes(array, "visible"))
        listen(Detection2DArray, following.AMODAL_IN, lambda array: self._on_boxes(array, "amodal"))
        listen(String, interface.INSTRUCTION_IN, self._on_instruction)

    def rest(self) -> None:
        """End the boxes, leave the inputs, and forget what came on them."""
        self._slices.cancel()
        self._inputs.leave()
        if self._carried:
            self._end(self._newest_header(), {"deactivated": "the node is active no more"})
        self._out.forget()
        self._begin()

    def inputs_status(self) -> tuple[bytes, str, dict[str, object]]:
        """Tell how the inputs are."""
        return self._inputs.health()

    @property
    def carried(self) -> tuple[Carried, ...]:
        """The boxes under way."""
        return self._carried

    @property
    def _lines(self) -> tuple[str, ...]:
        """The targets that are served; none where that is not known."""
        return taken_apart(self._instruction or "")

    @property
    def _several(self) -> bool:
        """Whether an answer is about one target of several, so that one without boxes does not say which."""
        return len(self._lines) > 1

    def _age(self, entries: Sequence[Carried]) -> float:
        """Seconds from the image of the oldest of these boxes' answers (none: of the last answer) to the newest."""
        newest = self._frames.newest
        start = min((entry.start for entry in entries), default=self._start)
        return (newest.stamp - start) / 1e9 if newest is not None else 0.0

    @property
    def _limits(self) -> Limits:
        values = self._values
        return Limits(values["max_propagation"], values["half_life"], values["min_support"], values["coast"])

    def _change(self, changed: dict[str, Any]) -> None:
        super()._change(changed)
        self._frames.seconds, self._frames.limit = self._values["buffer"], self._values["memory"] * 10**6
        self._trails.seconds = self._values["buffer"]

    def _on_image(self, message: Any) -> None:
        """Take one step with every box, and publish where they are in this very image."""
        before = self._feed.newest
        seen = self._feed.see(message)
        self._stamps.note(seen, self._feed.timeline)
        if seen.anew:
            self._forget(message.header)
        self._tell_dropped()
        newest = self._feed.newest
        if newest is not None and (seen.anew or newest is not before):
            self._wait(newest)
        try:
            frame = small_frame(message, self._values["width"], _decode)
        except ImageError as error:
            self._unreadable = {error.reason: f"images cannot be read: {error}"}
            topic = self._inputs.name(following.IMAGE_IN)
            self.notices.seldom(error.reason, f"cannot follow anything on {topic}: {error}")
            return
        self._unreadable = {}
        frame = replace(frame, stamp=seen.moment)
        if not self._frames.add(frame):
            self.notices.seldom(
                "older",
                "an image is left out, for it is no newer than the one before: are there two cameras on"
                f" {self._inputs.name(following.IMAGE_IN)}?",
                seconds=30.0,
            )
            return
        self._headers = {stamp: header for stamp, header in self._headers.items() if self._frames.at(stamp)}
        self._headers[frame.stamp] = message.header
        if self._adopt():
            return
        self._carry(stepped(self._carried, frame, self._limits), message.header)

    def _on_boxes(self, array: Detection2DArray, kind: Kind) -> None:
        answer = self._feed.add(kind, array)
        self._stamps.boxes(array, self._feed.timeline)
        self._tell_dropped()
        if answer is not None:
            self._wait(answer)
            self._adopt()

    def _on_instruction(self, message: String) -> None:
        """Drop the boxes of an earlier instruction at once; an answer to the new one may be here already."""
        self._instruction = message.data
        now = f"the instruction is {message.data!r} now" if message.data else "no instruction is served any more"
        lines = self._lines
        self._trails.forget(but=lines)
        if self._several and not self._hears_status:
            # One target's absence is told by an array without boxes; of several, the status says which it is.
            self._hears_status = True
            self._inputs.listen(DiagnosticStatus, following.STATUS_IN, self._on_status)
        catching = self._catching
        if catching is not None and any(entry.label not in lines for entry in catching.entries):
            kept = tuple(entry for entry in catching.entries if entry.label in lines)
            self._catching = replace(catching, entries=kept) if kept else None
            gone = len(catching.entries) - len(kept)
            self._out.tell(catching.answer.visible.header, Verdict("ended", {"new_instruction": now}, gone))
        if any(entry.label not in lines for entry in self._carried):
            self._end(self._newest_header(), {"new_instruction": now}, lambda entry: entry.label not in lines)
        self._adopt()

    def _on_status(self, message: DiagnosticStatus) -> None:
        """Drop the boxes of targets that are absent, of several; an answer for a later image may be here already."""
        if not self._several:
            return
        try:
            ends = ended(message, self._inputs.name(following.VISIBLE_IN))
        except ValueError as error:
            self.notices.seldom("status", f"{self._inputs.name(following.STATUS_IN)}: {error}")
            return
        for end in ends:
            self._end_target(end)

    def _end_target(self, end: Ended) -> None:
        def gone(entry: Carried) -> bool:
            return entry.label == end.label and entry.stamp <= end.stamp

        for waiting in self._waiting:
            if waiting.labels == {end.label} and stamp_of(waiting.answer.visible) <= end.stamp:
                self._unwait(waiting)
        if self._catching is not None:
            entries = tuple(entry for entry in self._catching.entries if not gone(entry))
            self._catching = replace(self._catching, entries=entries) if entries else None
        if any(map(gone, self._carried)):
            (first, *_) = self._drop(self._newest_header(), gone)
            self._out.tell(first.origin, Verdict("absent", {}, 0, len(self._carried)))

    def _on_silence(self, topic: str, text: str) -> None:
        """Say that boxes stay where they were, for want of images."""
        if self._carried and topic == following.IMAGE_IN.name:
            carried = len(self._carried)
            verdict = Verdict("found", {"no_picture": text}, carried, carried, self._age(self._carried))
            self._out.tell(self._origin, verdict)

    def _on_tick(self) -> None:
        """Give up on what has waited too long, and say so."""
        self._feed.expire()
        self._tell_dropped()
        now = time.monotonic()
        late = [waiting for waiting in self._waiting if now - waiting.since > PATIENCE]
        for waiting in late if self._catching is None else ():
            self._unwait(waiting)
            self._refuse(waiting.answer, self._obstacle(waiting.answer))

    def _wait(self, answer: Answer) -> None:
        """Let an answer wait; what waits still of its targets is for an earlier image, and of no use any more."""
        if self._several and not answer.visible.detections:
            return
        for waiting in self._waiting:
            same = not self._several or waiting.labels & labels_of(answer)
            if waiting.answer is not answer and same:
                self._unwait(waiting)
                self._refuse(waiting.answer, {"late": LATE})
        self._waiting = (*self._waiting, Waiting(answer, time.monotonic()))

    def _unwait(self, waiting: Waiting) -> None:
        self._waiting = tuple(other for other in self._waiting if other is not waiting)

    def _obstacle(self, answer: Answer) -> dict[str, str]:
        """Say why an answer has to wait; empty where nothing is in its way."""
        strange = sorted(labels_of(answer) - {*self._lines})
        if self._instruction is not None and strange:
            topic = self.resolve_topic_name(interface.INSTRUCTION_IN.name)
            return {"other_instruction": f"the boxes are of {strange[0]!r}, but {topic} says {self._instruction!r}"}
        newest = self._frames.newest
        if newest is None:
            silence = self._inputs.silence(following.IMAGE_IN.name, 0.0)
            return self._unreadable or {"no_picture": silence or "no image has come that could be followed"}
        if newest.stamp < answer.stamp:
            return self._unreadable or {"no_picture": "no image as new as the answer's has come"}
        return {}

    def _adopt(self) -> bool:
        """Begin anew from the answer that waits, once its image and its instruction are here.

        Say whether its boxes are at the newest image already.
        """
        free = (waiting for waiting in self._waiting if not self._obstacle(waiting.answer))
        waiting = next(free, None) if self._catching is None else None
        if waiting is None:
            return False
        self._unwait(waiting)
        answer = waiting.answer
        start = self._frames.near(answer.stamp, SLACK)
        if start is None:
            self._refuse(answer, {"no_picture": self._frames.fate(answer.stamp)})
            return False
        step = self._values["replay_step"]
        entries = begun(answer, start, self._trails, step)
        noted(self._trails, entries)
        ahead = self._frames.after(start.stamp, self._values["replay_frames"], step)
        self._catching = CatchingUp(answer, start, entries, tuple(ahead), start)
        return self._catch_up()

    def _catch_up(self) -> bool:
        """Bring an answer's boxes nearer to the newest image; say whether they are there, and carried from now on."""
        self._slices.cancel()
        if self._catching is None:
            return False
        step = self._values["replay_step"]
        self._catching = now = self._catching.go_on(
            self._values["replay_slice"],
            self._limits,
            lambda stamp: self._frames.after(stamp, 1, step),
            self._trails,
        )
        if now.ahead:
            self._slices.reset()
            return False
        self._catching, self._origin, self._start = None, now.answer.visible.header, now.start.stamp
        self._carry(list(now.entries), self._newest_header(), fresh=True)
        # The next answer may have come meanwhile.
        self._adopt()
        return True

    def _carry(self, entries: list[Carried], header: Header | None, fresh: bool = False) -> None:
        """Publish where boxes are now; those that were lost end and ask for a new answer. Tell what has changed."""
        had = bool(self._carried)
        others = self._others(entries) if fresh else []
        lost = [entry for entry in (*entries, *others) if entry.track.lost]
        self._carried = tuple(entry for entry in (*others, *entries) if not entry.track.lost)
        noted(self._trails, self._carried)
        self._out.ask(entry.label for entry in lost)
        if self._carried:
            newest = self._frames.newest
            if newest is not None and header is not None:
                self._out.boxes(header, newest.stamp, self._carried)
        elif had:
            self._out.end(header)
        if fresh or lost:
            carried = [entry for entry in entries if not entry.track.lost]
            outcome: Outcome = "found" if carried else "error" if fresh else "ended"
            age = self._age(lost or entries)
            reasons = losses((entry.track for entry in lost), age, self._values["max_propagation"])
            outcome = outcome if entries else "absent"
            origin = self._origin if fresh else lost[0].origin
            ids = {entry.given: entry.identity for entry in entries} if fresh else {}
            self._out.tell(origin, Verdict(outcome, reasons, len(entries), len(carried), age, ids))

    def _others(self, fresh: list[Carried]) -> list[Carried]:
        """Give the boxes under way that an answer says nothing of, at the newest image: those of other targets."""
        newest, labels = self._frames.newest, {entry.label for entry in fresh}
        if not self._several or newest is None:
            return []
        others = [entry for entry in self._carried if entry.label not in labels]
        behind = [entry for entry in others if entry.at != newest.stamp]
        return [*(entry for entry in others if entry.at == newest.stamp), *stepped(behind, newest, self._limits)]

    def _end(
        self, header: Header | None, reasons: dict[str, str], which: Callable[[Carried], bool] = lambda entry: True
    ) -> None:
        """Drop boxes and say so, once."""
        ended = self._drop(header, which)
        self._out.tell(ended[0].origin, Verdict("ended", reasons, len(ended), 0, self._age(ended)))

    def _drop(self, header: Header | None, which: Callable[[Carried], bool]) -> list[Carried]:
        """Drop boxes; where others go on, the next image's are without them."""
        ended = [entry for entry in self._carried if which(entry)]
        self._carried = tuple(entry for entry in self._carried if not which(entry))
        if not self._carried:
            self._out.end(header)
        return ended

    def _refuse(self, answer: Answer, reasons: dict[str, str]) -> None:
        """Say why an answer cannot be carried; the boxes under way go on."""
        objects = len(answer.visible.detections)
        self._out.tell(answer.visible.header, Verdict("error", reasons, objects))

    def _tell_dropped(self) -> None:
        """Say what arrays of boxes were dropped before they became an answer."""
        entries = self._feed.dropped()
        self._stamps.dropped(entries)
        for entry in entries:
            self._out.report(entry.array.header, Verdict("error", dropped(entry), len(entry.array.detections)))

    def _forget(self, header: Header) -> None:
        """Begin from nothing: what was before has nothing to do with what comes."""
        reasons = {"time_went_back": BACK}
        if self._carried:
            self._end(header, reasons)
        for waiting in self._waiting:
            if waiting.answer is not self._feed.newest:
                self._refuse(waiting.answer, reasons)
        if self._catching is not None:
            self._refuse(self._catching.answer, reasons)
        self._frames.clear()
        self._trails.forget()
        self._headers.clear()
        self._catching = None
        self._waiting = ()
        self._out.forget()

    def _newest_header(self) -> Header | None:
        newest = self._frames.newest
        return self._headers.get(newest.stamp) if newest is not None else None


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 2 for a bad parameter."""
    return run(PropagationNode, arguments)

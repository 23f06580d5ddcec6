"""One camera of the grounding node: the ends of its topics, and what is known of its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rclpy.lifecycle import LifecycleNode

from egm_core.streams.timeline import Doubt, Timeline, age_of, stamp_of
from egm_ros.common.streams.arrivals import Arrivals
from egm_ros.common.streams.silence import Silence
from egm_ros.common.streams.stamps import DOUBTS, StampReport, clockless, doubtful
from egm_ros.grounding.asking.frames import Frame, Slot
from egm_ros.grounding.telling.diagnostics import InputView
from egm_ros.interface import grounding as interface

# A camera is said to be silent rather than slow after so many times image_timeout.
LASTING = 5


@dataclass
class Camera:
    """A camera by its name in `cameras`; `images` is its subscription while the node is active, `newest` its
    newest image since then.

    `visible` and `amodal` are the publishers of its boxes, `refresh` is the subscription of what asks for new ones;
    `silence` notices each gap, `lasting` each long one; `answers` counts what was answered, `lap` how often time went
    back; `stamps` says so, and what else is wrong there.
    """

    name: str
    transport: str
    visible: Any
    amodal: Any
    refresh: Any
    stamps: StampReport
    images: Any = None
    silence: Silence = field(default_factory=Silence)
    lasting: Silence = field(default_factory=Silence)
    arrivals: Arrivals = field(default_factory=Arrivals)
    answers: int = 0
    timeline: Timeline = field(default_factory=Timeline)
    lap: int = 0
    doubt: Doubt = ""
    newest: Frame | None = None

    def listen(self, images: Any) -> None:
        """Begin anew with this subscription."""
        self.images, self.arrivals, self.answers, self.newest = images, Arrivals(), 0, None

    def came(self, now: float) -> None:
        """Note that an image came, or that waiting for one begins (monotonic seconds)."""
        self.silence.restart(now)
        self.lasting.restart(now)

    def gaps(self, now: float, limit: float) -> tuple[float, float]:
        """Tell how long no image has come (seconds), where that is over the limit, and where it is silence for good.

        Each is told once; 0: nothing is to be told.
        """
        return self.silence.broken(now, limit), self.lasting.broken(now, LASTING * limit)

    def rest(self, node: LifecycleNode) -> None:
        """Stop to listen."""
        if self.images is not None:
            node.destroy_subscription(self.images)
            self.images = None

    def free(self, node: LifecycleNode) -> None:
        """Give back the ends of the topics, of which it must have stopped to listen to the images."""
        for publisher in (self.visible, self.amodal):
            node.destroy_lifecycle_publisher(publisher)
        node.destroy_subscription(self.refresh)

    def publish(self, pair: tuple[Any, Any]) -> None:
        """Publish the boxes of an answer, visible and amodal, and count it."""
        self.answers += 1
        for publisher, boxes in zip((self.visible, self.amodal), pair, strict=True):
            publisher.publish(boxes)

    def see(self, message: Any, now: float, clock: int) -> Frame:
        """Take in an image; the frame's `lap` is a new one where time went back. `clock` is the node's, now."""
        seen = self.timeline.see(stamp_of(message), now)
        self.lap += bool(seen.back)
        frame = self.newest = Frame(message, now, self.name, self.lap)
        age, self.doubt = self.age(frame, now, clock)
        self.arrivals.came(now, age)
        self.stamps.note(seen, self.timeline)
        self.stamps.doubt(self.doubt, now)
        return frame

    def age(self, frame: Frame, now: float, clock: int) -> tuple[float, Doubt]:
        """Give a frame's age in seconds, and why that is not by its stamp, where it is not."""
        waited = now - frame.arrived
        return (waited, "no_stamp") if self.timeline.clockless else age_of(stamp_of(frame.message), clock, waited)

    @property
    def trouble(self) -> str:
        """Say what is wrong with the stamps now; empty if nothing is."""
        return doubtful(self.topic, self.doubt) if self.doubt in DOUBTS else clockless(self.topic, self.timeline)

    @property
    def topic(self) -> str:
        """The image topic as it is after remapping; its name in the table while the node is not active."""
        return self.images.topic_name if self.images is not None else interface.IMAGE.of(self.name)

    def view(self, now: float, since: float, publishers: int, slot: Slot | None) -> InputView:
        """Tell how the input is; no image before `since` is missed, and times are monotonic seconds."""
        arrivals = self.arrivals
        age = arrivals.age + now - arrivals.newest if arrivals.newest is not None else 0.0
        return InputView(
            self.name,
            self.topic,
            f"{interface.IMAGE.quality}, transport {self.transport}",
            publishers,
            arrivals.rate(now),
            age,
            slot.received if slot else 0,
            slot.dropped if slot else 0,
            arrivals.silent(now, since),
            self.answers,
            stamps=self.trouble,
        )

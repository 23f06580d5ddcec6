"""One camera of the grounding node: the ends of its topics, and what is known of its images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from egm_ros import interface
from egm_ros.diagnostics import InputView
from egm_ros.mailbox import Mailbox
from egm_ros.silence import Silence
from egm_ros.tally import Arrivals


@dataclass
class Camera:
    """A camera by its name in `cameras`; `images` is its subscription while the node is active.

    `visible` and `amodal` are the publishers of its boxes, `refresh` is the subscription of what asks for new ones;
    `answers` counts what was answered.
    """

    name: str
    transport: str
    visible: Any
    amodal: Any
    refresh: Any
    images: Any = None
    silence: Silence = field(default_factory=Silence)
    arrivals: Arrivals = field(default_factory=Arrivals)
    answers: int = 0

    def listen(self, images: Any) -> None:
        """Begin anew with this subscription."""
        self.images, self.arrivals, self.answers = images, Arrivals(), 0

    @property
    def topic(self) -> str:
        """The image topic as it is after remapping; its name in the table while the node is not active."""
        return self.images.topic_name if self.images is not None else interface.IMAGE.of(self.name)

    @property
    def ends(self) -> tuple[Any, Any]:
        """The publishers of the boxes."""
        return self.visible, self.amodal

    def view(self, now: float, since: float, publishers: int, mailbox: Mailbox | None) -> InputView:
        """Tell how the input is; no image before `since` is missed, and times are monotonic seconds."""
        arrivals = self.arrivals
        age = arrivals.age + now - arrivals.newest if arrivals.newest is not None else 0.0
        return InputView(
            self.name, self.topic, f"{interface.IMAGE.quality}, transport {self.transport}", publishers,
            arrivals.rate(now), age, mailbox.received if mailbox else 0, mailbox.dropped if mailbox else 0,
            arrivals.silent(now, since), self.answers)

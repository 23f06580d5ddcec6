"""What the grounding node serves and knows now; the executor's thread alone changes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from egm_core.targets.states import States
from egm_ros.grounding.asking.engines import Asking
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.orders import Orders
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.telling.tally import Answers
from egm_ros.interface import grounding as interface
from egm_ros.interface.settings import Settings


@dataclass
class Present:
    """The settings, orders, engines and cameras of now, and what became of the queries.

    `clock` tells the node's time in nanoseconds; `since` is from when on something is missed that does not come
    (monotonic seconds).
    """

    settings: Settings
    orders: Orders
    asking: Asking
    clock: Callable[[], int]
    cameras: dict[str, Camera] = field(default_factory=dict)
    states: States = field(default_factory=States)
    answers: Answers = field(default_factory=Answers)
    since: float = 0.0

    def topic(self, name: str) -> str:
        """Give a camera's image topic; by the table where the node was cleaned up meanwhile."""
        return self.cameras[name].topic if name in self.cameras else interface.IMAGE.of(name)

    def age(self, frame: Frame) -> float:
        """Return a frame's age by its stamp in seconds; by its arrival where the stamp is of no use."""
        now, camera = time.monotonic(), self.cameras.get(frame.camera)
        # The camera is gone where the node was cleaned up meanwhile.
        return camera.age(frame, now, self.clock())[0] if camera else now - frame.arrived

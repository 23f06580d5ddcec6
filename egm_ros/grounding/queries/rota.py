"""Whose turn it is: a mailbox for each camera, and the camera whose last turn is longest ago goes first."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from egm_ros.grounding.queries.mailbox import Frame, Mailbox


class Rota:
    """The cameras' mailboxes, and the order of their turns; a camera has one image under way at most.

    So no fast camera starves a slow one, and the answers of one camera keep the order of its images.  `condition`
    guards everything here.
    """

    def __init__(self, cameras: Iterable[str], condition: threading.Condition | None = None) -> None:
        self.condition = condition or threading.Condition()
        self.mailboxes = {camera: Mailbox(self.condition) for camera in cameras}
        self._turns = dict.fromkeys(self.mailboxes, 0)
        self._under_way: set[str] = set()

    def put(self, frame: Frame) -> None:
        """Leave a frame in its camera's mailbox."""
        self.mailboxes[frame.camera].put(frame)

    def waiting(self) -> list[str]:
        """List the cameras that have an image and none under way, in the order of their turns."""
        with self.condition:
            able = [name for name, box in self.mailboxes.items() if box.full and name not in self._under_way]
            return sorted(able, key=self._turns.__getitem__)

    def take(self, camera: str) -> Frame | None:
        """Begin a camera's turn with the frame that waits; it ends by `done`."""
        with self.condition:
            frame = self.mailboxes[camera].take()
            if frame is not None:
                self._turns[camera] = 1 + max(self._turns.values())
                self._under_way.add(camera)
            return frame

    def done(self, camera: str) -> None:
        """End a camera's turn."""
        with self.condition:
            self._under_way.discard(camera)
            self.condition.notify_all()

    def clear(self) -> None:
        """Forget the frames and the counts."""
        for mailbox in self.mailboxes.values():
            mailbox.clear()

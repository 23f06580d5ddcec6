"""The engines and the way that asks them, from start to end; none is waited for before the node itself ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from egm_core.supervise.link import EngineLink
from egm_core.supervise.plan import EnginePlan
from egm_ros.grounding.asking.frames import Frame, Slot
from egm_ros.grounding.asking.outcomes import Result
from egm_ros.grounding.asking.way import Way
from egm_ros.interface.settings import Settings


class Asking:
    """Holds the engines of now, the way that asks them, and those that are still ending.

    `log` gets the engines' lines, `changed` is called on every change of an engine's state, `age_of` and `post` are the
    way's; all come from other threads.
    """

    def __init__(
        self,
        log: Callable[[str], None],
        changed: Callable[[EngineLink], None],
        age_of: Callable[[Frame], float],
        post: Callable[[Result], None],
    ) -> None:
        self.links: list[EngineLink] = []
        self.way: Way | None = None
        self._log = log
        self._changed = changed
        self._age_of = age_of
        self._post = post
        self._retired: list[Way | EngineLink] = []

    @property
    def slots(self) -> Collection[Slot]:
        """The cameras' places."""
        return self.way.slots.values() if self.way is not None else ()

    def slot(self, camera: str) -> Slot | None:
        """Give a camera's place; None where there is none."""
        return self.way.slots.get(camera) if self.way is not None else None

    def start(self, planned: Sequence[EnginePlan], settings: Settings) -> None:
        """Start the engines, once those that were closed before are gone, and the way that asks them."""
        predecessors = [closed for closed in self._retired if isinstance(closed, EngineLink)]
        self.links = [EngineLink(plan, self._log, self._engine_changed, settings.care) for plan in planned]
        self.way = Way(self.links, settings, self._age_of, self._post)
        for link in self.links:
            link.start(predecessors)

    def update(self, settings: Settings, pixels: bool) -> None:
        """Work with these settings from now on; `pixels`: their limit has changed."""
        for link in self.links:
            link.care = settings.care
            if pixels:
                link.forgive()
        if self.way is not None:
            self.way.update(settings)

    def retire(self) -> None:
        """Begin to end the way and the engines, without waiting for them."""
        self._retired = [closed for closed in self._retired if not closed.join(0.0)]
        ending: list[Way | EngineLink] = [*self.links, *([self.way] if self.way else [])]
        for closing in ending:
            closing.close()
        self._retired += ending
        self.links, self.way = [], None

    def close(self, timeout: float) -> None:
        """End the way and the engines and wait for it, at most `timeout` seconds."""
        self.retire()
        deadline = time.monotonic() + timeout
        for closed in self._retired:
            closed.join(max(0.0, deadline - time.monotonic()))

    def _engine_changed(self, link: EngineLink) -> None:
        if self.way is not None:
            self.way.wake()
        self._changed(link)

"""Says what the stamps of a camera's topic leave to be desired, by the topic's name and with the remedy."""

from __future__ import annotations

from typing import Any

from egm_core.joining import Dropped
from egm_core.timeline import Seen, Timeline

REMEDY = "let the camera's driver set header.stamp to the ROS time at which the picture was taken"
# A simulator's first picture may really be of time 0.
SURE = 3
QUIET = 5.0


class StampReport:
    """Logs each jump of time, and once that a topic has no clock; `instead` says what the node does about that."""

    def __init__(self, logger: Any, topic: str, instead: str) -> None:
        self._logger, self._topic, self._instead = logger, topic, instead
        self._told = False

    def note(self, seen: Seen, timeline: Timeline) -> None:
        """Look at what the newest stamp told."""
        if seen.back:
            self._logger.warning(went_back(self._topic, seen.back), throttle_duration_sec=QUIET)
        problem = clockless(self._topic, timeline)
        if problem and not self._told:
            self._told = True
            self._logger.warning(f"{problem}; {self._instead}; {REMEDY}")

    def dropped(self, entries: list[Dropped]) -> None:
        """Log what was dropped, the newest of it at least."""
        for entry in entries:
            self._logger.warning(str(entry), throttle_duration_sec=QUIET)


def went_back(topic: str, seconds: float) -> str:
    """Say that time went back on a topic."""
    return (f"time went back by {seconds:.1f} s on {topic} (a bag that loops, a simulator that was reset):"
            " everything from before is dropped")


def clockless(topic: str, timeline: Timeline) -> str:
    """Say that a topic's stamps tell no time; empty where they do, or where that is not sure yet."""
    if timeline.clockless < SURE:
        return ""
    return f"the stamps on {topic} stand still" if timeline.standing else f"the messages on {topic} carry no stamp (0)"

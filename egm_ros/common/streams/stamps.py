"""Says what the stamps of a camera's topic leave to be desired, by the topic's name and with the remedy."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from egm_core.streams.joining import Dropped
from egm_core.streams.timeline import Doubt, Seen, Timeline, stamp_of
from egm_ros.common.notices import Notices

REMEDY = "let the camera's driver set header.stamp to the ROS time at which the picture was taken"
# A simulator's first picture may really be of time 0.
SURE = 3
# It may take DDS so long (seconds) to bring the first message on /clock.
CLOCK_COMES = 3.0

# What is wrong with stamps that cannot be compared with the node's clock.
DOUBTS: dict[Doubt, str] = {
    "no_clock": "use_sim_time is set, but nothing comes on /clock: start the simulator, or the bag with --clock, or set"
    " use_sim_time to false",
    "uptime": f"they count from a start, not from 1970: {REMEDY}",
    "wall_time": "they are of the wall clock, but this node has use_sim_time: let the driver have it too, or set"
    " use_sim_time to false",
    "ahead": "they are ahead of this node's clock: synchronise the machines' clocks (chrony or PTP)",
}


class StampReport:
    """Logs each jump of time, and once what is wrong with a topic's stamps; `instead` says what the node does then."""

    def __init__(self, logger: Any, topic: str, instead: str) -> None:
        self._notices, self._topic, self._instead = Notices(logger), topic, instead
        self._doubt: Doubt = ""
        self._doubted, self._since = 0, 0.0

    def note(self, seen: Seen, timeline: Timeline) -> None:
        """Look at what the newest stamp told."""
        if seen.back:
            self._notices.seldom("back", went_back(self._topic, seen.back))
        self.clock(timeline)

    def clock(self, timeline: Timeline) -> None:
        """Say once that the stamps tell no time."""
        problem = clockless(self._topic, timeline)
        if problem:
            self._notices.once("clockless", f"{problem}; {self._instead}; {REMEDY}")

    def doubt(self, doubt: Doubt, now: float) -> None:
        """Say once why stamps are not compared with the clock, if that lasts; `now` is monotonic seconds."""
        if doubt != self._doubt:
            self._doubt, self._doubted, self._since = doubt, 0, now
        self._doubted += 1
        sure = self._doubted >= SURE and (doubt != "no_clock" or now - self._since > CLOCK_COMES)
        if doubt in DOUBTS and sure:
            self._notices.once(("doubt", doubt), f"{doubtful(self._topic, doubt)}; {self._instead}")

    def boxes(self, array: Any, timeline: Timeline) -> None:
        """Say once that boxes have no stamp where the pictures here have one."""
        if stamp_of(array) == 0 and timeline.newest is not None and not timeline.clockless:
            self._notices.once(
                "boxes",
                f"boxes carry no stamp, the pictures on {self._topic} do: are they of another topic? {self._instead}",
            )

    def dropped(self, entries: list[Dropped]) -> None:
        """Log what was dropped, one for each reason where there is much."""
        for entry in entries:
            self._notices.seldom(entry.why, str(entry))


def went_back(topic: str, seconds: float) -> str:
    """Say that time went back on a topic."""
    return (
        f"time went back by {seconds:.1f} s on {topic} (a bag that loops, a simulator that was reset,"
        " or two cameras on one topic): everything from before is dropped"
    )


def doubtful(topic: str, doubt: Doubt) -> str:
    """Say why a topic's stamps cannot be compared with the clock."""
    return f"the stamps on {topic} are of no use: {DOUBTS[doubt]}"


def clockless(topic: str, timeline: Timeline) -> str:
    """Say that a topic's stamps tell no time; empty where they do, or where that is not sure yet."""
    if timeline.clockless < SURE:
        return ""
    return f"the stamps on {topic} stand still" if timeline.standing else f"the messages on {topic} carry no stamp (0)"


def clock_missing(node: Node) -> str:
    """Say that a node waits for a simulated clock that does not run; empty where it has one."""
    clock = node.get_clock()
    waits = getattr(clock, "ros_time_is_active", False) and clock.now().nanoseconds == 0
    return DOUBTS["no_clock"] if waits else ""

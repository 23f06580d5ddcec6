"""Goes through the pictures of a recording's cameras, and says which of them are asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from egm_core.recordings.cameras import Camera
from egm_core.recordings.entries import Message
from egm_core.recordings.pictures import Still, Stills, Unreadable
from egm_core.streams.timeline import Seen, Timeline

# A camera's pictures come a little early and a little late.
EARLY = 0.02


@dataclass(frozen=True)
class Pace:
    """How often is asked: each picture of the number `every`, or else `rate` pictures a second."""

    every: int = 0
    rate: float = 1.0


@dataclass(frozen=True)
class Picture:
    """A camera's message in a recording: its number on its topic, what it holds, and its moment.

    `still` is None where its bytes are no message, and `trouble` says why.
    """

    camera: Camera
    number: int
    entry: Message
    still: Still | None
    seen: Seen
    trouble: str = ""


class Looking:
    """Reads the pictures of cameras as they come; one for each time that a recording is gone through."""

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = {camera.topic: camera for camera in cameras}
        self._numbers = dict.fromkeys(self._cameras, -1)
        self._timelines = {topic: Timeline() for topic in self._cameras}
        self._stills = Stills()

    def at(self, entry: Message) -> Picture | None:
        """Read a message; None where it is of no camera that is asked about."""
        topic = entry.channel.topic
        camera = self._cameras.get(topic)
        if camera is None:
            return None
        self._numbers[topic] += 1
        number, timeline = self._numbers[topic], self._timelines[topic]
        try:
            still = self._stills.read(entry)
        except Unreadable as error:
            moment = timeline.newest if timeline.newest is not None else entry.log_time
            return Picture(camera, number, entry, None, Seen(moment), str(error))
        return Picture(camera, number, entry, still, timeline.see(still.stamp, entry.log_time / 1e9))


class Turns:
    """Says of each camera's pictures which are asked about; one that cannot be read leaves its turn to the next."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._due: dict[str, bool] = {}
        self._last: dict[str, int] = {}

    def due(self, picture: Picture) -> bool:
        """Tell whether it is a picture's turn."""
        topic, moment = picture.camera.topic, picture.seen.moment
        if self._pace.every:
            self._due[topic] = self._due.get(topic, False) or picture.number % self._pace.every == 0
        else:
            last = self._last.get(topic)
            apart = (1.0 - EARLY) / self._pace.rate
            self._due[topic] = last is None or picture.seen.anew or moment - last >= apart * 1e9
        return self._due[topic]

    def taken(self, picture: Picture) -> None:
        """Note that a picture is asked about."""
        self._due[picture.camera.topic] = False
        self._last[picture.camera.topic] = picture.seen.moment


def pictures(entries: Iterator[object], looking: Looking) -> Iterator[Picture]:
    """Give the pictures among what stands in a recording."""
    for entry in entries:
        picture = looking.at(entry) if isinstance(entry, Message) else None
        if picture is not None:
            yield picture

"""Reads the stamps of a camera's pictures: when time went back, and whether there is a clock behind them at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Stamp = int  # nanoseconds

# Stamps that go back this far (seconds) mean that time has gone back; less is a message out of order,
JUMP = 0.5
# unless so many pictures in a row are older than the newest: a bag that loops may be shorter than that.
OLDER = 5
# So many pictures over so many seconds with the very same stamp are of a clock that stands.
STILL, STILL_SECONDS = 5, 1.0
# No wall clock shows less (2001), and no time since a start or in a simulation is more.
WALL = 10**18
# A stamp may be this far (seconds) ahead of a clock that is read later: clocks of two machines differ by a little.
AHEAD = 1.0

Doubt = Literal["", "no_stamp", "no_clock", "uptime", "wall_time", "ahead"]


def stamp_of(message: Any) -> Stamp:
    """Give a message's stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


@dataclass(frozen=True)
class Seen:
    """What a picture's stamp tells: its moment, and whether a new era begins with it.

    `back` says by how many seconds time went back; 0 where it did not.
    """

    moment: Stamp
    anew: bool = False
    back: float = 0.0


class Timeline:
    """Gives pictures and answers of one camera moments by which they can be compared.

    A moment is the stamp in nanoseconds; where the camera has no clock, its stamps are 0 or stand still, it is the
    time of arrival. Moments of two eras have nothing to do with each other: an era ends when time goes back, as with
    a bag that loops or a simulator that is reset, and when the clock comes or goes.
    """

    def __init__(self) -> None:
        self.era = 0
        self.newest: Stamp | None = None
        self.clockless = 0  # pictures in a row that told no time
        self._stamp: Stamp | None = None
        self._same, self._since = 0, 0.0
        self._older = 0
        self._clock: Stamp | None = None

    @property
    def standing(self) -> bool:
        """Whether the camera's clock shows a time, but always the same."""
        return bool(self.clockless and self._stamp)

    def see(self, stamp: Stamp, now: float) -> Seen:
        """Take in the stamp of a picture; `now` is seconds of a clock that never jumps."""
        self._same = self._same + 1 if stamp == self._stamp else 1
        if self._same == 1:
            self._since = now
        self._stamp = stamp
        clockless = stamp == 0 or (self._same >= STILL and now - self._since >= STILL_SECONDS)
        moment = round(now * 1e9) if clockless else stamp
        changed = self.newest is not None and clockless != bool(self.clockless)
        self.clockless = self.clockless + 1 if clockless else 0
        before = self._clock if changed and not clockless else self.newest
        back = (before - moment) / 1e9 if before is not None and not clockless else 0.0
        self._older = self._older + 1 if back > 0.0 else 0 if back < 0.0 else self._older
        if changed or back > JUMP or self._older >= OLDER:
            self.era += 1
            self._older = 0
            self.newest = moment
            seen = Seen(moment, True, max(0.0, back))
        else:
            self.newest = max(moment, self.newest if self.newest is not None else moment)
            seen = Seen(moment)
        if not clockless:
            self._clock = self.newest
        return seen

    def answer(self, stamp: Stamp) -> Stamp | None:
        """Give the moment of the picture that an answer's stamp means; None where it can be of no picture here.

        Without a clock nobody can tell which picture it was: the newest is taken.
        """
        if self.newest is None:
            return stamp
        if stamp == 0 or (self.clockless and stamp == self._stamp):
            return self.newest
        return None if self.clockless or self.ahead(stamp) else stamp

    def ahead(self, stamp: Stamp) -> bool:
        """Tell whether an answer is of well after the newest picture: its own is to come, or time went back since."""
        return self.newest is not None and not self.clockless and stamp > self.newest + JUMP * 1e9


def age_of(stamp: Stamp, clock: Stamp, waited: float) -> tuple[float, Doubt]:
    """Give a picture's age in seconds, and why it is counted from arrival (`waited`) where the stamp is of no use.

    `clock` is what the reader's own clock shows now, in nanoseconds; 0 where it does not run.
    """
    age = (clock - stamp) / 1e9
    doubt: Doubt = ""
    if stamp == 0:
        doubt = "no_stamp"
    elif clock == 0:
        doubt = "no_clock"
    elif stamp < WALL <= clock:
        doubt = "uptime"
    elif clock < WALL <= stamp:
        doubt = "wall_time"
    elif age < -AHEAD:
        doubt = "ahead"
    return (waited if doubt else age), doubt

"""When the next query may start: one rate for all, and refreshes first, or ahead of it where that is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from egm_core.targets.board import Place


@dataclass(frozen=True)
class Wish:
    """A refresh that is wanted since a time, but so many seconds after the last one of its camera at the earliest."""

    since: float
    interval: float


@dataclass(frozen=True)
class Pace:
    """One rate for all places together, and a refresh for each; all times are monotonic seconds.

    `due` is when the rate allows the next query, `refreshed` when each camera's last refresh was served. `favoured`:
    the last query was a refresh.
    """

    due: float = 0.0
    wishes: Mapping[Place, Wish] = field(default_factory=dict)
    refreshed: Mapping[str, float] = field(default_factory=dict)
    favoured: bool = False

    def due_at(self, place: Place, ahead: bool) -> float:
        """Give the time from which a place may be asked; `ahead`: refreshes need not wait for the rate."""
        return min(self.due, self._ripe_at(place)) if ahead else self.due

    def in_order(self, places: Sequence[Place], now: float) -> Sequence[Place]:
        """Give the places as they are to be asked: refreshes first, but never two in a row before the others."""
        if self.favoured:
            return places
        return sorted(places, key=lambda place: self._ripe_at(place) > now)

    def _ripe_at(self, place: Place) -> float:
        wish = self.wishes.get(place)
        if wish is None:
            return math.inf
        return max(wish.since, self.refreshed.get(place.camera, -math.inf) + wish.interval)

    def started(self, place: Place | None, now: float, rate: float) -> Pace:
        """A query started: the next one is due by `rate` in Hz (0: at once), and the place's refresh is served.

        Without a place it was asked once, by itself.
        """
        pace = replace(self, due=now + 1.0 / rate if rate else 0.0)
        if place is None:
            return pace
        pace = replace(pace, favoured=place in self.wishes)
        if not pace.favoured:
            return pace
        wishes = {other: wish for other, wish in self.wishes.items() if other != place}
        return replace(pace, wishes=wishes, refreshed={**self.refreshed, place.camera: now})

    def wished(self, places: Iterable[Place], now: float, interval: float) -> Pace:
        """Let the next query of each place be a refresh, `interval` seconds after its camera's last such."""
        return replace(self, wishes={place: Wish(now, interval) for place in places} | dict(self.wishes))

    def restarted(self) -> Pace:
        """Forget the last query: the rate has changed."""
        return replace(self, due=0.0)

    def kept(self, places: Collection[Place]) -> Pace:
        """Drop the refreshes of what is not to be asked any more."""
        return replace(self, wishes={place: wish for place, wish in self.wishes.items() if place in places})

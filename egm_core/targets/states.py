"""What became of each target before each camera: only one that an answer calls absent has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from egm_core.targets.board import Place

Outcome = Literal["not_asked", "found", "absent", "stale", "error"]


@dataclass(frozen=True)
class State:
    """The newest query about a target before a camera: its outcome and reason, and its image's stamp as a text.

    `answers` counts those that were found or absent, `at` is when the newest query ended (monotonic seconds).
    """

    outcome: Outcome = "not_asked"
    reason: str = ""
    stamp: str = ""
    message: str = ""
    at: float | None = None
    answers: int = 0


@dataclass(frozen=True)
class States:
    """The states of the places in force, by camera and by the target's number."""

    entries: Mapping[tuple[str, int], State] = field(default_factory=dict)

    def of(self, place: Place) -> State:
        """Give a place's state."""
        return self.entries.get((place.camera, place.target.sequence), State())

    def serving(self, places: Sequence[Place]) -> States:
        """Keep these only; what is new was not asked yet, and a switch changes nothing."""
        return States({(place.camera, place.target.sequence): self.of(place) for place in places})

    def concluded(self, place: Place, outcome: Outcome, reason: str, stamp: str, message: str, now: float) -> States:
        """Note a query's end; that of a target that is not in force any more changes nothing."""
        key = (place.camera, place.target.sequence)
        if key not in self.entries:
            return self
        before = self.entries[key]
        answers = before.answers + (outcome in ("found", "absent"))
        state = State(outcome, reason, stamp, message, now, answers)
        return replace(self, entries={**self.entries, key: state})

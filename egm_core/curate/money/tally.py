"""What one run asks and spends by a ledger that other runs may use at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.asking.job import Answer
from egm_core.asking.store import NO_BOUND, Bound, Store


@dataclass
class Tally:
    """How often a run has asked, the dollars that this has cost, and what was said that need not be said twice.

    `unsent` counts questions that were taken and could not be sent, such as for an image that cannot be read.
    """

    requests: int = 0
    unsent: int = 0
    dollars: float = 0.0
    said: set[str] = field(default_factory=set)


class TalliedStore(Store):
    """A ledger that counts what goes through it in this run, apart from what others write into the same file."""

    def __init__(self, path: Path, about: Mapping[str, Any], tally: Tally) -> None:
        self.tally = tally
        self._reserved: dict[str, float] = {}
        super().__init__(path, about)

    def claim(self, key: str, reserve: float = 0.0, again: bool = True, within: Bound = NO_BOUND) -> bool:
        """Take a job to ask it, and count that."""
        claimed = super().claim(key, reserve, again, within)
        if claimed:
            self._reserved[key] = reserve
            self.tally.requests += 1
        return claimed

    def unclaim(self, key: str) -> None:
        """Free what was not asked after all, and count it no more."""
        super().unclaim(key)
        if self._reserved.pop(key, None) is not None:
            self.tally.requests -= 1

    def again(self, key: str, reserve: float = 0.0, within: Bound = NO_BOUND) -> bool:
        """Count another attempt."""
        sent = super().again(key, reserve, within)
        self.tally.requests += sent
        if sent:
            self._reserved[key] = self._reserved.get(key, 0.0) + reserve
        return sent

    def not_sent(self) -> None:
        """Count a job that was claimed as one that was never sent after all."""
        self.tally.requests -= 1
        self.tally.unsent += 1

    def release(self) -> None:
        """Free what has no answer; what was reserved for it counts as spent."""
        super().release()
        self.tally.dollars += sum(self._reserved.values())
        self._reserved.clear()

    def add(self, answer: Answer, payload: Any = None, spent: float = 0.0) -> None:
        """Keep an answer, and count what it has cost."""
        super().add(answer, payload, spent)
        self._reserved.pop(answer.key, None)
        self.tally.dollars += spent

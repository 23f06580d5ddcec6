"""Counts what a node sees and says, for its diagnostics; pure, no ROS."""

from __future__ import annotations

from collections import Counter


class Answers:
    """What became of the queries since the node was configured; `last` is the newest verdict's kind and words.

    A kind is an outcome, or the reason why an answer was taken back; `doubtful` says that the newest wants a look.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.repairs: Counter[str] = Counter()
        self.thoughts: Counter[str] = Counter()
        self.missed = 0
        self.last = ("", "")
        self.doubtful = False
        self.last_at: float | None = None

    def concluded(
        self,
        now: float,
        outcome: str,
        message: str,
        repairs: tuple[str, ...],
        doubtful: bool = False,
        thought: str = "",
        missed: bool = False,
    ) -> None:
        """Note a verdict, what was repaired in its answer, whether it was thought about, and whether it came late."""
        self.thoughts[thought] += 1
        self.missed += missed
        self.outcomes[outcome] += 1
        self.repairs.update(repairs)
        self.last, self.last_at, self.doubtful = (outcome, message), now, doubtful

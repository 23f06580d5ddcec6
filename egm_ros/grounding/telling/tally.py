"""Counts what a node sees and says, for its diagnostics; pure, no ROS."""

from __future__ import annotations

from collections import Counter, deque

WINDOW = 5.0


class Arrivals:
    """The images of one camera: how many a second over the last seconds, and how old the newest is.

    All times are monotonic seconds; `age` is by the image's stamp.
    """

    def __init__(self) -> None:
        self.newest: float | None = None
        self.age = 0.0
        self._marks: deque[tuple[float, int]] = deque()
        self._total = 0

    def came(self, now: float, age: float) -> None:
        """Note an image that came now and was `age` seconds old."""
        self.newest, self.age = now, age
        self._total += 1

    def rate(self, now: float) -> float:
        """Give the images per second since a call of this about five seconds ago; call it every second or so."""
        self._marks.append((now, self._total))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW:
            self._marks.popleft()
        then, before = self._marks[0]
        return (self._total - before) / (now - then) if now > then else 0.0

    def silent(self, now: float, since: float) -> float:
        """Give how long no image has come, counted from `since` at the earliest."""
        return now - max(since, self.newest if self.newest is not None else since)


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

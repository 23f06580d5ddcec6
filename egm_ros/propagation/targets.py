"""Which targets boxes are of, where several are served: what an answer takes the place of, and what has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from egm_core.streams.joining import Answer, Stamp


@dataclass(frozen=True, eq=False)
class Waiting:
    """An answer that waits for its image or its instruction since a time (monotonic seconds)."""

    answer: Answer
    since: float

    @property
    def labels(self) -> frozenset[str]:
        """The lines that its boxes answer."""
        return labels_of(self.answer)


@dataclass(frozen=True)
class Ended:
    """A target that is absent: its line, and the stamp of the image that it is absent from."""

    label: str
    stamp: Stamp


def label_of(entry: Any) -> str:
    """Give the line that a detection answers."""
    return str(entry.results[0].hypothesis.class_id) if entry.results else ""


def number_of(identity: str) -> str:
    """Give the number of the target that an answer's id begins with."""
    return identity.partition(":")[0]


def score_of(entry: Any) -> float:
    """Give a detection's score."""
    return float(entry.results[0].hypothesis.score) if entry.results else 0.0


def labels_of(answer: Answer) -> frozenset[str]:
    """Give the lines that an answer's boxes answer; none where it has no boxes."""
    return frozenset(label_of(entry) for entry in answer.visible.detections)


def ended(status: DiagnosticStatus, topic: str) -> list[Ended]:
    """Read from the grounding node's status which targets are absent; `topic` is where the visible boxes come from.

    Each status tells the state of all targets of its camera, so that the next makes up for one that is lost; that of
    another camera tells nothing. Raises ValueError for one that cannot be read.
    """
    values = {entry.key: entry.value for entry in status.values}
    if values.get("visible_topic") != topic:
        return []
    try:
        absent = [target for target in json.loads(values["targets"]) if target["state"] == "absent"]
        return [Ended(str(target["instruction"]), _nanoseconds(target["stamp"])) for target in absent]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            "a status does not say which targets are absent, so that their boxes stay: does another program publish"
            f" there, or a grounding node of another version? ({type(error).__name__}: {error})"
        ) from error


def _nanoseconds(stamp: str) -> Stamp:
    seconds, _, rest = stamp.partition(".")
    return int(seconds) * 10**9 + int(rest)

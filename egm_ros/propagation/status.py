"""What the propagation node says of each answer and of each end of boxes: outcome, reasons, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from egm_core.propagation import Track
from egm_core.streams.joining import ALONE, BACK, BROKEN, LATE, Dropped
from egm_ros.common.messages import stamp_text, status

Outcome = Literal["found", "absent", "ended", "error"]

# Reasons that are nobody's fault and nothing to look at.
CALM = ("new_instruction", "deactivated")


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: reasons (a word and a sentence each), boxes it had, those carried on, its age (s).

    `ids` are the answer's, and those that the propagated boxes have for them.
    """

    outcome: Outcome
    reasons: Mapping[str, str]
    objects: int = 0
    carried: int = 0
    age: float = 0.0
    ids: Mapping[str, str] = field(default_factory=dict)

    @property
    def level(self) -> bytes:
        """How bad that is."""
        if self.outcome == "error":
            return bytes(DiagnosticStatus.ERROR)
        worrying = [reason for reason in self.reasons if reason not in CALM]
        return bytes(DiagnosticStatus.WARN if worrying else DiagnosticStatus.OK)

    @property
    def message(self) -> str:
        """The reasons with their sentences, or the outcome where there are none."""
        return f"{', '.join(self.reasons)}: {'; '.join(self.reasons.values())}" if self.reasons else self.outcome


def status_of(node: str, header: Header, verdict: Verdict) -> DiagnosticStatus:
    """Make the message for a verdict; the header is that of the answer."""
    values = {
        "stamp": stamp_text(header),
        "outcome": verdict.outcome,
        "reason": ", ".join(verdict.reasons),
        "objects": verdict.objects,
        "carried": verdict.carried,
        "age": verdict.age,
        "ids": json.dumps(dict(verdict.ids)),
        "frame": header.frame_id,
    }
    return status(node, "", verdict.level, verdict.message, values)


def losses(tracks: Iterable[Track], age: float, max_propagation: float) -> dict[str, str]:
    """Explain why tracks have ended, `age` seconds after the answer's image."""
    found, old = {}, f"{age:.1f} s"
    for track in tracks:
        if track.lost == "too_old":
            found["too_old"] = (
                f"the answer's image is {old} old, and max_propagation is {max_propagation:g} s: an engine that takes"
                " so long needs twice as much and a little more"
            )
        elif track.lost == "no_support" and not track.expected:
            found["no_support"] = "the visible box shows nothing that could be followed"
        elif track.lost == "no_support":
            found["no_support"] = f"nothing of the object could be followed any more, {old} after the answer's image"
        elif track.lost == "left_picture":
            found["left_picture"] = f"the object has left the image, {old} after the answer's"
        elif track.lost == "another_size":
            found["another_size"] = "images are of another size, or without colour, since the answer's"
    return dict(sorted(found.items()))


def dropped(entry: Dropped) -> dict[str, str]:
    """Explain why an array of boxes was dropped before it became an answer."""
    other = "amodal" if entry.kind == "visible" else "visible"
    words = {BACK: "time_went_back", ALONE: f"no_{other}", LATE: "late", BROKEN: "bad_box"}
    return {words.get(entry.why, "no_picture"): str(entry)}

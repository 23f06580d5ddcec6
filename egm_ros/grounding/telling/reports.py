"""What the grounding node says on ~/status: of an answer, of an engine, and with every message."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String

from egm_core.grounder.explained import status_values
from egm_core.supervise.link import EngineLink, EngineState
from egm_core.targets.board import Place
from egm_core.targets.states import States
from egm_ros.common import messages
from egm_ros.grounding.asking.frames import Slot
from egm_ros.grounding.asking.outcomes import Result, Verdict


def answer_values(result: Result, verdict: Verdict, total_ms: float, age: float) -> dict[str, Any]:
    """Lay out an answer; `age` is its image's in seconds."""
    grounding = verdict.grounding
    return {
        "seq": result.target.sequence,
        "stamp": messages.stamp_text(result.frame.message.header),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "engine_ms": grounding.engine_ms if grounding is not None else 0.0,
        "total_ms": total_ms,
        "age_ms": 1000.0 * age,
        "instruction": result.target.instruction,
        "deadline_missed": "yes" if verdict.missed else "no",
        **status_values(grounding),
    }


def answer_level(verdict: Verdict) -> bytes:
    """Give the level of an answer's message."""
    warn: bytes = DiagnosticStatus.WARN
    return warn if verdict.doubtful else messages.LEVELS[verdict.outcome]


def engine_values(state: EngineState) -> tuple[bytes, str, dict[str, Any]]:
    """Give the level of an engine's state, its words, and its keys."""
    failed = state.state == "failed"
    troubled = DiagnosticStatus.ERROR if failed else DiagnosticStatus.WARN
    level = DiagnosticStatus.OK if state.reason == "engine_ready" else troubled
    return level, state.words, {"outcome": "error" if failed else "", "reason": state.reason, "engine": state.state}


class Served:
    """Says which lines are served, of all cameras (no name) and of each, once where they change."""

    def __init__(self, publishers: Mapping[str, Any]) -> None:
        self._publishers, self._told = dict(publishers), dict.fromkeys(publishers, "")
        for publisher in publishers.values():
            publisher.publish(String(data=""))

    def tell(self, served: Callable[[str], str]) -> None:
        """Publish what `served` says of each where that is something else than before."""
        for camera, publisher in self._publishers.items():
            if (text := served(camera)) != self._told[camera]:
                self._told[camera] = text
                publisher.publish(String(data=text))


def concluded(states: States, result: Result, verdict: Verdict, now: float) -> States:
    """Note what became of a query (monotonic seconds)."""
    if not verdict.outcome:
        return states
    stamp = messages.stamp_text(result.frame.message.header)
    return states.concluded(result.place, verdict.outcome, verdict.reason, stamp, verdict.message, now)


def target_values(
    result: Result, verdict: Verdict, served: Sequence[Place], states: States, topic: str
) -> dict[str, str]:
    """Lay out which targets the arrays of an answer are about, and the state of each of its camera's, as JSON.

    `topic` is where the arrays of visible boxes go.
    """
    answered = [result.target.sequence] if verdict.outcome in ("found", "absent") else []
    entries = [
        {
            "seq": place.target.sequence,
            "instruction": place.target.instruction,
            "state": states.of(place).outcome,
            "reason": states.of(place).reason,
            "stamp": states.of(place).stamp,
        }
        for place in served
        if place.camera == result.frame.camera
    ]
    return {
        "visible_topic": topic,
        "answered": json.dumps(answered),
        "targets": json.dumps(entries, ensure_ascii=False),
    }


def common_values(sequence: int, camera: str, links: Sequence[EngineLink], slots: Collection[Slot]) -> dict[str, Any]:
    """Lay out what every message has first; `slots` are the places of the cameras whose images are counted."""
    states = [link.state.state for link in links]
    worst = next((state for state in states if state != "ready"), "ready")
    return {
        "seq": sequence,
        "stamp": "",
        "outcome": "",
        "reason": "",
        "engine_ms": 0.0,
        "total_ms": 0.0,
        "camera": camera,
        "engine": worst if states else "closed",
        "restarts": sum(link.restarts for link in links),
        "received": sum(slot.received for slot in slots),
        "dropped": sum(slot.dropped for slot in slots),
    }

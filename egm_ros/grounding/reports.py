"""What the grounding node says on ~/status: of an answer, of an engine, and with every message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from egm_core.supervise.link import EngineLink, EngineState
from egm_ros.common import messages
from egm_ros.grounding.outcomes import Result, Verdict
from egm_ros.grounding.turns import Slot


def answer_values(result: Result, verdict: Verdict, total_ms: float, age: float) -> dict[str, Any]:
    """Lay out an answer; `age` is its image's in seconds."""
    grounding = verdict.grounding
    return {
        "seq": result.order.sequence,
        "stamp": messages.stamp_text(result.frame.message.header),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "engine_ms": grounding.engine_ms if grounding is not None else 0.0,
        "total_ms": total_ms,
        "age_ms": 1000.0 * age,
        "instruction": result.order.instruction,
        "deadline_missed": "yes" if verdict.missed else "no",
        **messages.grounding_values(grounding),
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
